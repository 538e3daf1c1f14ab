"""Intervals that know that one user's rows are not independent: users are drawn, not rows.

In: arrays with a user per row. Out: intervals of any weighted metric, and the paired comparison
of two models on the same rows, on which retraining's gate decides.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.metrics import log_losses, loss_captured

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure with a two-sided interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Comparison:
    """Challenger against champion; positive is better. Lower bounds are one-sided.

    `log_loss`: how much smaller the challenger's is. `captured`: how much more of the loss stands
    in the riskiest rows.
    """

    log_loss: float
    log_loss_lower: float
    captured: float
    captured_lower: float

    def better(self, epsilon: float = 0.0) -> bool:
        """Both lower bounds above -epsilon, and one of them above 0."""
        low = min(self.log_loss_lower, self.captured_lower)
        return low > -epsilon and max(self.log_loss_lower, self.captured_lower) > 0


def user_bootstrap(
    metric: Callable[..., float],
    *arrays: ArrayLike,
    users: ArrayLike,
    weight: ArrayLike | None = None,
    draws: int = 400,
    level: float = 0.95,
    random_state: int = 0,
) -> Interval:
    """A percentile interval of `metric(*arrays, weight=...)`, drawing users with replacement."""
    base = _weights(users, weight)
    values = [
        metric(*arrays, weight=base * counts) for counts in draw_users(users, draws, random_state)
    ]
    tail = (1 - level) / 2
    lower, upper = np.nanquantile(values, [tail, 1 - tail])
    return Interval(metric(*arrays, weight=base), float(lower), float(upper))


def compare(
    y: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    *,
    users: ArrayLike,
    loss: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    share: float = 0.1,
    draws: int = 400,
    level: float = 0.95,
    random_state: int = 0,
) -> Comparison:
    """Compare two models' probabilities on the same matured rows, user by user.

    Parameters
    ----------
    y : outcomes; champion, challenger : calibrated probabilities of the same rows.
    loss : money lost per row; without it the outcomes stand in.
    share : the riskiest share of the rows whose loss is compared.
    level : of the one-sided lower bounds.
    """
    y, old, new = (np.asarray(a, np.float64) for a in (y, champion, challenger))
    base = _weights(users, weight)
    gain = log_losses(y, old) - log_losses(y, new)
    money = y if loss is None else np.asarray(loss, np.float64)

    def figures(w: Floats) -> tuple[float, float]:
        more = loss_captured(money, new, share, w) - loss_captured(money, old, share, w)
        return float(w @ gain / w.sum()), more

    drawn = np.array([figures(base * c) for c in draw_users(users, draws, random_state)])
    value = figures(base)
    lower = np.nanquantile(drawn, 1 - level, axis=0)
    return Comparison(value[0], float(lower[0]), value[1], float(lower[1]))


def draw_users(users: ArrayLike, draws: int, random_state: int) -> Iterator[Floats]:
    """Per draw, how often each row counts: as often as its user was drawn."""
    codes, known = pd.factorize(np.asarray(users), sort=True)
    # A null is a user of its own: nothing says that two of them are one person.
    null = np.flatnonzero(codes < 0)
    codes[null] = len(known) + np.arange(null.size)
    size = len(known) + null.size
    random = np.random.default_rng(random_state)
    for _ in range(draws):
        yield np.bincount(random.integers(size, size=size), minlength=size)[codes].astype(float)


def _weights(users: Any, weight: ArrayLike | None) -> Floats:
    return np.ones(len(users)) if weight is None else np.asarray(weight, np.float64)
