"""Intervals that know that one user's rows are not independent: users are drawn, not rows.

In: arrays with a user per row, or the cluster of linked users that stands for one. Out: intervals
of any weighted metric, of all figures of several models on the same draws (so that their difference
is paired), and the comparison on which retraining's gate decides.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.figures import NOISY, Scored, ordered_figures
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


@dataclass(frozen=True)
class Drawn:
    """One model's figures: of the rows as they are, and of every draw, shape (draws, figures)."""

    value: Mapping[str, float]
    draws: Floats

    def intervals(self, level: float = 0.95) -> dict[str, Interval]:
        """Percentile intervals; NaN bounds where no draw has the figure.

        Draws of a figure that noise makes larger (`figures.NOISY`) are centred on it: its interval
        says how far it moves with other users, not how far it lies from that of all the world.
        """
        found = _intervals(self.value, self.draws, level)
        for name in NOISY & set(found):
            found[name] = replace(found[name], lower=max(found[name].lower, 0.0))
        return found

    def less(self, other: "Drawn", level: float = 0.95) -> dict[str, Interval]:
        """Intervals of this model's figures minus another's on the same draws."""
        names = [name for name in self.value if name in other.value]
        ours, theirs = ([list(d.value).index(n) for n in names] for d in (self, other))
        value = {n: self.value[n] - other.value[n] for n in names}
        return _intervals(value, self.draws[:, ours] - other.draws[:, theirs], level)


def draw_figures(
    models: Mapping[str, Scored],
    *,
    users: ArrayLike,
    weight: ArrayLike | None = None,
    draws: int = 400,
    random_state: int = 0,
) -> dict[str, Drawn]:
    """All figures of all models on one set of draws.

    Parameters
    ----------
    models : scored tables of the same rows (`models.figures.scored`).
    users : per row whom to draw: users, or clusters of linked users.
    """
    base, codes, size = _weights(users, weight), *_codes(users)
    own = {n: (table, base[table.order], codes[table.order]) for n, table in models.items()}
    value = {n: ordered_figures(table, w) for n, (table, w, _) in own.items()}
    drawn: dict[str, list[list[float]]] = {n: [] for n in models}
    for counts in _draw(size, draws, random_state):
        for n, (table, w, whose) in own.items():
            drawn[n].append(list(ordered_figures(table, w * counts[whose]).values()))
    return {n: Drawn(value[n], np.array(drawn[n], np.float64)) for n in models}


def draw_users(users: ArrayLike, draws: int, random_state: int) -> Iterator[Floats]:
    """Per draw, how often each row counts: as often as its user was drawn."""
    codes, size = _codes(users)
    for counts in _draw(size, draws, random_state):
        yield counts[codes]


def _draw(size: int, draws: int, random_state: int) -> Iterator[Floats]:
    random = np.random.default_rng(random_state)
    for _ in range(draws):
        drawn = np.bincount(random.integers(size, size=size), minlength=size)
        yield drawn.astype(np.float64)


def user_codes(users: ArrayLike) -> NDArray[np.int64]:
    """Codes 0..users-1 of ids; nothing says that two nulls are one person."""
    return _codes(users)[0]


def _codes(users: ArrayLike) -> tuple[NDArray[np.int64], int]:
    """A number for each user, and how many there are."""
    codes, known = pd.factorize(np.asarray(users), sort=True)
    # A null is a user of its own: nothing says that two of them are one person.
    null = np.flatnonzero(codes < 0)
    codes[null] = len(known) + np.arange(null.size)
    return np.asarray(codes, np.int64), len(known) + null.size


def _intervals(value: Mapping[str, float], draws: Floats, level: float) -> dict[str, Interval]:
    tail = (1 - level) / 2
    found = {}
    for name, column in zip(value, draws.T, strict=True):
        known = column[~np.isnan(column)]
        if name in NOISY and known.size:
            known = known - known.mean() + value[name]
        bounds = np.quantile(known, [tail, 1 - tail]) if known.size else np.full(2, np.nan)
        found[name] = Interval(value[name], float(bounds[0]), float(bounds[1]))
    return found


def _weights(users: Any, weight: ArrayLike | None) -> Floats:
    return np.ones(len(users)) if weight is None else np.asarray(weight, np.float64)
