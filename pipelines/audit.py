"""`clawback audit`: does something in this ledger know the future? Exit 6 if anything does.

Four questions: do a sample's columns change when the future is cut away; does a single column tell
a label too well; were columns filled after the fact; can the clocks be right. With an older version
of the ledger also: is what was known then still the same. What is found becomes sentences in
`pipelines.findings`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from data.clocks import odd_clocks
from data.errors import GateError, NothingToDoError
from data.filling import late_fills
from data.ledger import Ledger
from data.store import read_ledger, widened
from data.versions import changes, typed_rows
from features.declarations import Declaration
from features.engine import features
from features.labels import labels
from features.outset import known_before
from features.spine import spine
from features.task import Task, load_task
from features.travel import Compute, changed_cells, groups, travel
from models.suspects import single_aucs
from pipelines import findings
from pipelines.as_of import moment, stamp
from pipelines.commands import AuditConfig, Tell
from pipelines.findings import Finding

MOMENTS: Final = 20  # cuts of the ledger
SHOWN: Final = 30  # findings on the page
JUDGED: Final = 20_000  # decisions on which single columns are judged


@dataclass(frozen=True)
class AuditResult:
    """What was found, the worst first, and what was looked at."""

    source: str
    task: str
    found: tuple[Finding, ...]
    looked_at: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of a gate that refused: the rows keep the contract, so it is not 3."""
        return GateError.exit_code if self.found else 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "source": self.source,
            "task": self.task,
            "findings": [asdict(f) for f in self.found],
            "looked_at": list(self.looked_at),
        }

    def text(self) -> str:
        """A page for a terminal."""
        n = len(self.found)
        head = "no leak was found" if not n else f"{n} finding{'s' * (n > 1)}"
        lines = [f"{self.source}, task {self.task}: {head}"]
        lines += [f"{number}. {f}" for number, f in enumerate(self.found[:SHOWN], 1)]
        lines += [f"and {n - SHOWN:,} more: --json lists all"] if n > SHOWN else []
        return "\n".join([*lines, "looked at:", *(f"  - {line}" for line in self.looked_at)])


@dataclass(frozen=True)
class _Audit:
    """What all questions are asked about: `cases` at the request, `samples` of every stage."""

    config: AuditConfig
    task: Task
    ledger: Ledger
    cases: pd.DataFrame
    samples: Mapping[str, list[pd.DataFrame]]


Answer = tuple[list[Finding], list[str]]


def run_audit(config: AuditConfig, tell: Tell = lambda _line: None) -> AuditResult:
    """Ask every question of a ledger; nothing is written."""
    task = load_task(config.task)
    tell(f"reading {config.ledger}")
    ledger = _read(config.ledger, task)
    cases = spine(task, ledger, as_of=moment(None, ledger))
    if cases.empty:
        fix = "give a ledger with such events, or another --task"
        what = f"no event asks for a decision ({task.trigger} of task {task.name})"
        raise NothingToDoError(what, where=str(config.ledger), fix=fix)
    audit = _Audit(config, task, ledger, cases, _samples(config, task, ledger))
    answers = [answer for ask in QUESTIONS for answer in ask(audit, tell)]
    return AuditResult(
        source=str(config.ledger),
        task=task.name,
        found=tuple(f for found, _ in answers for f in found),
        looked_at=tuple(line for _, lines in answers for line in lines),
    )


def _read(path: Path, task: Task) -> Ledger:
    """All columns of a ledger, and those of the contract that the task reads and it lacks."""
    return widened(read_ledger(path, contract=task.contract()), task.columns_needed())


