"""How much of a young case's outcome is known, and weights that let young cases teach.

In: ages and outcomes of cases (`models.incidence`). Out: shares and weights. A case that is too
young is never called good: where its outcome by the horizon is not known, its weight is 0, and
those whose outcome is known stand for it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError
from models.incidence import Incidence

Floats = NDArray[np.float64]
FEWEST_OLD = 0.05  # share of the cases that must be older than the horizon


def maturity(found: Incidence, age: ArrayLike, horizon: float, cause: str | None = None) -> Floats:
    """P(known by `age` | it becomes known by the horizon), 1 beyond it.

    Raises
    ------
    ContractError : nothing has ever become known by the horizon.
    """
    whole = float(found.at(horizon, cause))
    if not whole > 0:
        raise ContractError(
            "no outcome by the horizon, so nobody knows how long they take",
            where="maturity",
            fix="take a longer history",
        )
    a = np.minimum(np.asarray(age, np.float64), horizon)
    return np.asarray(found.at(a, cause) / whole, np.float64)


def censoring_weights(days: ArrayLike, age: ArrayLike, horizon: float) -> Floats:
    """Inverse probability that a case's outcome by the horizon is known today, else 0.

    A claw-back on day t is known of the cases that are t days old, a good end of those as old as
    the horizon; the share of such cases comes from the calendar, for every case's age is known.
    Right where how old a case is says nothing of how it ends. Robins and Rotnitzky (1992).

    Parameters
    ----------
    days : age at which the outcome became known, NaN where none did. age : today's.
    horizon : in the same unit. An outcome after it is a good end.

    Raises
    ------
    ContractError : fewer than `FEWEST_OLD` of the cases have reached the horizon.
    """
    d, a = np.asarray(days, np.float64), np.asarray(age, np.float64)
    if not (a >= horizon).mean() >= FEWEST_OLD:
        raise ContractError(
            f"{(a >= horizon).mean():.1%} of the cases are as old as the horizon",
            where="maturity",
            fix=f"take a history of which {FEWEST_OLD:.0%} is older than {horizon:g} days",
        )
    bad = (d <= a) & (d <= horizon)
    until = np.where(bad, d, horizon)
    ages = np.sort(a)
    known = 1 - np.searchsorted(ages, until, side="left") / a.size
    return np.where(bad | (a >= horizon), 1 / known, 0.0)
