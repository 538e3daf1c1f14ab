from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from features.task import dump_task, load_task
from pipelines.commands import TuneConfig
from pipelines.tune import run_tune


def config(ledger_path: Path, task: str, **other: Any) -> TuneConfig:
    given: dict[str, Any] = {
        "ledger": ledger_path,
        "task": task,
        "trials": 2,
        "folds": 1,
        "span_days": 60,
    }
    return TuneConfig(**{**given, "target": "y_claw", **other})


def test_parameters_are_written_to_the_task_file(
    ledger_path: Path, quick_task: str, tmp_path: Path
) -> None:
    out = tmp_path / "tuned.toml"
    done = run_tune(config(ledger_path, quick_task, out=out))
    tuned = load_task(out)
    assert tuned.params("y_claw") == dict(done.params["y_claw"])
    assert tuned.params("y_claw")["n_estimators"] >= 1
    assert tuned.params("y_abuse") == load_task(quick_task).params("y_abuse")
    assert [d.name for d in tuned.features] == [d.name for d in load_task(quick_task).features]
    assert out.read_text() == dump_task(tuned)


def test_the_built_in_task_is_not_overwritten(ledger_path: Path) -> None:
    with pytest.raises(UsageError, match="--out"):
        run_tune(config(ledger_path, "advance_refund"))


def test_a_target_the_task_does_not_have_names_the_nearest(
    ledger_path: Path, quick_task: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="y_claw"):
        run_tune(config(ledger_path, quick_task, target="y_clawed", out=tmp_path / "t.toml"))
