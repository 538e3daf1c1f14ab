"""`clawback evaluate`: how good a task's models are on later time, and how sure that is.

Walk-forward with the task's own recipe, a logistic regression and a scorecard beside every head,
every figure with an interval that draws users or clusters of linked users. Writes
`evaluation.json` and a plot a head.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from data.ledger import Ledger
from data.lock import locked
from data.store import read_ledger
from features.clusters import cluster_names, clusters
from features.task import Task, load_task
from pipelines.as_of import moment
from pipelines.atomic import digest, run_folder
from pipelines.breakdown import (
    DEFAULT_SEGMENTS,
    Measured,
    by_category,
    check_segments,
    months,
    segments,
    whole,
)
from pipelines.commands import EvaluateConfig, Tell
from pipelines.config import identity
from pipelines.decisions import training_start, with_priors
from pipelines.evaluation_text import NOTE, told_lines
from pipelines.fingerprint import fingerprint
from pipelines.plan import Head, check_models, heads, policy_of
from pipelines.plots import plot_evaluation
from pipelines.walking import OURS, Walk, Walked, Whose, walk

LOCK = ".evaluate.lock"
PLACES = ("artifacts", "ledger", "task", "policy")


@dataclass(frozen=True)
class HeadBreakdown:
    """What is told of one head."""

    head: Head
    all: Measured
    segments: Mapping[str, Sequence[Measured]]
    months: Sequence[Measured]

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        parts = {s: {r.name: r.summary() for r in found} for s, found in self.segments.items()}
        by_month = {r.name: r.summary() for r in self.months}
        return {"all": self.all.summary(), "segments": parts, "months": by_month}


@dataclass(frozen=True)
class EvaluateResult:
    """Every head's figures, and where they are written."""

    heads: tuple[HeadBreakdown, ...]
    facts: Mapping[str, Any]
    folder: Path
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = {told.head.name: told.summary() for told in self.heads}
        return {**self.facts, "heads": told, "folder": str(self.folder)}

    def text(self) -> str:
        """A table a head."""
        lines = [
            f"judged on {', '.join(self.facts['folds'])}; 95 % intervals by {self.facts['by']}"
        ]
        for told in self.heads:
            title = f"{told.head.target} at {told.head.stage}"
            lines += ["", *told_lines(title, told.all, told.segments, told.months)]
        return "\n".join([*lines, "", NOTE, f"  {self.folder}"])


def run_evaluate(config: EvaluateConfig, tell: Tell = lambda _line: None) -> EvaluateResult:
    """Walk, measure, write.

    Raises
    ------
    ContractError : a ledger that cannot be read, a fold without what it needs.
    UsageError : an unknown segment, or clusters of a task that links nobody.
    """
    task = load_task(config.task)
    check_models(task)
    policy = policy_of(task, config.policy, config.task)
    named = _segments(task, config.segments)
    tell(f"reading {config.ledger}")
    ledger = read_ledger(config.ledger, task.columns_needed(), contract=task.contract())
    as_of = moment(config.as_of, ledger)
    start = training_start(ledger, config.since, as_of)
    whose = whose_of(task, ledger, config.by, as_of)
    how = Walk(
        config.folds, pd.Timedelta(days=config.span_days), config.seed, config.disjoint, whose
    )
    fitted = with_priors(task, ledger, start)
    walked = walk(fitted, ledger, policy, start, as_of, how, tell)
    tell("drawing intervals")
    told = tuple(_read(head, walked, ledger, named, config) for head in heads(task))
    chosen = json.dumps(identity(config, leave_out=PLACES))
    data, made = fingerprint(ledger), version("clawback")
    run_id = digest("evaluate", made, task.version, policy.version if policy else "", data, chosen)
    facts = {
        "run_id": run_id,
        "task_version": task.version,
        "policy_version": policy.version if policy else "",
        "ledger": data,
        "as_of": str(as_of),
        "folds": [f"{begin:%Y-%m-%d} to {end:%Y-%m-%d}" for begin, end in walked.folds],
        "by": config.by,
        "disjoint": config.disjoint,
        "draws": config.draws,
    }
    with locked(config.artifacts / LOCK):
        folder = _write(config.artifacts / "evaluations", run_id, told, walked, facts)
    return EvaluateResult(told, facts, folder)


def whose_of(task: Task, ledger: Ledger, by: str, as_of: pd.Timestamp) -> Whose:
    """Whom each row belongs to: its user, or the cluster of users linked as known at the end.

    The latest links are the strictest: whoever turns out to belong together is one witness.
    """
    if by == "users":
        return lambda users: np.asarray(users.astype(object).where(users.notna(), None), object)
    if not task.links:
        fix = "declare [links.<name>] and a [[ring]] that reads it, or evaluate --by users"
        raise UsageError("the task links nobody", where=task.name, fix=fix)
    codes: NDArray[np.int64] = clusters(ledger, task.links.values(), as_of)
    return lambda users: cluster_names(ledger, codes, users)


def _segments(task: Task, given: str | None) -> tuple[str, ...]:
    if given is None:
        return tuple(s for s in DEFAULT_SEGMENTS if s == "tenure" or s in task.request)
    named = tuple(name.strip() for name in given.split(",") if name.strip())
    check_segments(named, task.request, task.name)
    return named


def _read(
    head: Head, walked: Walked, ledger: Ledger, named: Sequence[str], config: EvaluateConfig
) -> HeadBreakdown:
    rows, given = walked.rows[head.name], (config.draws, config.seed)
    parts = {n: by_category(rows, part, *given) for n, part in segments(rows, ledger, named)}
    return HeadBreakdown(
        head, whole(rows, *given), parts, by_category(rows, months(rows), *given)
    )  # fmt: skip


def _write(
    root: Path,
    run_id: str,
    told: Sequence[HeadBreakdown],
    walked: Walked,
    facts: Mapping[str, Any],
) -> Path:
    with run_folder(root, run_id) as folder:
        summary = {**facts, "heads": {t.head.name: t.summary() for t in told}}
        (folder / "evaluation.json").write_text(json.dumps(summary, indent=2) + "\n")
        for t in told:
            rows = walked.rows[t.head.name]
            y, p, whose = (rows[c].to_numpy() for c in ("y", f"p({OURS})", "whose"))
            by_month = {part.name: part.figures for part in t.months}
            title = f"{t.head.target} at {t.head.stage}"
            plot_evaluation(y, p, whose, by_month, folder / f"{t.head.name}.png", title)
    return root / run_id
