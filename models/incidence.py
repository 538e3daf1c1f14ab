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


def influence(cases: Seen, found: Incidence, age: float, causes: Sequence[str] = ()) -> Floats:
    """What each case moves the incidence at `age` by, shape (n,); squares summed are its variance.

    The derivative of the curve in the case's weight, times the weight. `causes`: of these together;
    of all without. Cases of one user are summed before they are squared.
    """
    rows = [found.names.index(c) for c in causes] or list(range(len(found.names)))
    curve = found.curves[rows].sum(axis=0)
    steps = np.diff(np.append(0.0, curve))
    last = int(np.searchsorted(found.times, age, side="right"))
    before = np.append(1.0, found.survival[:-1])[:last]
    left = found.survival[:last] / np.where(before > 0, before, 1.0)  # 1 - hazard of all causes
    ahead = (curve[last - 1] if last else 0.0) - curve[:last]
    ahead = np.divide(ahead, left, out=np.zeros(last), where=left > 0)
    own = np.where(before > 0, before, 0.0) / found.at_risk[:last]  # an event of these causes
    other = ahead / found.at_risk[:last]  # any event: fewer are left for what comes
    mine = steps[:last] / np.where(before > 0, before, 1.0)
    drain = np.append(0.0, np.cumsum(own * mine - other * (1 - left)))
    upto = np.searchsorted(found.times[:last], cases.exit, side="right")
    result = -drain[upto]
    place = np.searchsorted(found.times, cases.exit)
    event = (cases.cause >= 0) & (place < last)
    result[event] += np.where(np.isin(cases.cause[event], rows), own[place[event]], 0.0)
    result[event] -= other[place[event]]
    return result * cases.weight
