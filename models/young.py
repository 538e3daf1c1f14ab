"""Young cases in a training set, without calling them good.

In: ages, what is known so far, and the probabilities of a model that learnt from the matured cases
alone. Out: which rows to fit, with outcomes and weights. A young case that has gone bad is bad.
One that has not yet stands twice: as bad with the probability that it still will, as good with the
rest. That probability falls with age, for most claw-backs would have come by now.

Weights of inverse censoring (`models.maturity`) are right for rates and wrong here: they leave no
good case among the youngest, and trees learn that what looks recent is bad. Chapelle (2014) models
delays in the same way, in one likelihood.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.incidence import incidence, seen
from models.maturity import maturity

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lessons:
    """`rows` are positions of the given cases, those of the young open ones twice."""

    rows: NDArray[np.int64]
    y: Floats
    weight: Floats


def chance_open(p: ArrayLike, known: ArrayLike) -> Floats:
    """P(still goes bad by the horizon | has not yet), by Bayes.

    Parameters
    ----------
    p : P(bad by the horizon). known : P(known by its age | bad by the horizon).
    """
    risk, share = np.asarray(p, np.float64), np.asarray(known, np.float64)
    return np.asarray(risk * (1 - share) / (1 - risk * share), np.float64)


def with_young(
    days: ArrayLike,
    age: ArrayLike,
    horizon: float,
    p: ArrayLike,
    weight: ArrayLike | None = None,
) -> Lessons:
    """All cases as lessons.

    Parameters
    ----------
    days : age at which the case went bad, NaN if it has not. age : today's, in the same unit.
    p : P(bad by the horizon); read where the case is young and has not gone bad.
    weight : of each case.

    Raises
    ------
    ContractError : nothing has ever gone bad by the horizon (`models.maturity`).
    """
    d, a = np.asarray(days, np.float64), np.asarray(age, np.float64)
    w = np.ones(len(a)) if weight is None else np.asarray(weight, np.float64)
    bad = (d <= a) & (d <= horizon)
    pending = np.flatnonzero(~bad & (a < horizon))
    known = maturity(incidence(seen(d, a, weight=w)), a[pending], horizon)
    still = chance_open(np.asarray(p, np.float64)[pending], known)
    first = w.copy()
    first[pending] *= 1 - still
    rows = np.concatenate([np.arange(len(a)), pending])
    y = np.concatenate([bad.astype(np.float64), np.ones(len(pending))])
    return Lessons(rows, y, np.concatenate([first, w[pending] * still]))
