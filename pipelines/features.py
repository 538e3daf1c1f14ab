"""`clawback features`: the feature table of a task's decisions, or the catalogue of its columns."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import NothingToDoError, UsageError, nearest
from features.catalogue import catalogue
from features.catalogue_page import page
from features.declarations import STAGES
from features.spine import spine
from features.task import Task, load_task
from pipelines.as_of import beginning, moment
from pipelines.atomic import replacing
from pipelines.commands import FeaturesConfig, Tell
from pipelines.engines import Engine, open_engine

TABLE = Path("artifacts/features.parquet")
SUFFIXES = {".txt": "text", ".md": "md", ".html": "html"}


@dataclass(frozen=True)
class FeaturesResult:
    """The columns of a task at a stage, and what was written, if anything."""

    task: Task
    stage: str
    names: tuple[str, ...]
    rows: int | None = None
    out: Path | None = None
    shown: str = ""
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values; of a catalogue everything that it says."""
        told: dict[str, Any] = {"task_version": self.task.version, "columns": list(self.names)}
        if self.rows is None:
            told["catalogue"] = [entry.plain() for entry in catalogue(self.task, self.stage)]
        else:
            told["rows"] = self.rows
        return told if self.out is None else {**told, "out": str(self.out)}

    def text(self) -> str:
        """The catalogue, or where the table is."""
        if self.rows is None:
            return self.shown.rstrip() if self.out is None else f"catalogue in {self.out}"
        return f"{self.rows:,} decisions, {len(self.names)} columns in {self.out}"


def run_features(config: FeaturesConfig, tell: Tell = lambda _line: None) -> FeaturesResult:
    """Compute the table, or with `list` write or print the catalogue of its columns.

    Raises
    ------
    UsageError : no ledger, or a catalogue's file name that says no format.
    NothingToDoError : no decision in the time asked for.
    """
    task = load_task(config.task)
    if config.list:
        return _listed(task, config.stage or STAGES[-1], config)
    if config.ledger is None:
        raise UsageError("setting 'ledger' is missing", fix="give --ledger, or only --list")
    out = config.out or TABLE
    with open_engine(config, config.ledger, out.parent, tell) as engine:
        return _written(config, config.ledger, task, out, engine, tell)


def _written(
    config: FeaturesConfig, path: Path, task: Task, out: Path, engine: Engine, tell: Tell
) -> FeaturesResult:
    stage = config.stage or "request"
    definitions = task.at_stage(stage)
    ledger = engine.read(path, task)
    outline = engine.outline(ledger)
    as_of = moment(config.as_of, outline)
    since = None if config.since is None else beginning(config.since, as_of)
    seen = outline if stage == "standing" else ledger
    cases = spine(task, seen, stage=stage, since=since, as_of=as_of)
    del outline, seen
    if cases.empty:
        fix = "give an earlier --since, a later --as-of, or a ledger with such requests"
        raise NothingToDoError("no decision in this time", where=str(path), fix=fix)
    names = tuple(d.name for d in definitions)
    tell(f"computing {len(names)} columns of {len(cases):,} decisions into {out}")
    engine.write(definitions, ledger, cases, out, case=task.case)
    return FeaturesResult(task, stage, names, len(cases), out)


def _listed(task: Task, stage: str, config: FeaturesConfig) -> FeaturesResult:
    """The catalogue as it is to be printed, or in its file; the file's name says the format."""
    form: str = config.format
    out = config.out
    if out is not None:
        if out.suffix not in SUFFIXES:
            fix = nearest(out.suffix, list(SUFFIXES)) or f"end it in {', '.join(SUFFIXES)}"
            raise UsageError(f"--out {out} says no format of a catalogue", fix=fix)
        form = SUFFIXES[out.suffix]
    shown = page(task, stage, form)
    if out is not None:
        with replacing(out) as draft:
            draft.write_text(shown, encoding="utf-8")
    names = tuple(d.name for d in task.at_stage(stage))
    return FeaturesResult(task, stage, names, out=out, shown=shown)
