from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.errors import BusyError, ContractError, ModelError, UsageError
from data.ledger import Ledger
from data.lock import locked
from models.metrics import auc
from pipelines.bundle import Bundle
from pipelines.commands import ScoreConfig
from pipelines.plan import AT_REQUEST
from pipelines.risk_heads import chunked
from pipelines.score import LOCK, ScoreResult, run_score
from pipelines.training import Trial

AS_OF, SINCE = "2025-04-20 14:00", "2025-03-01"
Make = Callable[..., ScoreConfig]


@pytest.fixture(scope="module")
def config(
    ledger_path: Path, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> ScoreConfig:
    artifacts = tmp_path_factory.mktemp("artifacts")
    return ScoreConfig(
        ledger=ledger_path, model=str(bundle.folder), artifacts=artifacts, as_of=AS_OF
    )


@pytest.fixture(scope="module")
def live(config: ScoreConfig) -> ScoreResult:
    return run_score(config)


@pytest.fixture(scope="module")
def replay(config: ScoreConfig) -> ScoreResult:
    return run_score(replace(config, since=SINCE))


def test_open_requests_are_those_without_an_end(live: ScoreResult, ledger: Ledger) -> None:
    types, cases = ledger["event_type"], ledger["case_id"]
    known = ledger.known_us < pd.Timestamp(AS_OF, tz="UTC").value // 1000
    ends = ["advance_paid", "refund_paid", "buyer_withdrew", "request_expired"]
    ended = np.isin(types.values, types.encode(pd.Series(ends)))
    asked = types.values == types.encode(pd.Series(["refund_requested"]))[0]
    wanted = set(cases.values[known & asked]) - set(cases.values[known & ended])
    assert set(cases.encode(live.decisions["case_id"])) == wanted
    assert len(wanted) > 20


def test_every_row_says_what_made_it(live: ScoreResult, bundle: Bundle) -> None:
    assert live.standing is not None
    for table in (live.decisions, live.standing):
        assert set(table["model_version"]) == {bundle.version}
        assert set(table["task_version"]) == {bundle.task.version}
        assert set(table["run_id"]) == {live.run_id}
        assert len(set(table["policy_version"])) == 1


def test_every_user_and_one_stranger_have_a_standing(live: ScoreResult, ledger: Ledger) -> None:
    assert live.standing is not None
    known = ledger.known_us < pd.Timestamp(AS_OF, tz="UTC").value // 1000
    assert len(live.standing) == len(np.unique(ledger["user_id"].values[known])) + 1
    assert live.standing["user_id"].isna().sum() == 1
    assert live.standing["eligible"].mean() > 0.5


def test_a_rerun_gives_the_same_bytes(live: ScoreResult, config: ScoreConfig) -> None:
    before = {p.name: p.read_bytes() for p in live.folder.iterdir()}
    again = run_score(config)
    assert again.folder == live.folder
    assert {p.name: p.read_bytes() for p in again.folder.iterdir()} == before
    assert (config.artifacts / "current").resolve() == live.folder.resolve()


def test_no_clock_and_no_place_is_written(live: ScoreResult, config: ScoreConfig) -> None:
    metadata = pq.read_metadata(live.folder / "decisions.parquet").metadata
    assert set(metadata) - {b"ARROW:schema"} >= {b"model_version", b"as_of"}
    manifest = (live.folder / "manifest.json").read_text()
    assert str(config.artifacts) not in manifest


def test_a_batch_score_is_the_training_score_bit_for_bit(
    replay: ScoreResult, trial: Trial, config: ScoreConfig
) -> None:
    lesson = trial.taught["request"]
    p = pd.Series(chunked(trial.models.risk[AT_REQUEST.name], lesson.decisions.X))
    trained = p.set_axis(lesson.decisions.cases["case_id"].astype("int64"))
    early = run_score(replace(config, since="2025-01-10", as_of="2025-02-10"))
    batch = early.decisions.set_index("case_id")["p_claw"]
    assert len(batch) > 50
    assert (batch == trained[batch.index]).all()


def test_a_score_does_not_depend_on_its_batch(replay: ScoreResult, config: ScoreConfig) -> None:
    other = run_score(replace(config, since="2025-04-01"))
    both = replay.decisions.set_index("case_id").loc[other.decisions["case_id"]]
    for column in ("p_claw", "points", "lgd", "loss_instant_cents", "q_scan"):
        assert np.array_equal(both[column].to_numpy(), other.decisions[column].to_numpy())


def test_the_future_changes_no_score(config: ScoreConfig, ledger: Ledger) -> None:
    later = run_score(replace(config, since=SINCE, as_of="2025-03-20"))
    sooner = run_score(replace(config, since=SINCE, as_of="2025-03-10"))
    same = later.decisions.set_index("case_id").loc[sooner.decisions["case_id"], "p_claw"]
    assert np.array_equal(same.to_numpy(), sooner.decisions["p_claw"].to_numpy())


def test_held_rows_are_explained(replay: ScoreResult, config: ScoreConfig) -> None:
    held = replay.decisions["action"] != "instant"
    assert (replay.decisions["reason_1"].astype(str) == replay.decisions["binding"]).all()
    assert replay.decisions.loc[held, "reason_2"].notna().mean() > 0.5
    assert replay.decisions.loc[~held, "reason_2"].isna().all()
    none = run_score(replace(config, reasons="none", as_of="2025-04-19"))
    assert none.decisions["reason_2"].isna().all()
    every = run_score(replace(config, reasons="all", as_of="2025-04-18"))
    paid = every.decisions["action"] == "instant"
    assert every.decisions.loc[paid, "reason_2"].notna().any()


def test_a_replay_is_nobodys_answer_of_today(config: ScoreConfig, tmp_path: Path) -> None:
    own = replace(config, artifacts=tmp_path, reasons="none")
    today = run_score(own)
    past = run_score(replace(own, since=SINCE))
    assert (tmp_path / "current").resolve() == today.folder.resolve() != past.folder.resolve()
    assert not (past.folder / "limits.parquet").exists()


def test_no_limit_is_passed(replay: ScoreResult) -> None:
    paid = replay.decisions[replay.decisions["action"].isin(["instant", "at_first_scan"])]
    assert (paid["open_cents"] + paid["amount_cents"] <= paid["limit_cents"]).all()


def test_scores_rank_the_truth(replay: ScoreResult, truth: pd.DataFrame) -> None:
    found = truth.set_index("case_id").loc[replay.decisions["case_id"].astype("int64")]
    bad = (found["p_claw_instant"] > found["p_claw_instant"].quantile(0.9)).to_numpy()
    assert auc(bad, replay.decisions["p_claw"]) > 0.6


def test_csv_holds_the_same_rows(config: ScoreConfig, live: ScoreResult) -> None:
    text = run_score(replace(config, format="csv"))
    table = pd.read_csv(text.folder / "decisions.csv")
    assert table["case_id"].tolist() == live.decisions["case_id"].tolist()
    assert np.allclose(table["p_claw"], live.decisions["p_claw"], rtol=1e-15)


def test_growth_goes_on_from_the_last_batch_before(config: ScoreConfig, tmp_path: Path) -> None:
    own = replace(config, artifacts=tmp_path)
    today = run_score(own)
    book = pd.read_parquet(today.folder / "limits.parquet").set_index("user_id")
    tomorrow = run_score(replace(own, as_of="2025-04-21 14:00"))
    after = pd.read_parquet(tomorrow.folder / "limits.parquet").set_index("user_id")
    assert set(book.index) <= set(after.index)
    assert run_score(own).run_id == today.run_id


def test_an_as_of_before_all_data_is_an_error(config: ScoreConfig) -> None:
    with pytest.raises(UsageError, match="before the first event"):
        run_score(replace(config, as_of="2020-01-01"))


def test_an_as_of_beyond_the_data_holds_everything_if_allowed(config: ScoreConfig) -> None:
    with pytest.raises(ContractError, match="--allow-stale"):
        run_score(replace(config, as_of="2025-07-10"))
    stale = run_score(replace(config, as_of="2025-07-10", allow_stale=True))
    assert set(stale.decisions["action"]) == {"after_inspection"}
    assert set(stale.decisions["binding"]) == {"stale_ledger"}


def test_a_kill_switch_holds_everything(config: ScoreConfig, tmp_path: Path) -> None:
    policy = tmp_path / "stop.toml"
    policy.write_text('id = "stop"\nkill_switch = true\n')
    stopped = run_score(replace(config, policy=policy))
    assert set(stopped.decisions["action"]) == {"after_inspection"}
    assert stopped.standing is not None
    assert not stopped.standing["eligible"].any()


def test_two_jobs_do_not_write_at_once(config: ScoreConfig) -> None:
    with locked(config.artifacts / LOCK), pytest.raises(BusyError):
        run_score(config)


def test_a_run_id_is_a_folder_name(config: ScoreConfig) -> None:
    assert run_score(replace(config, run_id="2025-04-20")).folder.name == "2025-04-20"
    with pytest.raises(UsageError, match="folder name"):
        run_score(replace(config, run_id="../elsewhere"))


def test_without_a_model_there_is_advice(config: ScoreConfig, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="clawback train"):
        run_score(replace(config, model="champion", artifacts=tmp_path))
