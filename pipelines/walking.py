"""Walk-forward: every head of a task judged on spans that its models have not seen, and nobody had.

In: a task, a ledger, how many folds of what length. Out: per head a table of judged rows with the
probabilities of the model and of the baselines. The models of a fold are fitted on what was known
when it begins: labels are read as of that moment, so a gap as long as the label's horizon lies
between the last case fitted on and the first one judged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Ledger
from features.task import Task
from models.policy import Policy
from models.split import microseconds, time_fold
from pipelines.beside import fit_baselines
from pipelines.commands import Tell
from pipelines.lessons import Lesson, lessons
from pipelines.modelling import Models, fit_models
from pipelines.plan import AT_REQUEST, MONEY, REPORT, Head, heads
from pipelines.pricing import instant_costs, segment_table
from pipelines.risk_heads import chunked, request_risks
from pipelines.training import stage_decisions

Mask = NDArray[np.bool_]
Whose = Callable[["pd.Series[str]"], NDArray[np.object_]]  # a name; null for nobody
OURS = "ours"
FEWEST_JUDGED = 1  # bad cases of the main head in a fold: without one there is nothing to find


@dataclass(frozen=True)
class Walk:
    """How to walk: `folds` spans before `as_of`; `parted` keeps who is judged out of fitting."""

    folds: int
    span: pd.Timedelta
    seed: int
    parted: bool
    whose: Whose


@dataclass(frozen=True)
class Walked:
    """Judged rows by head, and the folds' bounds.

    Columns: `as_of`, `user_id`, `whose`, `y`, `p(<model>)`, `lost` and `told` (money lost and
    expected to be, NaN where not known), and the request's attributes without their prefix.
    """

    rows: Mapping[str, pd.DataFrame]
    folds: tuple[tuple[pd.Timestamp, pd.Timestamp], ...]


def walk(
    task: Task,
    ledger: Ledger,
    policy: Policy | None,
    start: pd.Timestamp,
    as_of: pd.Timestamp,
    how: Walk,
    tell: Tell,
) -> Walked:
    """Fit and judge fold by fold.

    Raises
    ------
    ContractError : a fold without decisions or without a bad case, or too few to fit on.
    """
    tell(f"computing features from {start:%Y-%m-%d}")
    stages = stage_decisions(task, ledger, start, as_of)
    taught = lessons(task, ledger, stages, as_of)
    folds = fold_bounds(task, taught, how)
    parts: dict[str, list[pd.DataFrame]] = {head.name: [] for head in heads(task)}
    for begin, end in folds:
        tell(f"fold {begin:%Y-%m-%d} to {end:%Y-%m-%d}")
        known = lessons(task, ledger, stages, begin)
        sides = {s: _sides(lesson, begin, end, how) for s, lesson in taught.items()}
        early = {s: known[s].take(rows) for s, (rows, _) in sides.items()}
        _check_judged(task, taught, sides, begin, end)
        models = fit_models(task, early, policy, how.seed, tell)
        for head in heads(task):
            late = sides[head.stage][1] & taught[head.stage].usable(task, head.target)
            rivals = fit_baselines(task, early[head.stage], head, how.seed, tell)
            part = taught[head.stage].take(late)
            told = {OURS: models.risk[head.name], **rivals}
            table = _judged(part, head, {n: chunked(m, part.decisions.X) for n, m in told.items()})
            table["whose"] = how.whose(part.decisions.cases["user_id"])
            parts[head.name].append(_with_money(table, models, part, head, policy))
    return Walked({n: pd.concat(p, ignore_index=True) for n, p in parts.items()}, folds)


def fold_bounds(
    task: Task, taught: Mapping[str, Lesson], how: Walk
) -> tuple[tuple[pd.Timestamp, pd.Timestamp], ...]:
    """Begin and end of each fold, back from the midnight after the last matured decision."""
    head = heads(task)[0]
    times = taught[head.stage].usable_times(task, head.target, "walk-forward")
    last = pd.Timestamp(times.max()).ceil("D")
    begins = [last - how.span * back for back in range(how.folds, 0, -1)]
    return tuple((begin, begin + how.span) for begin in begins)


def _sides(lesson: Lesson, begin: pd.Timestamp, end: pd.Timestamp, how: Walk) -> tuple[Mask, Mask]:
    """Which decisions known at the fold's begin are fitted on, and which of all are judged."""
    cases = lesson.decisions.cases
    groups = how.whose(cases["user_id"]) if how.parted else None
    us, bounds = microseconds(cases["as_of"]), (begin.value // 1000, end.value // 1000)
    early, late = time_fold(us, *bounds, groups=groups, random_state=how.seed)
    # What was known at the fold's begin holds the decisions before it, in the same order.
    fitted = np.isin(np.flatnonzero(us < bounds[0]), early)
    judged = np.zeros(len(us), np.bool_)
    judged[late] = True
    return fitted, judged


def _check_judged(
    task: Task,
    taught: Mapping[str, Lesson],
    sides: Mapping[str, tuple[Mask, Mask]],
    begin: pd.Timestamp,
    end: pd.Timestamp,
) -> None:
    head = heads(task)[0]
    lesson = taught[head.stage]
    rows = sides[head.stage][1] & lesson.usable(task, head.target)
    bad = int((lesson.labels[head.target][rows] == 1).sum())
    if bad < FEWEST_JUDGED:
        raise ContractError(
            f"{bad} of {rows.sum()} matured cases of {head.target} are bad; at least "
            f"{FEWEST_JUDGED} is needed to judge on",
            where=f"fold {begin:%Y-%m-%d} to {end:%Y-%m-%d}",
            fix="use fewer or longer folds (--folds, --span-days)",
        )


def _judged(part: Lesson, head: Head, p: Mapping[str, NDArray[np.float64]]) -> pd.DataFrame:
    cases = part.decisions.cases
    table = segment_table(cases).assign(as_of=cases["as_of"], user_id=cases["user_id"])
    table["y"] = part.labels[head.target].to_numpy(np.float64)
    return table.assign(**{f"p({name})": values for name, values in p.items()})


def _with_money(
    table: pd.DataFrame, models: Models, part: Lesson, head: Head, policy: Policy | None
) -> pd.DataFrame:
    """What was lost, where the head's probability is that of money and it is old enough to know."""
    if policy is None or models.money is None or head.target != MONEY:
        return table
    old = part.labels[f"{REPORT}_matured"].to_numpy(bool)
    table["lost"] = part.labels["loss_cents"].where(old).to_numpy(np.float64)
    if head == AT_REQUEST:
        risks = request_risks(models.risk, part.decisions.X)
        costs = instant_costs(models.money, segment_table(part.decisions.cases), risks, policy)
        table["told"] = costs["loss_instant_cents"].where(old).to_numpy(np.float64)
    return table