def _samples(config: AuditConfig, task: Task, ledger: Ledger) -> dict[str, list[pd.DataFrame]]:
    """Decisions of each stage, which share the sample's size and the cuts."""
    stages = ("request", *task.stages)
    size, moments = (-(-n // len(stages)) for n in (config.sample, MOMENTS))
    spines = {stage: spine(task, ledger, stage) for stage in stages}
    return {k: groups(c, size, moments, config.seed) for k, c in spines.items() if len(c)}


def _cells(audit: _Audit, tell: Tell) -> Iterator[Answer]:
    """Time travel within one ledger."""
    for stage, sample in audit.samples.items():
        n = sum(map(len, sample))
        tell(f"computing {n:,} decisions of stage {stage} on {len(sample)} cut ledgers")
        cells = travel(_compute(audit.task, stage), audit.ledger, sample)
        columns = len(_definitions(audit.task, stage))
        line = (
            f"time travel: {n * columns:,} cells ({n:,} decisions x {columns} columns) of stage "
            f"{stage} on ledgers cut at {len(sample)} moments: {len(cells):,} differ"
        )
        yield findings.of_cells(cells, n, "the ledger cut at the decision"), [line]


def _versions(audit: _Audit, tell: Tell) -> Iterator[Answer]:
    """What an older version knew, against what this one says was known."""
    path = audit.config.before
    if path is None:
        yield [], ["older version: none given; --before LEDGER finds every row changed since"]
        return
    tell(f"comparing with {path}")
    contract = audit.task.contract()
    old, new = typed_rows(path, contract), typed_rows(audit.config.ledger, contract)
    changed = changes(old, new)
    line = f"older version: {len(old):,} rows of {path}, each looked up: {len(changed)} changes"
    yield [findings.of_change(c) for c in changed], [line]
    before = _read(path, audit.task)
    stop = np.searchsorted(audit.ledger.known_us, before.known_us[-1], "right")
    lacks = sorted(audit.task.columns_needed() - set(old.column_names))
    lacking = [c for c in lacks if audit.ledger[c].filled[:stop].any()]
    if lacking:
        yield [], [f"older version: no cell compared, for it has no {', '.join(lacking)}"]
        return
    end = moment(None, before)
    for stage, sample in audit.samples.items():
        together = pd.concat(sample, ignore_index=True)
        cases = together[together["as_of"] < end].reset_index(drop=True)
        if cases.empty:
            continue
        compute = _compute(audit.task, stage)
        then, now = compute(before, cases), compute(audit.ledger, cases)
        cells = changed_cells(cases, now, then)
        line = (
            f"older version: {then.size:,} cells of {len(cases):,} decisions of stage {stage}: "
            f"{len(cells):,} differ"
        )
        yield findings.of_cells(cells, len(cases), "the older version"), [line]


def _columns(audit: _Audit, tell: Tell) -> Iterator[Answer]:
    """Single columns that know a label."""
    task, ledger, cases = audit.task, audit.ledger, audit.cases
    if not task.targets:
        yield [], ["single columns: the task has no label"]
        return
    end = stamp(int(ledger.known_us[-1]) + 1)
    y = labels(task, ledger, cases, end)
    rows = _judged(y[list(task.targets)], audit.config.seed)
    tell(f"judging every column of {len(rows):,} decisions on its own")
    cases, y = (t.iloc[rows].reset_index(drop=True) for t in (cases, y))
    X = _compute(task, "request")(ledger, cases)
    X = X.join(cases[[c for c in cases if str(c).startswith("request_") and c not in X]])
    for target in task.targets:
        known = y[target].notna()
        times, users = cases["as_of"][known], cases["user_id"][known]
        table = single_aucs(X[known], y[target][known], times=times, users=users)
        yield findings.of_aucs(target, table, int(known.sum()), audit.config.auc)


def _judged(y: pd.DataFrame, seed: int) -> "np.ndarray[Any, np.dtype[np.intp]]":
    """Decisions with a label, the bad ones first if they are too many: no AUC minds the mixture."""
    some = np.flatnonzero(y.notna().any(axis=1))
    order = np.random.default_rng(seed).permutation(some)
    bad = (y.iloc[order] == 1).any(axis=1).to_numpy()
    kept = np.concatenate([order[bad][: JUDGED // 2], order[~bad]])[:JUDGED]
    return np.sort(kept)


def _outset(audit: _Audit, _tell: Tell) -> Iterator[Answer]:
    """Outcomes that were known no later than their own decision."""
    for name, (early, of) in known_before(audit.task, audit.ledger, audit.cases).items():
        line = f"outcomes: {of:,} of {name}, {early:,} known no later than their own decision"
        yield findings.of_outset(name, early, of), [line]


def _fills(audit: _Audit, _tell: Tell) -> Iterator[Answer]:
    """Columns that are filled later than their row."""
    late, pairs = late_fills(audit.ledger)
    line = (
        f"fill rate by age: {pairs:,} pairs of event type and column: {len(late)} fall at the end"
    )
    yield [findings.of_fill(f) for f in late], [line]


def _clocks(audit: _Audit, _tell: Tell) -> Iterator[Answer]:
    """Clocks that cannot be right."""
    odd = odd_clocks(audit.ledger)
    types = len(np.unique(audit.ledger["event_type"].values))
    line = f"clocks: {types} event types: {len(odd)} odd"
    yield [findings.of_clock(c) for c in odd], [line]


QUESTIONS: Final = (_cells, _versions, _outset, _columns, _fills, _clocks)


def _definitions(task: Task, stage: str) -> tuple[Declaration, ...]:
    return (*task.at_stage(stage), *task.policy_at(stage))


def _compute(task: Task, stage: str) -> Compute:
    return lambda ledger, cases: features(_definitions(task, stage), ledger, cases)
