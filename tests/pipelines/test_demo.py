from pathlib import Path

import pytest

from pipelines.commands import DemoConfig
from pipelines.demo import OURS, DemoResult, run_demo


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> DemoConfig:
    return DemoConfig(orders=40_000, seed=3, artifacts=tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def shown(config: DemoConfig) -> DemoResult:
    return run_demo(config)


def test_the_table_says_what_a_newcomer_asks(shown: DemoResult) -> None:
    text = shown.text()
    for words in (
        "paid instantly",
        "net value",
        "loss",
        "hours saved",
        "false holds",
        "advance everything",
        "advance nothing",
        "platform rule",
        "AUC",
        "average precision",
        "calibration error",
        "most common reasons",
        "decisions.parquet",
        "MLflow run",
    ):
        assert words in text
    assert len(shown.reasons) == 3


def test_every_policy_is_judged_on_the_same_requests(shown: DemoResult) -> None:
    counts = {worth.requests for worth in shown.worth.values()}
    assert counts == {len(shown.scored.decisions)}
    nothing, everything = shown.worth["advance nothing"], shown.worth["advance everything"]
    assert (nothing.loss_cents, nothing.hours_saved_good, nothing.false_hold_rate) == (0, 0, 1)
    assert (everything.false_hold_rate, everything.instant_share) == (0, 1)
    assert shown.worth[OURS].net_value_cents > everything.net_value_cents
    assert shown.worth[OURS].loss_cents < everything.loss_cents


def test_the_paths_exist(shown: DemoResult) -> None:
    told = shown.summary()
    assert Path(told["decisions"]).is_file()
    assert Path(told["model"]["folder"]).is_dir()


def test_running_it_twice_is_safe(shown: DemoResult, config: DemoConfig) -> None:
    path = Path(shown.summary()["decisions"])
    before = path.read_bytes()
    again = run_demo(config)
    assert again.scored.run_id == shown.scored.run_id
    assert path.read_bytes() == before
