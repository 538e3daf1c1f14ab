"""Figures of a ranking as steps: cumulative sums over the distinct scores, riskiest first.

In: sums that begin with 0 and grow by a step a distinct score (`steps`). Out: one number. Rows of
one score are one step, so no figure depends on the order of the rows; steps of weight 0 change
nothing, so that a bootstrap may sort once and change the weights.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

BINS = 15  # of equal weight, for what is told by bins


def ranked(p: Floats) -> tuple[Rows, Rows]:
    """The order of the rows, riskiest first, and the last place of each step in that order."""
    order = np.argsort(-p, kind="stable")
    ordered = p[order]
    return order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def steps(p: Floats, *amounts: Floats) -> tuple[Floats, ...]:
    """Cumulative sums of the amounts over the distinct scores, each beginning with 0."""
    order, last = ranked(p)
    return tuple(summed(amount[order], last) for amount in amounts)


def summed(ordered: Floats, last: Rows) -> Floats:
    """Cumulative sums at the end of each step of an amount that stands in order."""
    return np.append(0.0, np.cumsum(ordered)[last])


def area(bad: Floats, good: Floats) -> float:
    """AUC: the chance that a bad case stands before a good one; a tie counts half."""
    if bad[-1] <= 0 or good[-1] <= 0:
        return float("nan")
    return float(np.diff(good) @ (bad[1:] + bad[:-1])) / float(2 * bad[-1] * good[-1])


def mean_precision(bad: Floats, every: Floats) -> float:
    """Average precision over the steps of recall."""
    if bad[-1] <= 0:
        return float("nan")
    seen = every[1:] > 0
    return float(np.diff(bad)[seen] @ (bad[1:][seen] / every[1:][seen]) / bad[-1])


def widest_gap(bad: Floats, good: Floats) -> float:
    """The largest distance of the two classes' distributions (Kolmogorov-Smirnov)."""
    if bad[-1] <= 0 or good[-1] <= 0:
        return float("nan")
    return float(np.abs(bad / bad[-1] - good / good[-1]).max())


def captured(lost: Floats, every: Floats, share: float) -> float:
    """Share of an amount in the first `share` of the rows; a step that is cut counts in part."""
    if lost[-1] <= 0:
        return float("nan")
    return float(np.interp(share * every[-1], every, lost) / lost[-1])


def binned(every: Floats, *sums: Floats, bins: int = BINS) -> tuple[Floats, ...]:
    """Weight and sums of bins of equal weight; a step is never parted."""
    edge = np.unique(np.searchsorted(every, np.linspace(0, every[-1], bins + 1), side="left"))
    return tuple(np.diff(amount[edge]) for amount in (every, *sums))


def binned_error(bad: Floats, expected: Floats, every: Floats, bins: int = BINS) -> float:
    """Mean absolute gap of expected and observed over bins of equal weight."""
    _, seen, told = binned(every, bad, expected, bins=bins)
    return float(np.abs(seen - told).sum() / every[-1])


def chance_error(square: Floats, every: Floats, bins: int = BINS) -> float:
    """What `binned_error` of right probabilities is on average: no model can be much below it.

    Parameters
    ----------
    square : cumulative sums of p (1 - p), the variance of the bad cases seen.
    """
    _, spread = binned(every, square, bins=bins)
    return float(np.sqrt(2 / np.pi) * np.sqrt(spread).sum() / every[-1])


def brier_parts(
    bad: Floats, expected: Floats, every: Floats, bins: int = BINS
) -> tuple[float, float, float]:
    """Murphy's reliability, resolution and uncertainty of the probabilities' means by bin.

    reliability - resolution + uncertainty is exactly the Brier score of these means; what the
    Brier score of the probabilities themselves differs by is the spread inside the bins.
    """
    weight, seen, told = binned(every, bad, expected, bins=bins)
    weight, seen, told = weight[weight > 0], seen[weight > 0], told[weight > 0]
    rate, base = seen / weight, float(bad[-1] / every[-1])
    reliability = float(weight @ (told / weight - rate) ** 2 / every[-1])
    resolution = float(weight @ (rate - base) ** 2 / every[-1])
    return reliability, resolution, base * (1 - base)
