"""Walk-forward: what is fitted knows nothing of its fold, and every figure has its interval."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from data.ledger import Ledger
from features.task import Task, load_task
from models import metrics
from pipelines.breakdown import by_category, segments, whole
from pipelines.commands import EvaluateConfig
from pipelines.decisions import training_start
from pipelines.evaluate import EvaluateResult, run_evaluate, whose_of
from pipelines.modelling import fit_models
from pipelines.walking import Walk, Walked, walk

SMALL = """
name = "small"
[events.requests]
types = ["refund_requested"]
[events.orders]
types = ["order_paid"]
[events.clawbacks]
types = ["clawback_opened"]
[links.access]
device_id = 12
address_id = 15
[[feature]]
entity = "user_id"
events = "requests"
aggregate = ["count", "age"]
over = ["90d", "life"]
[[feature]]
entity = "user_id"
events = "orders"
aggregate = ["count"]
over = ["90d", "life"]
[[ring]]
links = "access"
aggregate = ["size"]
stage = "standing"
[spine]
trigger = "requests"
request = ["amount_cents", "refund_type"]
[label.again]
events = "clawbacks"
horizon = "45d"
[model.again]
n_estimators = 15
num_leaves = 4
"""
END = pd.Timestamp("2025-06-01", tz="UTC")


def quiet(_line: str) -> None:
    pass


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("task") / "small.toml"
    path.write_text(SMALL)
    return str(path)


def how(task: Task, ledger: Ledger, **changes: Any) -> Walk:
    given: dict[str, Any] = {"folds": 2, "span": pd.Timedelta(days=45), "seed": 0, "parted": False}
    by = changes.pop("by", "users")
    return Walk(**(given | changes), whose=whose_of(task, ledger, by, END))


def walked(small: str, ledger: Ledger, **changes: Any) -> Walked:
    task = load_task(small)
    start = training_start(ledger, None, END)
    return walk(task, ledger, None, start, END, how(task, ledger, **changes), quiet)


def test_a_fold_is_judged_by_what_was_known_when_it_began(small: str, ledger: Ledger) -> None:
    found = walked(small, ledger)
    rows = found.rows["again_request"]
    begin, end = found.folds[-1]
    assert found.folds[0][1] == begin
    last = rows[(rows["as_of"] >= begin) & (rows["as_of"] < end)]
    # Labels of cases decided up to the horizon before the fold may be known; nothing after it is.
    stop = int(np.searchsorted(ledger.known_us, begin.value // 1000))
    later = np.arange(len(ledger)) >= stop
    types = ledger["event_type"]
    clawed = types.values == types.encode(pd.Series(["clawback_opened"]))[0]
    tampered = ledger.take(~(later & clawed & (np.arange(len(ledger)) % 2 == 0)))
    again = walked(small, tampered).rows["again_request"]
    theirs = again[(again["as_of"] >= begin) & (again["as_of"] < end)]
    np.testing.assert_array_equal(last["p(ours)"], theirs["p(ours)"])
    np.testing.assert_array_equal(last["p(logistic)"], theirs["p(logistic)"])
    assert last["y"].sum() > theirs["y"].sum()  # the outcomes themselves did change


@pytest.mark.parametrize("by", ["users", "clusters"])
def test_nobody_is_judged_who_was_fitted_on(
    small: str, ledger: Ledger, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[set[int]] = []
    task = load_task(small)
    whose = whose_of(task, ledger, by, END)

    def spy(task: Task, early: Any, policy: Any, seed: int, tell: Any) -> Any:
        lesson = early["request"]
        rows = lesson.usable(task, "again")
        fitted.append(set(whose(lesson.decisions.cases["user_id"][rows])))
        return fit_models(task, early, policy, seed, tell)

    monkeypatch.setattr("pipelines.walking.fit_models", spy)
    found = walked(small, ledger, by=by, parted=True)
    rows = found.rows["again_request"]
    for known, (begin, end) in zip(fitted, found.folds, strict=True):
        judged = rows[(rows["as_of"] >= begin) & (rows["as_of"] < end)]
        assert len(judged) > 100
        assert not known & set(judged["whose"])
    everybody = walked(small, ledger, by=by).rows["again_request"]
    assert len(rows) < len(everybody)


@pytest.fixture(scope="module")
def judged(
    ledger_path: Path, quick_task: str, tmp_path_factory: pytest.TempPathFactory
) -> EvaluateResult:
    config = EvaluateConfig(
        ledger=ledger_path,
        task=quick_task,
        artifacts=tmp_path_factory.mktemp("evaluate"),
        folds=1,
        span_days=120,
        by="clusters",
        draws=60,
    )
    return run_evaluate(config, quiet)


def test_every_figure_of_every_head_has_an_interval(judged: EvaluateResult) -> None:
    assert [t.head.name for t in judged.heads] == [
        "y_claw_request", "y_abuse_request", "y_abuse_standing", "y_claw_standing",
    ]  # fmt: skip
    for told in judged.heads:
        assert {"logistic", "scorecard"} == set(told.all.beside) == set(told.all.less)
        for name in ("auc", "gini", "ks", "brier_resolution", "calibration_slope"):
            found = told.all.figures[name]
            assert found.lower < found.value < found.upper, (told.head.name, name)
        less = told.all.less["logistic"]["auc"].value
        ours, theirs = told.all.figures["auc"], told.all.beside["logistic"]["auc"]
        assert less == pytest.approx(ours.value - theirs.value)
    money = judged.heads[0].all.figures
    assert 0 < money["loss_captured_10"].upper <= 1
    assert 0.1 < money["expected_over_realised"].value < 10


def test_parts_add_up_to_the_whole(judged: EvaluateResult) -> None:
    for told in judged.heads:
        request = told.head.stage == "request"
        names = {"amount_cents", "tenure", "refund_type"} if request else {"tenure"}
        assert set(told.segments) == names
        for parts in (*told.segments.values(), told.months):
            assert sum(p.rows for p in parts) == told.all.rows
            assert sum(p.bad for p in parts) == told.all.bad


def test_what_is_written_is_what_is_told(judged: EvaluateResult) -> None:
    told = json.loads((judged.folder / "evaluation.json").read_text())
    auc = judged.heads[0].all.figures["auc"]
    assert told["heads"]["y_claw_request"]["all"]["figures"]["auc"][0] == auc.value
    assert len(list(judged.folder.glob("*.png"))) == 4
    text = judged.text()
    for word in ("a scorecard", "ours less the logistic", "refund_only", "under 30 days"):
        assert word in text


def _rows(n: int, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.5, n)
    table = {
        "y": (rng.random(n) < p).astype(float),
        "p(ours)": p,
        "whose": np.arange(n),
        "as_of": pd.date_range("2025-01-01", periods=n, freq="6h", tz="UTC"),
    }
    return pd.DataFrame(table | columns)


def test_a_part_that_says_nothing_is_named_with_what_is_needed() -> None:
    rows = _rows(300)
    part = pd.Series(pd.Categorical(["one user"] * 60 + ["no bad"] * 60 + ["good"] * 180))
    rows.loc[:59, "whose"] = 7
    rows.loc[60:119, "y"] = 0.0
    found = {r.name: r for r in by_category(rows, part, 40, 0)}
    assert found["one user"].why == "one user: 2 are needed to draw from"
    assert found["no bad"].why == "0 bad cases: 10 are needed"
    assert found["no bad"].rows == 60
    assert not found["one user"].figures
    assert found["good"].figures["auc"].lower < found["good"].figures["auc"].value
    assert found["no bad"].summary() == {
        "rows": 60, "users": 60, "bad": 0, "why": "0 bad cases: 10 are needed",
    }  # fmt: skip


def test_numbers_are_cut_in_quarters_and_text_keeps_its_values(ledger: Ledger) -> None:
    values = [float(i) for i in range(99)] + [np.nan]
    rows = _rows(100, amount=values, kind=["a", "b", None, "b"] * 25)
    found = dict(segments(rows, ledger, ("amount", "kind", "elsewhere")))
    assert found["amount"].value_counts().max() == 25
    assert list(found["amount"].cat.categories[-1:]) == ["null"]
    assert found["amount"].iloc[99] == "null"
    assert found["kind"].value_counts().to_dict() == {"b": 50, "a": 25, "null": 25}
    assert "elsewhere" not in found


def test_tenure_counts_from_the_users_first_event(ledger: Ledger) -> None:
    users = ledger["user_id"]
    code = int(np.bincount(users.values[users.values >= 0]).argmax())
    first = pd.Timestamp(int(ledger.known_us[users.values == code].min()), unit="us", tz="UTC")
    who = np.asarray(users.dictionary)[code]
    days = np.array([1, 29, 31, 179, 181, 400])
    rows = pd.DataFrame({"user_id": who, "as_of": first + pd.to_timedelta(days, unit="D")})
    bands = dict(segments(rows, ledger, ("tenure",)))["tenure"].cat.codes
    assert bands.tolist() == [0, 0, 1, 1, 2, 2]


def test_all_rows_are_read_as_metrics_say() -> None:
    rows = _rows(400)
    told = whole(rows, 40, 0).figures
    y, p = rows["y"].to_numpy(), rows["p(ours)"].to_numpy()
    assert told["auc"].value == pytest.approx(metrics.auc(y, p))
    assert told["brier"].value == pytest.approx(metrics.brier(y, p))


@pytest.fixture
def config(small: str, ledger_path: Path, tmp_path: Path) -> EvaluateConfig:
    return EvaluateConfig(ledger=ledger_path, task=small, artifacts=tmp_path, draws=20)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"segments": "amount_cent"}, UsageError, "did you mean 'amount_cents'"),
        ({"folds": 2, "span_days": 400}, ContractError, r"slice fit \(before 2023.*no rows"),
        ({"folds": 2, "span_days": 190}, ContractError, "10 of each outcome are needed"),
        ({"folds": 40, "span_days": 1}, ContractError, "at least 1 is needed to judge on"),
        ({"as_of": "2024-02-01"}, ContractError, "no case has a matured again"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_what_is_needed(
    config: EvaluateConfig, changes: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        run_evaluate(replace(config, **changes), quiet)


def test_clusters_of_a_task_that_links_nobody(config: EvaluateConfig, tmp_path: Path) -> None:
    alone = tmp_path / "alone.toml"
    text = SMALL.replace(
        '[[ring]]\nlinks = "access"\naggregate = ["size"]\nstage = "standing"\n', ""
    )
    alone.write_text(text)
    with pytest.raises(UsageError, match=r"links nobody(?s:.)*--by users"):
        run_evaluate(replace(config, task=str(alone), by="clusters"), quiet)
