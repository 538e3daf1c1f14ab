"""Bins of one characteristic, and what evidence each of them is.

In: one encoded column (numbers, or codes of categories; NaN is a null) and outcomes. Out: `Bins`,
plain numbers. Where the cuts lie is `optbinning`'s answer (Navas-Palencia 2020: the bins of highest
information value that are monotone and not too small); a null is a bin of its own.
"""

import contextlib
import io
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PREBINS = 10  # a characteristic has a few bins, and the search is quick with few to start from
RARE = 0.01  # share of the rows below which a category is one of "the rest"
DOUBT = 0.5  # rows added to each class of a bin, so that none is certain


@dataclass(frozen=True)
class Bins:
    """`cuts` part numbers, `group` is the bin of each category's code where `text`.

    `bad`, `good` : share of each class in each bin; the last bin is null.
    """

    text: bool
    cuts: tuple[float, ...]
    group: tuple[int, ...]
    bad: Floats
    good: Floats

    @property
    def null(self) -> int:
        """The bin of nulls, and of categories that were not seen."""
        return max(self.group, default=-1) + 1 if self.text else len(self.cuts) + 1


def fit_bins(values: Floats, y: Floats, weight: Floats, *, text: bool) -> Bins:
    """Cut one column.

    Parameters
    ----------
    values : numbers, or codes 0, 1, ... where `text`. y : 0 or 1. weight : above 0.
    """
    known = ~np.isnan(values)
    common = _common(values[known], weight[known]) if text else values[known]
    splits = _splits(common, y[known], weight[known], text)
    cuts = () if text else tuple(float(s) for s in splits)
    group = np.zeros(int(values[known].max()) + 1 if text and known.any() else 0, np.int64)
    for number, codes in enumerate(splits if text else ()):
        group[values[known][np.isin(common, codes)].astype(np.int64)] = number
    bins = Bins(text, cuts, tuple(group.tolist()), y[:0], y[:0])
    at, size = place(bins, values), bins.null + 1
    bad, good = (np.bincount(at, weight * c, size) + DOUBT for c in (y, 1 - y))
    return replace(bins, bad=bad / bad.sum(), good=good / good.sum())


def place(bins: Bins, values: Floats) -> NDArray[np.int64]:
    """The bin of each value."""
    null = np.isnan(values)
    if not bins.text:
        return np.where(null, bins.null, np.searchsorted(bins.cuts, values, side="right"))
    group = np.array((*bins.group, bins.null))
    code = np.where(null | (values >= len(bins.group)), len(bins.group), values)
    return group[code.astype(np.int64)]


def woe(bins: Bins, values: Floats) -> Floats:
    """Weight of evidence of each value: log of the good's over the bad's share in its bin."""
    return np.asarray(np.log(bins.good / bins.bad)[place(bins, values)], np.float64)


def information_value(bins: Bins) -> float:
    """How far the two classes lie apart over the bins, in nats."""
    return float((bins.good - bins.bad) @ np.log(bins.good / bins.bad))


def _common(codes: Floats, weight: Floats) -> Floats:
    """The codes, with one code for all rare categories: of a few rows each, a rate is luck."""
    total = np.bincount(codes.astype(np.int64), weight)
    rare = total < RARE * total.sum()
    return np.where(rare[codes.astype(np.int64)], float(total.size), codes)


def _splits(values: Floats, y: Floats, weight: Floats, text: bool) -> Any:
    if np.unique(values).size < 2 or not 0 < y.sum() < y.size:
        return []
    binning = _optimal_binning()(
        dtype="categorical" if text else "numerical",
        max_n_prebins=PREBINS,
        monotonic_trend="auto_asc_desc",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        binning.fit(values, y.astype(np.int64), sample_weight=weight)
    return binning.splits


def _optimal_binning() -> Any:
    """The class; what its solvers print when they find no licence or rival is nobody's news."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        from optbinning import OptimalBinning
    return OptimalBinning
