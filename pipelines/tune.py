"""`clawback tune`: hyper-parameters chosen on time-ordered validation, written to the task file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import UsageError, nearest
from data.store import read_ledger
from features.task import Task, dump_task, load_task
from models.tune import tune
from pipelines.as_of import moment
from pipelines.atomic import replacing
from pipelines.commands import Tell, TuneConfig
from pipelines.decisions import training_start, with_priors
from pipelines.lessons import Lesson, lessons
from pipelines.plan import Head, check_models, heads, horizon
from pipelines.training import stage_decisions


@dataclass(frozen=True)
class TuneResult:
    """The parameters chosen per target, and the file they stand in."""

    params: Mapping[str, Mapping[str, Any]]
    out: Path
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"params": {k: dict(v) for k, v in self.params.items()}, "task": str(self.out)}

    def text(self) -> str:
        """What was chosen, and where it stands."""
        lines = [f"[model.{t}] {dict(p)}" for t, p in self.params.items()]
        return "\n".join([*lines, f"written to {self.out}"])


def run_tune(config: TuneConfig, tell: Tell = lambda _line: None) -> TuneResult:
    """Tune each target's model at the first stage it has, and write the task in canonical form."""
    task = load_task(config.task)
    check_models(task)
    out = config.out or Path(config.task)
    if config.out is None and not out.is_file():
        raise UsageError(
            f"'{config.task}' is built in and is not overwritten", fix="give --out my_task.toml"
        )
    wanted = _wanted(task, config.target)
    ledger = read_ledger(config.ledger, task.columns_needed(), contract=task.contract())
    as_of = moment(config.as_of, ledger)
    start = training_start(ledger, config.since, as_of)
    fitted = with_priors(task, ledger, start)
    taught = lessons(fitted, ledger, stage_decisions(fitted, ledger, start, as_of), as_of)
    chosen = {h.target: _tuned(fitted, taught[h.stage], h, config, tell) for h in wanted}
    tuned = replace(task, models={**task.models, **chosen})
    tell(f"writing {out}")
    with replacing(out) as draft:
        draft.write_text(dump_task(tuned), encoding="utf-8", newline="\n")
    return TuneResult(chosen, out)


def _wanted(task: Task, target: str | None) -> list[Head]:
    """The first head of each target asked for."""
    first = {head.target: head for head in reversed(heads(task))}
    if target is not None and target not in first:
        fix = nearest(target, list(first)) or f"targets: {', '.join(first)}"
        raise UsageError(f"no target '{target}'", where=task.name, fix=fix)
    return [head for name, head in first.items() if target in (None, name)]


def _tuned(
    task: Task, lesson: Lesson, head: Head, config: TuneConfig, tell: Tell
) -> dict[str, Any]:
    rows = lesson.usable(task, head.target)
    part = lesson.decisions.take(rows)

    def progress(trial: int, best: float) -> None:
        tell(f"{head.target}: trial {trial}, best log loss {best:.5f}")

    return tune(
        part.X,
        lesson.labels[head.target].to_numpy()[rows],
        part.cases["as_of"],
        monotone=task.signs(head.target, part.X.columns),
        start=task.params(head.target),
        n_trials=config.trials,
        folds=config.folds,
        span=pd.Timedelta(days=config.span_days).to_pytimedelta(),
        gap=horizon(task, head.target),
        seed=config.seed,
        num_threads=2,
        progress=progress,
    )
