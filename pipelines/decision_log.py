"""What the log decided on each case, stage by stage, while nothing was paid.

In: a ledger and a spine of requests. Out: the actions taken with their probabilities, and whether
they are those of another plan. An action at the request is a plan; at a later stage it says
whether the money moves now, and a policy's plan says that, too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Ledger
from features.case_log import NOWHERE, CaseLog, case_logs, matches
from features.declarations import Events
from features.engine import decision_times
from features.spine import instant
from features.task import Task

DECIDED = Events("advance_decisions", "advance_decided")
NEEDED = ("stage", "action", "act_prob", "keep_prob")
STAGES = ("request", "tracking", "first_scan", "delivered")
#: Stages at which money can move, and the plan that moves it there.
PAYING = {"first_scan": "at_first_scan", "delivered": "after_delivery"}
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paths:
    """Logged decisions of n cases: arrays of shape (n, stages).

    `action` : the word, empty where the stage was not decided. `prob` : of the action taken; null
    where it is not logged, 1 where the stage was not decided. `keep` : that the randomised band
    left the deterministic action, at the request, shape (n,).
    """

    action: NDArray[np.object_]
    prob: Floats
    keep: Floats

    @property
    def decided(self) -> Mask:
        """Cases with a decision at the request."""
        return np.asarray(self.action[:, 0] != "", np.bool_)

    def follows(self, plan: NDArray[np.object_]) -> Mask:
        """Shape (n, stages): whether each logged action is that of a plan, one plan a case."""
        columns = [
            _same(stage, self.action[:, at], np.asarray(plan, object))
            for at, stage in enumerate(STAGES)
        ]
        return np.column_stack(columns)

    def take(self, rows: NDArray[Any]) -> "Paths":
        """The cases of a mask or of positions."""
        return Paths(self.action[rows], self.prob[rows], self.keep[rows])


def logged_paths(
    task: Task, ledger: Ledger, cases: pd.DataFrame, paid_us: NDArray[np.int64], as_of: pd.Timestamp
) -> Paths:
    """The first decision of each stage on each case, known before `as_of` and not after it is paid.

    Parameters
    ----------
    paid_us : shape (n,), when the case was paid in advance; `NULL_TIME` if it was not.

    Raises
    ------
    ContractError : the ledger has no column of logged decisions.
    """
    for name in NEEDED:
        if name not in ledger:
            fix = "log advance_decided with stage, action, act_prob and keep_prob"
            raise ContractError(f"no column '{name}'", where=ledger.source, fix=fix)
    stop = int(np.searchsorted(ledger.known_us, instant(as_of)))
    log = case_logs(ledger, task.case, {DECIDED.name: DECIDED}, stop)[DECIDED.name]
    case = ledger[task.case].encode(cases[task.case])
    lo = np.searchsorted(ledger.known_us, decision_times(cases)).astype(np.int64)
    paid = np.searchsorted(ledger.known_us, paid_us, side="right").astype(np.int64)
    hi = np.where(paid_us > 0, paid, stop)
    action = np.full((len(cases), len(STAGES)), "", object)
    prob = np.ones(action.shape)
    keep = np.full(len(cases), np.nan)
    for at, stage in enumerate(STAGES):
        rows = _of_stage(ledger, log, stage).first(case, lo, hi)
        there = rows != NOWHERE
        action[there, at] = _words(ledger, rows[there])
        prob[there, at] = _numbers(ledger, "act_prob", rows[there])
        if stage == "request":
            keep[there] = _numbers(ledger, "keep_prob", rows[there])
    return Paths(action, prob, keep)


def _of_stage(ledger: Ledger, log: CaseLog, stage: str) -> CaseLog:
    """Decisions of a stage; one that names none was taken at the request."""
    wanted = matches(ledger["stage"], (stage,), log.rows)
    if stage == "request":
        wanted |= ~ledger["stage"].filled[log.rows]
    return log.where(wanted)


def _words(ledger: Ledger, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    """Actions at places of the ledger; a decision without one is no decision."""
    column = ledger["action"]
    if column.dictionary is None:
        return np.full(len(rows), "", object)
    return np.asarray(column.decode(column.values[rows]).astype(object).fillna(""), object)


def _numbers(ledger: Ledger, name: str, rows: NDArray[np.int64]) -> Floats:
    column = ledger[name]
    return np.where(column.filled[rows], column.values[rows].astype(np.float64), np.nan)


def _same(stage: str, logged: NDArray[np.object_], plan: NDArray[np.object_]) -> Mask:
    if stage not in PAYING:
        same = logged == plan
    else:
        pays = np.isin(logged.astype(str), [PAYING[stage], "instant", "instant_with_hold"])
        same = pays == (plan == PAYING[stage])
    return np.asarray(same | (logged == ""), np.bool_)
