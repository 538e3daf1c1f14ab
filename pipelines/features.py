"""`clawback features`: the feature table of a task's decisions, or the list of its columns."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import NothingToDoError, UsageError
from features.spine import spine
from features.task import Task, load_task
from pipelines.as_of import beginning, moment
from pipelines.commands import FeaturesConfig, Tell
from pipelines.engines import Engine, open_engine


@dataclass(frozen=True)
class FeaturesResult:
    """The columns of a task, and the file they were written to, if any."""

    task: Task
    names: tuple[str, ...]
    rows: int | None = None
    out: Path | None = None
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        told: dict[str, Any] = {"task_version": self.task.version, "columns": list(self.names)}
        return told if self.out is None else {**told, "rows": self.rows, "out": str(self.out)}

    def text(self) -> str:
        """One column a line, or where the table is."""
        if self.out is None:
            return "\n".join(self.names)
        return f"{self.rows:,} decisions, {len(self.names)} columns in {self.out}"


def run_features(config: FeaturesConfig, tell: Tell = lambda _line: None) -> FeaturesResult:
    """Compute the table, or with `list` only name its columns."""
    task = load_task(config.task)
    if config.list:
        return FeaturesResult(task, tuple(d.name for d in task.at_stage(config.stage)))
    if config.ledger is None:
        raise UsageError("setting 'ledger' is missing", fix="give --ledger, or only --list")
    with open_engine(config, config.ledger, config.out.parent, tell) as engine:
        return _written(config, config.ledger, task, engine, tell)


def _written(
    config: FeaturesConfig, path: Path, task: Task, engine: Engine, tell: Tell
) -> FeaturesResult:
    definitions = task.at_stage(config.stage)
    ledger = engine.read(path, task)
    outline = engine.outline(ledger)
    as_of = moment(config.as_of, outline)
    since = None if config.since is None else beginning(config.since, as_of)
    seen = outline if config.stage == "standing" else ledger
    cases = spine(task, seen, stage=config.stage, since=since, as_of=as_of)
    del outline, seen
    if cases.empty:
        fix = "give an earlier --since, a later --as-of, or a ledger with such requests"
        raise NothingToDoError("no decision in this time", where=str(path), fix=fix)
    names = tuple(d.name for d in definitions)
    tell(f"computing {len(names)} columns of {len(cases):,} decisions into {config.out}")
    engine.write(definitions, ledger, cases, config.out)
    return FeaturesResult(task, names, len(cases), config.out)
