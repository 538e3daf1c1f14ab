"""Decisions with their columns: spine and features of one stage, aligned row by row.

Training and the batch job both come through here, so a case has the same columns in both.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.ledger import Ledger
from features.declarations import Declaration
from features.engine import features
from features.priors import fit_priors, operands
from features.spine import spine, standing_fit_spine, standing_spine
from features.task import Task
from pipelines.as_of import beginning, stamp

WARM_UP = 0.1  # of the history, whose decisions have little past: they only give the priors
BLOCK = 250_000  # decisions whose columns are in memory at one time
WARM_UP_AT_MOST = pd.Timedelta(days=60)


@dataclass(frozen=True)
class Decisions:
    """`cases` (a spine) and `X` (its columns), index 0..n-1 in both."""

    cases: pd.DataFrame
    X: pd.DataFrame

    def __len__(self) -> int:
        return len(self.cases)

    def take(self, rows: NDArray[Any]) -> "Decisions":
        """The decisions at these rows, a mask or positions."""
        at = np.flatnonzero(rows) if rows.dtype == bool else rows
        cases = self.cases.iloc[at].reset_index(drop=True)
        return Decisions(cases, self.X.iloc[at].reset_index(drop=True))


def request_decisions(
    task: Task,
    ledger: Ledger,
    since: pd.Timestamp | None,
    as_of: pd.Timestamp,
) -> Decisions:
    """The requests known from `since` and before `as_of`."""
    cases = spine(task, ledger, stage="request", since=since, as_of=as_of)
    return Decisions(cases, features(task.at_stage("request"), ledger, cases))


def standing_columns(task: Task) -> tuple[Declaration, ...]:
    """The columns of a user's standing, the policy's included."""
    return task.at_stage("standing") + task.policy_at("standing")


def standing_blocks(task: Task, ledger: Ledger, as_of: pd.Timestamp) -> Iterator[Decisions]:
    """Every user known before `as_of`, with the policy's columns, a block of users at a time."""
    return blocks(standing_columns(task), ledger, standing_spine(task, ledger, as_of))


def blocks(
    definitions: Iterable[Declaration], ledger: Ledger, cases: pd.DataFrame
) -> Iterator[Decisions]:
    """Decisions with their columns, a block at a time; without a case one empty block."""
    columns = tuple(definitions)
    for at in range(0, max(len(cases), 1), BLOCK):
        some = cases.iloc[at : at + BLOCK].reset_index(drop=True)
        yield Decisions(some, features(columns, ledger, some))


def standing_fit_decisions(
    task: Task, ledger: Ledger, since: pd.Timestamp, as_of: pd.Timestamp
) -> Decisions:
    """Users as of the night before their first paid request of each 30 days."""
    cases = standing_fit_spine(task, ledger)
    inside = (cases["as_of"] >= since) & (cases["as_of"] < as_of)
    cases = cases[inside].reset_index(drop=True)
    return Decisions(cases, features(task.at_stage("standing"), ledger, cases))


def training_start(ledger: Ledger, since: str | None, as_of: pd.Timestamp) -> pd.Timestamp:
    """From when on decisions train: `since`, or after a short part of the history."""
    if since is not None:
        return beginning(since, as_of)
    first = stamp(int(ledger.known_us[0]))
    return first + min((as_of - first) * WARM_UP, WARM_UP_AT_MOST).floor("D")


def with_priors(task: Task, ledger: Ledger, before: pd.Timestamp) -> Task:
    """The task with the priors of its rates fitted on the requests before training starts."""
    wanted = operands(task.declarations)
    cases = spine(task, ledger, stage="request", as_of=before)
    if not wanted or cases.empty:
        return task
    fitted = fit_priors(task.declarations, features(wanted, ledger, cases))
    return replace(task, declarations=tuple(fitted))
