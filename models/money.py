"""What an advance costs and what it is worth, in cents: plain arithmetic on arrays.

Units: money in cents, time in hours (`per_day` is per 24 hours), probabilities in [0, 1]. Nothing
here knows a policy, a model or a table; `models.decide` puts the pieces together.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError

Floats = NDArray[np.float64]


def expected_loss(p_loss: ArrayLike, lgd: ArrayLike, amount_cents: ArrayLike) -> Floats:
    """Money an advance is expected to lose.

    Parameters
    ----------
    p_loss : shape (n,), calibrated probability in [0, 1]; NaN is an error.
    lgd : shape (n,) or a number, share of the amount not recovered, in [0, 1].
    amount_cents : shape (n,), the advance, >= 0.

    Returns
    -------
    Cents, shape (n,), >= 0.

    Raises
    ------
    ContractError : lengths differ, or a value is out of range.

    Examples
    --------
    >>> expected_loss([0.1], [0.5], [20000])
    array([1000.])
    """
    p = _within("p_loss", p_loss, 1.0)
    share = _within("lgd", lgd, 1.0)
    amount = _within("amount_cents", amount_cents, np.inf)
    _same_length(p_loss=p, lgd=share, amount_cents=amount)
    return p * share * amount


def speed_value(hours: ArrayLike, hour_cents: float, hours_cap: float) -> Floats:
    """What being paid `hours` sooner is worth to the buyer.

    Hours beyond `hours_cap` add nothing; being paid later than on the normal track is worth
    nothing, never a fine (predicted hours may fall below zero).

    Examples
    --------
    >>> speed_value([10.0, -3.0, 900.0], hour_cents=2.0, hours_cap=480.0)
    array([ 20.,   0., 960.])
    """
    sooner = np.clip(np.asarray(hours, np.float64), 0.0, hours_cap)
    return np.asarray(hour_cents * sooner, np.float64)


def float_cost(amount_cents: ArrayLike, hours: ArrayLike, per_day: float) -> Floats:
    """Capital cost of the money being out `hours` before it would leave anyway.

    Examples
    --------
    >>> float_cost([10000], [48.0], per_day=0.0002)
    array([4.])
    """
    days = np.maximum(np.asarray(hours, np.float64), 0.0) / 24.0
    return np.asarray(amount_cents, np.float64) * days * per_day


def _within(name: str, values: ArrayLike, high: float) -> Floats:
    array = np.asarray(values, np.float64)
    wrong = ~((array >= 0.0) & (array <= high))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ContractError(
            f"{name} has {int(wrong.sum())} values outside 0 to {high:g} "
            f"(first: row {row}, {array.flat[row]:g})",
            fix="give calibrated probabilities, shares and cents; rows without a score stay out",
        )
    return array


def _same_length(**arrays: Floats) -> None:
    lengths = {name: len(a) for name, a in arrays.items() if a.ndim}
    if len(set(lengths.values())) > 1:
        raise ContractError(f"lengths differ: {lengths}", fix="give one value a row")
