import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import BusyError, GateError, ModelError, NothingToDoError, UsageError, UserError
from data.ingest import write_ledger_table
from data.ledger import Ledger
from data.lock import locked
from data.market import World, altered, simulate
from models.baselines import baselines
from pipelines.beside import NO_SCORECARD, fit_baselines
from pipelines.bundle import Bundle
from pipelines.champion import find_bundle
from pipelines.commands import RetrainConfig, ScoreConfig, TrainConfig
from pipelines.evaluation import FEWEST_BAD
from pipelines.plan import AT_STANDING
from pipelines.retrain import KEPT, compare_with, run_retrain
from pipelines.risk_heads import chunked
from pipelines.score import run_score
from pipelines.tables import plain
from pipelines.tracking import CHALLENGER, CHAMPION, open_store, version_of
from pipelines.train import LOCK, TrainResult, doubt, run_train
from pipelines.training import Trial


@pytest.fixture(scope="module")
def config(
    ledger_path: Path, quick_task: str, tmp_path_factory: pytest.TempPathFactory
) -> TrainConfig:
    artifacts = tmp_path_factory.mktemp("train")
    return TrainConfig(
        ledger=ledger_path,
        task=quick_task,
        artifacts=artifacts,
        as_of="2025-05-01",
        evaluate_share=0.4,
    )


@pytest.fixture(scope="module")
def trained(config: TrainConfig) -> TrainResult:
    return run_train(config)


def retrain(config: TrainConfig, **other: object) -> RetrainConfig:
    return RetrainConfig(**{**vars(config), "replicates": 100, **other})


def test_the_first_model_becomes_champion(trained: TrainResult, config: TrainConfig) -> None:
    store = open_store(config.artifacts, None, config.experiment)
    champion, challenger = (version_of(store, alias) for alias in (CHAMPION, CHALLENGER))
    assert trained.final is not None
    assert champion is not None
    assert challenger is not None
    assert str(champion.version) == str(challenger.version) == trained.final.version
    assert champion.tags["judged_as"] == trained.judged.version
    assert trained.final.bundle.version != trained.judged.bundle.version


def test_the_run_holds_parameters_figures_plots_and_data(
    trained: TrainResult, config: TrainConfig, ledger_path: Path
) -> None:
    client = open_store(config.artifacts, None, config.experiment).client
    run = client.get_run(trained.run)
    assert run.info.status == "FINISHED"
    assert run.data.params["y_claw.n_estimators"] == "40"
    assert run.data.metrics["y_claw_request.auc"] == trained.metrics["y_claw_request.auc"]
    plots = {file.path for file in client.list_artifacts(trained.run, "plots")}
    assert "plots/y_claw_request_calibration.png" in plots
    assert len(plots) == 12
    manifest = json.loads((ledger_path / "manifest.json").read_text())
    assert run.data.tags["clawback.ledger"] == manifest["fingerprint"]


def test_mlflow_serves_the_same_probabilities(
    trained: TrainResult, config: TrainConfig, trial: Trial
) -> None:
    import mlflow

    assert trained.final is not None
    store = open_store(config.artifacts, None, config.experiment)
    source = store.client.get_model_version(config.experiment, trained.final.version).source
    served = mlflow.pyfunc.load_model(source)
    X = trial.taught["request"].decisions.X.iloc[:100]
    text = X.select_dtypes(exclude="number").columns
    given = X.assign(**{c: X[c].astype(object).where(X[c].notna(), None) for c in text})
    p = served.predict(given)
    risk = trained.final.bundle.models.risk["y_claw_request"]
    assert np.allclose(p["p_y_claw_request"], chunked(risk, X), rtol=1e-12)
    assert list(p) == [f"p_{name}" for name in sorted(trained.final.bundle.models.risk)]


def test_a_refused_row_is_not_printed(trained: TrainResult, config: TrainConfig) -> None:
    import mlflow

    assert trained.final is not None
    store = open_store(config.artifacts, None, config.experiment)
    source = store.client.get_model_version(config.experiment, trained.final.version).source
    served = mlflow.pyfunc.load_model(source)
    name = next(c.name for c in served.metadata.signature.inputs if c.type.name == "double")
    with pytest.raises(mlflow.exceptions.MlflowException) as error:
        served.predict(pd.DataFrame({name: ["secret-pii"]}))
    assert "secret-pii" not in str(error.value)


