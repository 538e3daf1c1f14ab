"""A past period decided again, month by month: models of what was known then, decisions of now.

In: a task, a ledger, the months. Out: every request of these months with its price and the action
of each policy. A month's models are fitted on what was known at its first moment; requests then
meet one book of limits in time order, without what the platform paid on these very cases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Ledger
from features.task import Task
from models.actions import ACTIONS, HOLD, INSTANT
from models.baselines import LogisticBaseline
from models.decide import decide
from models.limits import LimitState
from models.policy import Policy
from pipelines.beside import fit_baselines
from pipelines.book import replayed
from pipelines.commands import Tell
from pipelines.decisions import Decisions
from pipelines.lessons import lessons
from pipelines.modelling import Models, fit_models
from pipelines.plan import AT_REQUEST
from pipelines.platform import platform_decisions
from pipelines.risk_heads import chunked
from pipelines.scoring import score_requests

OURS, ALL, NOBODY = "ours", "advance all", "advance none"
RULE, SCORECARD, ORACLE = "platform rule", "scorecard", "oracle"


@dataclass(frozen=True)
class Month:
    """A calendar month in UTC, half-open."""

    begin: pd.Timestamp
    end: pd.Timestamp

    @property
    def name(self) -> str:
        """Year and month."""
        return f"{self.begin:%Y-%m}"


def last_months(until: pd.Timestamp, count: int) -> tuple[Month, ...]:
    """The last whole months that end by `until`."""
    ends = [until.floor("D").replace(day=1) - pd.DateOffset(months=n) for n in range(count)]
    return tuple(Month(end - pd.DateOffset(months=1), end) for end in reversed(ends))


def models_of(
    task: Task,
    ledger: Ledger,
    stages: Mapping[str, Decisions],
    policy: Policy,
    month: Month,
    seed: int,
    tell: Tell,
) -> tuple[Models, Mapping[str, LogisticBaseline]]:
    """The task's models and the baselines of P(claw-back), as they could be when a month begins.

    Raises
    ------
    ContractError : too little was known, named with the month and what is needed.
    """
    tell(f"{month.name}: fitting on what was known")
    known = lessons(task, ledger, stages, month.begin)
    try:
        models = fit_models(task, known, policy, seed, tell)
        return models, fit_baselines(task, known[AT_REQUEST.stage], AT_REQUEST, seed, tell)
    except ContractError as error:
        where = f"month {month.name}: {error.where}"
        raise ContractError(error.what, where=where, fix=error.fix) from error


def replay(
    task: Task,
    ledger: Ledger,
    stages: Mapping[str, Decisions],
    policy: Policy,
    months: Sequence[Month],
    as_of: pd.Timestamp,
    seed: int,
    tell: Tell,
) -> pd.DataFrame:
    """Every request of the months, priced, with one column `action: <policy>` a policy.

    Months without requests have no row.
    """
    given = stages[AT_REQUEST.stage]
    times = given.cases["as_of"]
    inside = given.take(((times >= months[0].begin) & (times < months[-1].end)).to_numpy(bool))
    inside = replayed(task, ledger, inside, as_of)
    parts = []
    for month in months:
        at = inside.cases["as_of"]
        part = inside.take(((at >= month.begin) & (at < month.end)).to_numpy(bool))
        if not len(part):
            continue
        models, rivals = models_of(task, ledger, stages, policy, month, seed, tell)
        scored = score_requests(task, models, part, policy, 0.0)
        if SCORECARD in rivals:
            scored["p_scorecard"] = chunked(rivals[SCORECARD], part.X)
        parts.append(scored.assign(month=month.name))
    if not parts:
        raise ContractError(
            f"no request from {months[0].name} to {months[-1].name}",
            where=ledger.source,
            fix="give more --months, or another --as-of",
        )
    return _with_actions(ledger, pd.concat(parts, ignore_index=True), policy)


def _with_actions(ledger: Ledger, scored: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    decided, _ = decide(scored, policy, LimitState())
    table = scored.assign(open_cents=decided["open_cents"])
    actions = {
        OURS: decided["action"].astype(str).to_numpy(),
        ALL: np.full(len(table), ACTIONS[INSTANT]),
        NOBODY: np.full(len(table), ACTIONS[HOLD]),
        RULE: platform_decisions(ledger, table)["action"].astype(str).to_numpy(),
    }
    if "p_scorecard" in table:
        actions[SCORECARD] = _cut(table, actions[OURS])
    return table.assign(**{f"action: {name}": taken for name, taken in actions.items()})


def _cut(table: pd.DataFrame, ours: NDArray[np.str_]) -> NDArray[np.str_]:
    """The scorecard pays at once as many of each month's requests as ours does, safest first."""
    taken = np.full(len(table), ACTIONS[HOLD], object)
    for month in table["month"].unique():
        rows = np.flatnonzero(table["month"] == month)
        safest = rows[np.argsort(table["p_scorecard"].to_numpy()[rows], kind="stable")]
        taken[safest[: int((ours[rows] == ACTIONS[INSTANT]).sum())]] = ACTIONS[INSTANT]
    return taken.astype(str)
