"""Cumulative incidence with competing causes, when many cases are too young to have shown theirs.

In: per case the age at which something was known of it, the cause, and its age today. Out: the
Aalen-Johansen curves, and each case's influence on them, from which intervals by user are made. A
case that is 20 days old says something of the first 20 days and nothing of the rest; it is neither
good nor left out. Aalen and Johansen (1978); with one cause, Kaplan and Meier (1958).

lifelines' `AalenJohansenFitter` moves ties apart at random and knows no clusters; scikit-survival's
function takes no weights and is under the GPL. The curve itself is a dozen lines of numpy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """What is known of each case: `exit`, the smaller of event and age; `cause`, -1 if none yet."""

    exit: Floats
    cause: Codes
    weight: Floats
    names: tuple[str, ...]


@dataclass(frozen=True)
class Incidence:
    """Curves that step at `times`; `curves` has a row a cause, `survival` is what none has taken.

    `at_risk` : weight of the cases that were still open just before each time.
    """

    times: Floats
    names: tuple[str, ...]
    curves: Floats
    survival: Floats
    at_risk: Floats

    def at(self, age: ArrayLike, cause: str | None = None) -> Floats:
        """Incidence by these ages, of one cause or of all."""
        rows = self.curves if cause is None else self.curves[[self.names.index(cause)]]
        curve = np.append(0.0, rows.sum(axis=0))
        return np.asarray(curve[np.searchsorted(self.times, np.asarray(age), side="right")])


def seen(
    days: ArrayLike, age: ArrayLike, cause: Any = None, weight: ArrayLike | None = None
) -> Seen:
    """What is known today of cases that began `age` days ago.

    Parameters
    ----------
    days : age at which the outcome became known, NaN where none did; one after `age` is not known.
    cause : its cause; without it there is one. weight : 1 for each case without it.

    Raises
    ------
    ContractError : no case, a null or negative age, an outcome before its beginning or without a
        cause.
    """
    d, a = np.asarray(days, np.float64), np.asarray(age, np.float64)
    w = np.ones(len(a)) if weight is None else np.asarray(weight, np.float64)
    if not len(a) or not (a >= 0).all():
        raise ContractError("no case, or an age below 0", where="age", fix="leave the future out")
    known = d <= a
    if (d[known] < 0).any():
        fix = "an outcome counts from the pay-out on"
        raise ContractError("an outcome before its case began", where="days", fix=fix)
    names: tuple[str, ...] = ("any",)
    codes = np.zeros(len(a), np.int64)
    if cause is not None:
        found, kinds = pd.factorize(pd.Series(cause).astype(object), sort=True)
        codes, names = found.astype(np.int64), tuple(map(str, kinds))
        if (codes[known] < 0).any():
            raise ContractError("an outcome without a cause", where="cause", fix="name every cause")
    return Seen(np.minimum(np.where(known, d, a), a), np.where(known, codes, -1), w, names)


def incidence(cases: Seen) -> Incidence:
    """The Aalen-Johansen curves."""
    times, at = np.unique(cases.exit[cases.cause >= 0], return_inverse=True)
    events = np.zeros((len(cases.names), times.size))
    known = cases.cause >= 0
    np.add.at(events, (cases.cause[known], at), cases.weight[known])
    order = np.argsort(cases.exit, kind="stable")
    gone = np.append(0.0, np.cumsum(cases.weight[order]))
    total = gone[-1]
    at_risk = total - gone[np.searchsorted(cases.exit[order], times, side="left")]
    hazards = events / at_risk
    survival = np.cumprod(1 - hazards.sum(axis=0))
    before = np.append(1.0, survival[:-1]) if times.size else survival
    return Incidence(times, cases.names, np.cumsum(before * hazards, axis=1), survival, at_risk)


def influence(
    cases: Seen, found: Incidence, value: ArrayLike, causes: Sequence[str] = ()
) -> Floats:
    """What each case moves a sum over the curve by, shape (n,).

    The derivative of sum(value x step of the curve) in the case's weight, times the weight; its
    squares, summed after the cases of one user were added up, are the variance of the sum.

    Parameters
    ----------
    value : per time of the curve, what a step there counts; `found.times <= 60` asks for the
        incidence by day 60.
    causes : the curve of these together; of all without.
    """
    rows = [found.names.index(c) for c in causes] or list(range(len(found.names)))
    worth = np.asarray(value, np.float64)
    before = np.append(1.0, found.survival[:-1])[: found.times.size]
    steps = np.diff(np.append(0.0, found.curves[rows].sum(axis=0)))
    hazard = np.divide(steps, before, out=np.zeros_like(before), where=before > 0)
    left = np.divide(found.survival, before, out=np.zeros_like(before), where=before > 0)
    total = float(worth @ steps)
    ahead = np.divide(
        total - np.cumsum(worth * steps), left, out=np.zeros_like(left), where=left > 0
    )
    own = worth * before / found.at_risk  # an event of these causes
    other = ahead / found.at_risk  # any event: fewer are left for what comes
    drain = np.append(0.0, np.cumsum(own * hazard - other * (1 - left)))
    result = -drain[np.searchsorted(found.times, cases.exit, side="right")]
    event = cases.cause >= 0
    at = np.searchsorted(found.times, cases.exit[event])
    result[event] += np.where(np.isin(cases.cause[event], rows), own[at], 0.0) - other[at]
    return result * cases.weight