def test_logging_a_model_starts_no_process(
    config: TrainConfig, trained: TrainResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.pyfunc import save_pyfunc

    def refuse(*command: object, **_: object) -> None:
        raise AssertionError(f"started {command}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    folder = save_pyfunc(trained.judged.bundle, tmp_path / "model")
    text = (folder / "MLmodel").read_text()
    assert str(config.artifacts) not in text
    assert "lightgbm==" in (folder / "requirements.txt").read_text()


def test_the_same_data_keep_the_champion(trained: TrainResult, config: TrainConfig) -> None:
    kept = run_retrain(retrain(config))
    store = open_store(config.artifacts, None, config.experiment)
    champion, challenger = (version_of(store, alias) for alias in (CHAMPION, CHALLENGER))
    assert kept.exit_code == KEPT
    assert champion is not None
    assert challenger is not None
    assert trained.final is not None
    assert str(champion.version) == trained.final.version
    assert str(challenger.version) == kept.judged.version
    assert kept.judged.bundle.version == trained.judged.bundle.version


@pytest.fixture(scope="module")
def rough_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with so many abusers that few cases tell a model with trees from one without."""
    share = [0.60, 0.13, 0.07, 0.05, 0.05, 0.05, 0.03, 0.02]
    world = World(n_orders=40_000, seed=3, book=altered(buyers__share=share))
    path = tmp_path_factory.mktemp("rough") / "ledger"
    write_ledger_table(simulate(world).events, path)
    return path


def test_a_better_candidate_is_promoted_and_fitted_again(
    config: TrainConfig, rough_shop: Path, quick_task: str, tmp_path: Path
) -> None:
    poor = tmp_path / "poor.toml"
    lines = Path(quick_task).read_text().replace("n_estimators = 40", "n_estimators = 1")
    poor.write_text(lines.replace("max_bin = 31", "max_bin = 2"))
    start = replace(config, ledger=rough_shop, task=str(poor), artifacts=tmp_path / "artifacts")
    first = run_train(start)
    done = run_retrain(retrain(start, task=quick_task))
    store = open_store(start.artifacts, None, start.experiment)
    champion = version_of(store, CHAMPION)
    assert champion is not None
    assert first.final is not None
    assert done.exit_code == 0
    assert done.final is not None
    assert str(champion.version) == done.final.version
    assert champion.tags["judged_as"] == done.judged.version
    log = (start.artifacts / "promotions.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["from"] == first.final.version


@pytest.mark.parametrize(
    ("fitted_until", "refused", "code"),
    [("2030-01-01", NothingToDoError, 99), ("2020-01-01", GateError, 6)],
)
def test_the_gate_needs_unseen_cases_and_bad_ones(
    config: TrainConfig,
    trial: Trial,
    bundle: Bundle,
    ledger: Ledger,
    fitted_until: str,
    refused: type[UserError],
    code: int,
) -> None:
    rows = trial.verdicts["y_claw_request"].y
    assert rows.sum() < 30
    twin = replace(bundle, facts={"fitted_until": f"{fitted_until}T00:00Z"})
    with pytest.raises(refused) as error:
        compare_with(twin, trial, ledger, retrain(config))
    assert error.value.exit_code == code


def test_retraining_needs_a_champion(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="clawback train"):
        run_retrain(retrain(config, artifacts=tmp_path))


def test_a_beginning_after_the_end_starts_no_run(config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--since"):
        run_train(replace(config, since="2025-06-01", artifacts=tmp_path))
    assert not (tmp_path / "mlflow.db").exists()


def test_one_training_at_a_time(config: TrainConfig) -> None:
    with locked(config.artifacts / LOCK), pytest.raises(BusyError):
        run_train(config)


def test_a_champion_is_found_by_alias_also_without_its_folder(
    trained: TrainResult, config: TrainConfig, tmp_path: Path
) -> None:
    assert trained.final is not None
    folder = trained.final.bundle.folder
    aside = tmp_path / "aside"
    folder.rename(aside)
    try:
        found = find_bundle(CHAMPION, config.artifacts, None, config.experiment)
    finally:
        aside.rename(folder)
    assert found.version == trained.final.bundle.version


def test_looking_for_a_model_makes_no_store_and_no_experiment(
    trained: TrainResult, config: TrainConfig, tmp_path: Path
) -> None:
    mistyped = tmp_path / "nope" / "x.db"
    with pytest.raises(ModelError, match="no MLflow store"):
        find_bundle(CHAMPION, config.artifacts, f"sqlite:///{mistyped}", config.experiment)
    with pytest.raises(ModelError, match="clawback train"):
        find_bundle(CHAMPION, config.artifacts, None, "clawbck")
    assert not mistyped.parent.exists()
    client = open_store(config.artifacts, None, config.experiment).client
    assert client.get_experiment_by_name("clawbck") is None


def test_few_bad_cases_to_judge_on_are_a_warning(trial: Trial, trained: TrainResult) -> None:
    bad = trial.metrics["y_claw_request.bad"]
    assert 0 < bad < FEWEST_BAD
    assert f"judged on {bad:.0f} bad cases" in doubt(trial)
    assert f"{FEWEST_BAD} are needed" in doubt(trial)
    enough = {"y_claw_request.bad": float(FEWEST_BAD)}
    assert doubt(replace(trial, metrics=enough)) == ""
    warned = replace(trained, why=doubt(trial))
    assert "warning: " in warned.text()
    assert "warning: " in warned.summary()["why"]


def test_a_model_folder_exchanged_for_another_is_refused(
    trained: TrainResult, config: TrainConfig, tmp_path: Path
) -> None:
    assert trained.final is not None
    folder = trained.final.bundle.folder
    aside = tmp_path / "aside"
    folder.rename(aside)
    try:
        shutil.copytree(trained.judged.bundle.folder, folder)
        with pytest.raises(ModelError, match="not the registered model"):
            find_bundle(CHAMPION, config.artifacts, None, config.experiment)
    finally:
        shutil.rmtree(folder)
        aside.rename(folder)


def test_a_task_with_one_label_and_no_policy_trains_and_scores(
    config: TrainConfig, tmp_path: Path
) -> None:
    task = tmp_path / "withdrawn.toml"
    task.write_text(PLAIN)
    plain_config = replace(config, task=str(task), artifacts=tmp_path)
    found = run_train(plain_config)
    assert set(found.judged.bundle.models.risk) == {"y_withdrawn_request"}
    scored = run_score(
        ScoreConfig(
            ledger=config.ledger, artifacts=tmp_path, since="2025-05-01", as_of="2025-06-01"
        )
    )
    assert scored.standing is None
    assert [p.name for p in sorted(scored.folder.iterdir())] == ["manifest.json", "scores.parquet"]
    assert scored.decisions["p_y_withdrawn"].between(0, 1).all()
    assert {"row_id", "case_id", "user_id", "as_of", "model_version"} <= set(scored.decisions)


def test_keys_come_out_as_their_own_values(trial: Trial) -> None:
    cases = plain(trial.taught["request"].decisions.cases)
    assert pd.api.types.is_integer_dtype(cases["user_id"])


PLAIN = """
name = "withdrawn"
[events.requests]
types = ["refund_requested"]
[events.orders]
types = ["order_paid"]
[events.withdrawals]
types = ["buyer_withdrew"]
[spine]
trigger = "requests"
request = ["amount_cents", "reason"]
[[feature]]
entity = "user_id"
events = "withdrawals"
aggregate = ["count"]
over = ["90d", "life"]
[[feature]]
entity = "user_id"
events = "orders"
aggregate = ["count"]
over = ["life"]
[[request]]
column = "amount_cents"
[[request]]
column = "reason"
[label]
case = "case_id"
[label.y_withdrawn]
events = "withdrawals"
horizon = "14d"
[model.y_withdrawn]
n_estimators = 20
"""


def test_baselines_stand_beside_the_main_head(trained: TrainResult) -> None:
    for name in ("logistic", "scorecard"):
        assert 0.4 < trained.metrics[f"y_claw_request.{name}.auc"] < 1
        assert f"    a {name} beside it: auc 0." in trained.text()


def test_the_real_scorecard_is_fitted_on_the_heads_own_rows(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.beside.baselines", baselines)
    lesson, head = trial.taught["standing"], AT_STANDING
    fitted = fit_baselines(trial.task, lesson, head, 0)
    assert {type(m).__name__ for m in fitted.values()} == {"LogisticBaseline", "ScorecardBaseline"}
    rows = lesson.usable(trial.task, head.target)
    assert fitted["scorecard"].n_fit_ == rows.sum()
    p = chunked(fitted["scorecard"], lesson.decisions.X)
    assert 0 < p.min() < p.max() < 1


def test_without_optbinning_the_scorecard_is_left_out_with_a_word(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    for module in ("models.baselines", "pipelines.beside"):
        monkeypatch.setattr(f"{module}.scorecard_installed", lambda: False)
    monkeypatch.setattr("pipelines.beside.baselines", baselines)
    fitted = fit_baselines(trial.task, trial.taught["standing"], AT_STANDING, 0, said.append)
    assert list(fitted) == ["logistic"]
    assert NO_SCORECARD in said
