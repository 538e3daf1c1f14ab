"""`clawback features`: the feature table of a task's decisions, or the list of its columns."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import NothingToDoError, UsageError
from data.store import read_ledger
from features.engine import features
from features.spine import spine
from features.task import Task, load_task
from pipelines.as_of import beginning, moment
from pipelines.atomic import replacing
from pipelines.commands import FeaturesConfig, Tell
from pipelines.scoring import plain
from pipelines.tables import write_table


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
    definitions = task.at_stage(config.stage)
    names = tuple(d.name for d in definitions)
    if config.list:
        return FeaturesResult(task, names)
    if config.ledger is None:
        raise UsageError("setting 'ledger' is missing", fix="give --ledger, or only --list")
    ledger = read_ledger(config.ledger, task.columns_needed(), contract=task.contract())
    as_of = moment(config.as_of, ledger)
    since = None if config.since is None else beginning(config.since, as_of)
    cases = spine(task, ledger, stage=config.stage, since=since, as_of=as_of)
    if cases.empty:
        fix = "give an earlier --since, a later --as-of, or a ledger with such requests"
        raise NothingToDoError("no decision in this time", where=str(config.ledger), fix=fix)
    tell(f"computing {len(names)} columns of {len(cases):,} decisions")
    columns = features(definitions, ledger, cases)
    tell(f"writing {config.out}")
    with replacing(config.out) as draft:
        write_table(pd.concat([plain(cases), columns], axis=1), draft)
    return FeaturesResult(task, names, len(cases), config.out)
