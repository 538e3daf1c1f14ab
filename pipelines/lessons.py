"""What one moment teaches: the decisions before it, with the labels that were known then.

The labels are read as of that moment, so a model fitted as of the evaluation's start is the model
that could have been fitted then: neither young cases nor later corrections leak into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Ledger
from features.labels import labels, so_far
from features.task import Task
from pipelines.decisions import Decisions
from pipelines.plan import has_money, horizon
from pipelines.track import normal_track

Mask = NDArray[np.bool_]
HEAVIEST = 10.0  # a rarely logged action must not let one row speak for hundreds


@dataclass(frozen=True)
class Lesson:
    """Decisions of one stage with their labels, and what followed, as known at one moment."""

    decisions: Decisions
    labels: pd.DataFrame
    track: pd.DataFrame
    so_far: pd.DataFrame
    moment: pd.Timestamp

    def usable(self, task: Task, target: str) -> Mask:
        """Rows whose label counts: old enough, known, and paid at the request where money is."""
        known = self.labels
        good = known[f"{target}_matured"] & known[target].notna()
        if has_money(task):
            good &= known["paid_stage"] == "request"
        return good.to_numpy(bool)

    def usable_times(self, task: Task, target: str, where: str) -> "pd.Series[pd.Timestamp]":
        """Decision times of the usable rows.

        Raises
        ------
        ContractError : there are none.
        """
        times = self.decisions.cases["as_of"][self.usable(task, target)]
        if times.empty:
            days = horizon(task, target).days
            raise ContractError(
                f"no case has a matured {target} as of {self.moment:%Y-%m-%d}",
                where=where,
                fix=f"give a history of more than twice {days} days, or a later --as-of",
            )
        return times

    def open(self, task: Task, target: str) -> Mask:
        """Rows that began, too young for a label, and paid at the request where money is."""
        begun = self.so_far["begin_ts"].notna() & ~self.labels[f"{target}_matured"]
        if has_money(task):
            begun &= self.labels["paid_stage"] == "request"
        return begun.to_numpy(bool)

    def take(self, rows: Mask) -> "Lesson":
        """The lesson of some of its decisions."""
        tables = (self.labels, self.track, self.so_far)
        told, track, so_far = (table[rows].reset_index(drop=True) for table in tables)
        return Lesson(self.decisions.take(rows), told, track, so_far, self.moment)

    def weight(self) -> NDArray[np.float64]:
        """1 / propensity of the logged action, so that the paid speak for all requests."""
        if "act_prob" not in self.labels:
            return np.ones(len(self.labels))
        prob = self.labels["act_prob"].to_numpy(np.float64)
        known = np.isfinite(prob) & (prob > 0)
        return np.where(known, np.minimum(1 / np.where(known, prob, 1.0), HEAVIEST), 1.0)


def lessons(
    task: Task, ledger: Ledger, stages: Mapping[str, Decisions], moment: pd.Timestamp
) -> dict[str, Lesson]:
    """Every stage's decisions before `moment`, labelled with what was known then."""
    result = {}
    for stage, decisions in stages.items():
        known = decisions.take((decisions.cases["as_of"] < moment).to_numpy(bool))
        truth = labels(task, ledger, known.cases, moment)
        track = normal_track(task, ledger, known.cases, moment) if has_money(task) else truth[[]]
        young = so_far(task, ledger, known.cases, moment)
        result[stage] = Lesson(known, truth, track, young, moment)
    return result
