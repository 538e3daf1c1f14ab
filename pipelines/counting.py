"""Counting the money of policies month by month, with intervals that draw users.

In: requests with each policy's action, and what is known of their money. Out: net value and loss
in cents by policy and month, and the difference to ours on the same draws. By the truth of a
simulation money is a sum. By a log it is known only where the log took the same action: those
cases, weighted by 1 / propensity, speak for the others that the policy treats alike
(self-normalised, each action for itself; the total pools all months' cases); a case that nobody
advances is worth 0. Where the log decided an advance another way for certain, or did not note how
likely its decision was, no like case speaks for it: the policy's money is not known. By the log few
and large losses decide: its intervals know that (`models.clustered`), where percentiles of drawn
users are too short.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import Interval, draw_users
from models.clustered import FEWEST_USERS, clustered_mean
from models.support import MOST_MISSING
from pipelines.realised import advances, logged_weights
from pipelines.replay import OURS

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
MONEY = ("net_cents", "loss_cents")
FEWEST = 5
TOTAL = "total"


@dataclass(frozen=True)
class Count:
    """One policy in one month; `less` is its net value minus ours. NaN where nothing is known.

    `matched` : share of the advances that the count rests on, 1 by the truth; NaN without any.
    `losses` : how many of those lost money. With fewer than `FEWEST` by the log the bounds are NaN:
    the users drawn would be as lucky as the ones seen.
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
        """Whether the log can speak for these rows' advances."""
        advanced = max(int((self.n[rows] > 0).any(axis=1).sum()), 1)
        lacking = 0.0 if self.missing is None else float(self.missing[rows].sum()) / advanced
        return lacking <= MOST_MISSING and (self.never is None or not self.never[rows].any())


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


def count(
    table: pd.DataFrame, terms: Mapping[str, Terms], months: Sequence[str], draws: int, seed: int
) -> list[Count]:
    """Every policy in every month that has requests, and in total.

    Parameters
    ----------
    table : `user_id`, `month` and the column `action: <policy>` of each policy of `terms`.
    """
    users, _ = pd.factorize(table["user_id"])
    here = [m for m in months if (table["month"] == m).any()]
    inside = {m: (table["month"] == m).to_numpy(bool) for m in here} | {
        TOTAL: np.full(len(table), True)
    }
    sums = {
        (policy, month): _by_user(t, rows, users) for policy, t in terms.items()
        for month, rows in inside.items()
    }  # fmt: skip
    values = {key: _money(s.sum(axis=0, keepdims=True))[0] for key, s in sums.items()}
    drawn = {key: np.empty((draws, 2)) for key in sums}
    everyone = np.arange(int(users.max(initial=-1)) + 1)
    for i, counts in enumerate(draw_users(everyone, draws, seed)):
        for key, s in sums.items():
            drawn[key][i] = _money(np.tensordot(counts, s, axes=1)[None])[0]
    for (policy, month), told in drawn.items():
        rows, own = inside[month], terms[policy]
        if not own.supported(rows):
            told[:] = values[policy, month][:] = np.nan
        if own.sampled and own.n[rows].any() and _losses(own, rows) < FEWEST:
            told[:] = np.nan
    return [
        _count(table, policy, month, rows, terms[policy], _intervals(
            terms[policy], terms[OURS], rows, users,
            [(values[p, month], drawn[p, month]) for p in (policy, OURS)],
        ))
        for month, rows in inside.items() for policy in terms
    ]  # fmt: skip


def _intervals(
    own: Terms,
    ours: Terms,
    rows: Mask,
    users: NDArray[np.int64],
    given: Sequence[tuple[Floats, Floats]],
) -> tuple[Interval, Interval, Interval]:
    """Net, loss, and net less ours; `given`: values and draws of the policy's money and of ours."""
    (value, draws), (other, others) = given
    net, loss = (_interval(value[k], draws[:, k]) for k in (0, 1))
    less = _interval(value[0] - other[0], draws[:, 0] - others[:, 0])
    if own.sampled:
        scores, rival = _scores(own, rows), _scores(ours, rows)
        net = _by_scores(net, scores[:, 0], users[rows])
        loss = _by_scores(loss, scores[:, 1], users[rows])
        less = _by_scores(less, scores[:, 0] - rival[:, 0], users[rows])
    return net, replace(loss, lower=max(loss.lower, 0.0)), less


def _scores(terms: Terms, rows: Mask) -> Floats:
    """Shape (rows, 2): what each row adds to net and loss and moves their rates by.

    They sum to the money.
    """
    n, weight = terms.n[rows], terms.weight[rows]
    total = weight.sum(axis=0)
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    told = []
    for money in (terms.net[rows], terms.loss[rows]):
        rate = money.sum(axis=0) * scale
        told.append((n * rate + n.sum(axis=0) * scale * (money - weight * rate)).sum(axis=1))
    return np.column_stack(told)


def _by_scores(known: Interval, scores: Floats, users: NDArray[np.int64]) -> Interval:
    """The interval that the scores' sum has, where draws have one; of one user there is none."""
    if not np.isfinite(known.lower) or len(np.unique(users)) < FEWEST_USERS:
        return Interval(known.value, np.nan, np.nan)
    found, n = clustered_mean(scores, users), len(scores)
    return Interval(known.value, found.lower * n, found.upper * n)


def _losses(terms: Terms, rows: NDArray[np.bool_]) -> int:
    return int(((terms.weight > 0) & (terms.loss > 0))[rows].any(axis=1).sum())


def _by_user(terms: Terms, rows: NDArray[np.bool_], users: NDArray[np.int64]) -> Floats:
    """Sums of each user, shape (users, 4, terms)."""
    size = int(users.max(initial=-1)) + 1
    told = np.stack([terms.n, terms.weight, terms.net, terms.loss], axis=1) * rows[:, None, None]
    out = np.zeros((size, *told.shape[1:]))
    np.add.at(out, users, told)
    return out


def _money(sums: Floats) -> Floats:
    """Net and loss of summed terms, shape (k, 2); NaN where advances have no logged like."""
    n, weight, net, loss = (sums[:, i, :] for i in range(4))
    lost = (n > 0) & (weight <= 0)
    rate = n / np.where(weight > 0, weight, 1.0)
    told = np.stack([(rate * net).sum(axis=1), (rate * loss).sum(axis=1)], axis=1)
    told[lost.any(axis=1)] = np.nan
    return told


def _count(
    table: pd.DataFrame,
    policy: str,
    month: str,
    rows: NDArray[np.bool_],
    terms: Terms,
    money: Iterable[Interval],
) -> Count:
    action = table[f"action: {policy}"][rows]
    paid = terms.n[rows] > 0
    return Count(
        policy,
        month,
        len(action),
        float((action == "instant").mean()),
        float((action == "at_first_scan").mean()),
        float((terms.weight[rows] > 0).sum() / paid.sum()) if paid.any() else float("nan"),
        _losses(terms, rows),
        *money,
    )


def _interval(value: float, draws: Iterable[float]) -> Interval:
    known = np.array([d for d in draws if np.isfinite(d)])
    lower, upper = np.quantile(known, [0.025, 0.975]) if known.size else (np.nan, np.nan)
    return Interval(float(value), float(lower), float(upper))
