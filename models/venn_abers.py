"""Inductive Venn-Abers: what isotonic regression says of a score if its outcome were known.

In: scores, outcomes and weights of held-out rows. Out: for every score there can be, p0 and p1:
the isotonic probability of a further row of weight 1 at that score whose outcome is 0, or 1. Both
are step functions of the score, computed for all scores at once.

Vovk, Petej and Fedorova (2015), Large-scale probabilistic predictors with and without guarantees of
validity. Isotonic regression is the lower convex hull of the cumulated outcomes: a further row
moves all points behind it by (1, outcome), and its probability is the slope of the bridge between
the hull before it and the hull behind it.
"""

import numba as nb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def venn_abers(raw: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """The distinct scores x, shape (k,), ascending, and p0 and p1, shape (2k + 1,).

    Place 2i + 1 is a row at `x[i]` itself, place 2i one between `x[i - 1]` and `x[i]`.
    """
    x, back = np.unique(raw, return_inverse=True)
    total = np.append(0.0, np.cumsum(np.bincount(back, weight)))
    bad = np.append(0.0, np.cumsum(np.bincount(back, weight * y)))
    return x, _slopes(total, bad, 0.0), _slopes(total, bad, 1.0)


def step_of(x: Floats, raw: Floats) -> NDArray[np.int64]:
    """The place of each score in the steps over `x`."""
    return np.asarray(np.searchsorted(x, raw, "left") + np.searchsorted(x, raw, "right"))


def merged(p0: Floats, p1: Floats) -> Floats:
    """One probability of the two: of least regret in log loss, whichever of them is right."""
    return p1 / (1 - p0 + p1)


def fewest_steps(x: Floats, p: Floats) -> tuple[Floats, Floats]:
    """The same step function without the scores at which nothing changes."""
    kept = (p[0:-2:2] != p[1::2]) | (p[1::2] != p[2::2])
    inner = np.column_stack([p[1::2], p[2::2]])[kept]
    return x[kept], np.append(p[0], inner.ravel())


@nb.njit(cache=True)
def _bridge(
    total: Floats, bad: Floats, outcome: float, before: NDArray[np.int64], top: int,
    after: NDArray[np.int64], right: int,
) -> float:  # fmt: skip
    """Walk both ends outwards until the hull before, the bridge and the hull behind are convex."""
    left = before[top]
    while True:
        wide = total[right] + 1.0 - total[left]
        high = bad[right] + outcome - bad[left]
        if top > 0:
            far = before[top - 1]
            if (bad[left] - bad[far]) * wide > high * (total[left] - total[far]):
                top -= 1
                left = far
                continue
        far = after[right]
        if far >= 0 and (bad[far] - bad[right]) * wide < high * (total[far] - total[right]):
            right = far
            continue
        return float(high / wide)


@nb.njit(cache=True)
def _slopes(total: Floats, bad: Floats, outcome: float) -> Floats:
    """The bridge's slope for a further row at every place; points (total, bad) begin with 0, 0."""
    n = total.size
    after = np.full(n, -1, np.int64)  # the hull from a point to the end: the next vertex
    for i in range(n - 2, -1, -1):
        j = i + 1
        while after[j] >= 0 and (bad[j] - bad[i]) * (total[after[j]] - total[j]) >= (
            bad[after[j]] - bad[j]
        ) * (total[j] - total[i]):
            j = after[j]
        after[i] = j
    before = np.empty(n, np.int64)  # the hull from the first point to i, the last vertex on top
    top = -1
    slopes = np.empty(2 * n - 1)
    for i in range(n):
        if i > 0:  # a row at the score of step i: the hull before it ends at point i - 1
            slopes[2 * i - 1] = _bridge(total, bad, outcome, before, top, after, i)
        while top > 0 and (bad[before[top]] - bad[before[top - 1]]) * (
            total[i] - total[before[top]]
        ) >= (bad[i] - bad[before[top]]) * (total[before[top]] - total[before[top - 1]]):
            top -= 1
        top += 1
        before[top] = i
        slopes[2 * i] = _bridge(total, bad, outcome, before, top, after, i)
    return slopes
