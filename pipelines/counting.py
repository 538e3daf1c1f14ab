"""Counting the money of policies month by month, with intervals that know whose cases they are.

In: requests with each policy's action, and what is known of their money. Out: net value and loss
in cents by policy and month, and the difference to ours. By the truth of a simulation money is a
sum. By a log it is known only where the log took the same action: those cases, weighted by
1 / propensity, speak for the others that the policy treats alike (self-normalised, each action for
itself; the total pools all months' cases); a case that nobody advances is worth 0. Where the log
decided an advance another way for certain, or did not note how likely its decision was, no like
case speaks for it: the policy's money is not known. Few and large losses decide, which the
intervals know (`models.clustered`); percentiles of drawn users are too short.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import Interval
from models.clustered import FEWEST_USERS, clustered_mean
from models.support import FEWEST_LOSSES, MOST_MISSING
from pipelines.realised import advances, logged_weights
from pipelines.replay import OURS

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
MONEY = ("net_cents", "loss_cents")
TOTAL = "total"


@dataclass(frozen=True)
class Count:
    """One policy in one month; `less` is its net value minus ours. NaN where nothing is known.

    `matched` : share of the advances that the count rests on, 1 by the truth; NaN without any.
    `losses` : how many of those lost money. With fewer than `FEWEST_LOSSES` by the log the bounds
    are NaN: who loses next would be anybody's guess. Those of `less` count the losses of either.
    """

    policy: str
    month: str
    requests: int
    instant: float
    at_scan: float
    matched: float
    losses: int
    net: Interval
    loss: Interval
    less: Interval

    def summary(self) -> dict[str, Any]:
        """Plain JSON values; intervals are [value, lower, upper]."""
        told = {k: v for k, v in vars(self).items() if not isinstance(v, Interval)}
        for name in ("net", "loss", "less"):
            i: Interval = getattr(self, name)
            told[f"{name}_cents"] = [
                x if np.isfinite(x) else None for x in (i.value, i.lower, i.upper)
            ]
        return told


@dataclass(frozen=True)
class Terms:
    """A policy's money as ratios of sums: total = sum over terms of n x (weighted sum / weight).

    `n`, `weight`, `net`, `loss` : shape (rows, terms); a term is an action (by the log), or all
    rows at once with `n` = `weight` = 1 (by the truth). `sampled` : the log shows some cases only.
    `never`, `missing` : shape (rows,), advances that the log decided another way for certain, or
    whose propensity it lacks.
    """

    n: Floats
    weight: Floats
    net: Floats
    loss: Floats
    sampled: bool = False
    never: Mask | None = None
    missing: Mask | None = None

    def supported(self, rows: Mask) -> bool:
        """Whether like cases speak for these rows' advances."""
        n, weight = self.n[rows], self.weight[rows]
        if ((n.sum(axis=0) > 0) & (weight.sum(axis=0) <= 0)).any():
            return False
        advanced = max(int((n > 0).any(axis=1).sum()), 1)
        lacking = 0.0 if self.missing is None else float(self.missing[rows].sum()) / advanced
        return lacking <= MOST_MISSING and (self.never is None or not self.never[rows].any())

    def lost(self, rows: Mask) -> Mask:
        """Which of the cases that speak lost money."""
        return np.asarray(((self.weight > 0) & (self.loss > 0))[rows].any(axis=1))

    def few(self, rows: Mask, lost: Mask) -> bool:
        """Whether the log shows too few losses for bounds of what it did not show."""
        advanced = bool(self.n[rows].any())
        return self.sampled and advanced and int(lost.sum()) < FEWEST_LOSSES

    def scores(self, rows: Mask) -> Floats:
        """Shape (rows, 2): what each row adds to net and loss and moves their rates by.

        They sum to the money.
        """
        n, weight = self.n[rows], self.weight[rows]
        total = weight.sum(axis=0)
        scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
        told = []
        for money in (self.net[rows], self.loss[rows]):
            rate = money.sum(axis=0) * scale
            told.append((n * rate + n.sum(axis=0) * scale * (money - weight * rate)).sum(axis=1))
        return np.column_stack(told)


def by_truth(money: pd.DataFrame) -> Terms:
    """Terms of money that is known for every row."""
    one = np.ones((len(money), 1))
    net, loss = (money[c].to_numpy(np.float64)[:, None] for c in MONEY)
    return Terms(one, one, net, loss)


def by_log(action: "pd.Series[str]", money: pd.DataFrame, labels: pd.DataFrame) -> Terms:
    """Terms of what the log shows: one for each action that pays early."""
    found = logged_weights(action, labels)
    weight = found.weight * money["known"].to_numpy(bool)
    pays = advances(action).to_numpy(bool)
    paid = sorted(set(action[advances(action)])) or ["instant"]
    n = np.stack([(action == a).to_numpy() for a in paid], axis=1).astype(np.float64)
    w = n * weight[:, None]
    net, loss = (w * money[c].to_numpy(np.float64)[:, None] for c in MONEY)
    never, missing = pays & found.impossible & ~found.missing, pays & found.missing
    return Terms(n, w, net, loss, sampled=True, never=never, missing=missing)


def count(table: pd.DataFrame, terms: Mapping[str, Terms], months: Sequence[str]) -> list[Count]:
    """Every policy in every month that has requests, and in total.

    Parameters
    ----------
    table : `user_id`, `month` and the column `action: <policy>` of each policy of `terms`.
    """
    month = table["month"]
    inside = {m: (month == m).to_numpy(bool) for m in months if (month == m).any()}
    inside[TOTAL] = np.full(len(table), True)
    return [
        _count(table[rows], rows, policy, name, terms)
        for name, rows in inside.items() for policy in terms
    ]  # fmt: skip


def _count(
    part: pd.DataFrame, rows: Mask, policy: str, month: str, terms: Mapping[str, Terms]
) -> Count:
    """`part` : the table's `rows`."""
    own, ours, action = terms[policy], terms[OURS], part[f"action: {policy}"]
    mine, lost = own.scores(rows), own.lost(rows)
    known, few = own.supported(rows), own.few(rows, lost)
    net, loss = (_interval(mine[:, k], part["user_id"], known, few) for k in (0, 1))
    either = lost | ours.lost(rows)
    less = _interval(
        mine[:, 0] - ours.scores(rows)[:, 0],
        part["user_id"],
        known and ours.supported(rows),
        own.few(rows, either) or ours.few(rows, either),
    )
    paid = own.n[rows] > 0
    return Count(
        policy,
        month,
        len(action),
        float((action == "instant").mean()),
        float((action == "at_first_scan").mean()),
        float((own.weight[rows] > 0).sum() / paid.sum()) if paid.any() else float("nan"),
        int(lost.sum()),
        net,
        replace(loss, lower=max(loss.lower, 0.0)),
        less,
    )


def _interval(scores: Floats, users: "pd.Series[Any]", known: bool, few: bool) -> Interval:
    """Of the scores' sum: nothing where it is not known, no bounds on few losses or of one user."""
    value = float(scores.sum()) if known else float("nan")
    if not known or few or users.nunique(dropna=False) < FEWEST_USERS:
        return Interval(value, float("nan"), float("nan"))
    found, n = clustered_mean(scores, users.to_numpy()), len(scores)
    return Interval(value, found.lower * n, found.upper * n)
