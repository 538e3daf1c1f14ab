"""Ways of drawing that several parts of the market share."""

import numpy as np

from data.market.world import HOUR, Array


def pick(rng: np.random.Generator, weights: Array, size: int) -> Array:
    """Positions drawn with probability proportional to `weights`, shape (size,)."""
    cumulative = np.cumsum(weights)
    at = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
    return np.asarray(np.minimum(at, len(weights) - 1))


def pick_rows(rng: np.random.Generator, weights: Array, row: Array) -> Array:
    """One column for each `row` of a matrix of weights, in proportion to that row."""
    cumulative = np.cumsum(weights, axis=1)
    cumulative /= cumulative[:, -1:]
    u = rng.random(len(row))
    at = np.zeros(len(row), np.int64)
    for column in range(weights.shape[1] - 1):
        at += u >= cumulative[row, column]
    return at


def waiting(
    rng: np.random.Generator, median_hours: Array | float, sd: float, cap_hours: float, size: int
) -> Array:
    """Microseconds of waiting, log-normal around the median, at most the cap."""
    hours = median_hours * np.exp(sd * rng.standard_normal(size))
    return (np.minimum(hours, cap_hours) * HOUR).astype(np.int64)


def between(rng: np.random.Generator, low_hours: float, high_hours: float, size: int) -> Array:
    """Microseconds, uniform between two numbers of hours."""
    return ((low_hours + (high_hours - low_hours) * rng.random(size)) * HOUR).astype(np.int64)
