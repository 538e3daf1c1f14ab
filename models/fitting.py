"""What both estimators do in `fit`: order the rows, hold some out, train on the rest.

In: a checked table, a float target, weights, and what says which rows are held out. Out: the
booster with the held-out rows' raw scores, on which the estimator calibrates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError, UsageError
from models.boosting import Params, boost, check_params, check_signs, raw_scores
from models.encode import Encoding, Matrix, Table, encode, learn_encoding
from models.inputs import check_lengths
from models.rows import distinct_rows, take, take_in_place
from models.split import NO_GAP, check_slice, latest_rows, microseconds

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
FEWEST_GROUPS = 2


@dataclass(frozen=True)
class Settings:
    """How to fit.

    `share` 0 holds nothing out; with times, `refit` and several `folds` all rows are held out, a
    slice of time each, and the share says which are late; `refit` trains once more on all rows;
    `stratify` keeps both classes in each slice; `relative` weights (amounts) are scaled to a mean
    of 1.
    """

    objective: str
    params: Params | None
    monotone: Mapping[str, int] | None
    share: float
    folds: int
    gap: timedelta | None
    refit: bool
    stratify: bool
    relative: bool
    seed: int
    num_threads: int


@dataclass(frozen=True)
class Fitted:
    """`centre`: median of each column's known values. `raw`, `y`, `weight`: the held-out rows.

    `rows` are their positions in the table, one of equal rows. `raw` is what trees say that have
    not seen the row, those of slice `part`; `final` what the booster says, which has if it was
    refitted. `late`: the rows whose level counts.
    """

    booster: lgb.Booster
    encoding: Encoding
    signs: tuple[int, ...]
    centre: Floats
    rows: Rows
    raw: Floats
    part: Rows
    final: Floats
    late: NDArray[np.bool_]
    y: Floats
    weight: Floats
    n_fit: int


@dataclass(frozen=True)
class _Ordered:
    """Distinct rows in hash order: `matrix[rows[i]]` is row i of the rest; `n_rows` came in."""

    matrix: Matrix
    rows: Rows
    cell: Rows
    y: Floats
    weight: Floats
    us: NDArray[np.int64] | None
    codes: NDArray[np.int64] | None
    n_rows: int


def fit_held_out(
    X: Table,
    y: Floats,
    weight: Floats,
    groups: ArrayLike | None,
    times: Any,
    settings: Settings,
) -> Fitted:
    """Train on the rows that are not held out; only the content of the rows decides, not order."""
    params = check_params(settings.params)
    if not isinstance(settings.gap or NO_GAP, timedelta):
        fix = "give a timedelta: gap=timedelta(days=60)"
        raise UsageError(f"gap={settings.gap!r}", where="gap", fix=fix)
    encoding = learn_encoding(X)
    signs = check_signs(settings.monotone, encoding)
    data = _order(encode(encoding, X), y, weight, groups, times, settings)
    slices = _slices(data, settings)
    refit = settings.refit and slices[0][0].size < data.rows.size
    apart = [take(data.matrix, data.rows[held]) for _, held in slices]

    def train(part: Matrix, at: Rows) -> lgb.Booster:
        return boost(
            part,
            data.y[at],
            data.weight[at],
            objective=settings.objective,
            params=params,
            encoding=encoding,
            signs=signs,
            seed=settings.seed,
            num_threads=settings.num_threads,
        )

    scores = []
    for (fit, _), rows in zip(slices, apart, strict=True):
        matrix = (take if refit else take_in_place)(data.matrix, data.rows[fit])
        booster = train(matrix, fit)
        scores.append(raw_scores(booster, rows, settings.num_threads))
    raw = np.concatenate(scores)
    held = np.concatenate([held for _, held in slices])
    final = raw
    if refit:
        matrix = take_in_place(data.matrix, data.rows)
        booster = train(matrix, np.arange(data.rows.size))
        final = np.concatenate([raw_scores(booster, rows, settings.num_threads) for rows in apart])
    return Fitted(
        booster,
        encoding,
        signs,
        _centre(matrix),
        data.rows[held],
        raw,
        np.repeat(np.arange(len(slices)), [held.size for _, held in slices]),
        final,
        _latest(data, held, settings),
        data.y[held],
        data.weight[held],
        int(slices[-1][0].size),
    )


def _order(
    matrix: Matrix,
    y: Floats,
    weight: Floats,
    groups: ArrayLike | None,
    times: Any,
    settings: Settings,
) -> _Ordered:
    us = None if times is None else microseconds(times)
    codes = None if groups is None else _group_codes(groups)
    check_lengths(len(matrix), times=us, groups=codes)
    also = [a.astype(np.int64) for a in (us, codes) if a is not None]
    distinct = distinct_rows(matrix, weight, y + 0.0, *also, seed=settings.seed)
    rows = distinct.rows
    scale = rows.size / distinct.weight.sum() if settings.relative else 1.0
    return _Ordered(
        matrix,
        rows,
        distinct.cell,
        y[rows],
        distinct.weight * scale,
        None if us is None else us[rows],
        None if codes is None else codes[rows],
        int(np.count_nonzero(weight)),
    )


def _group_codes(groups: Any) -> NDArray[np.int64]:
    values = np.asarray(groups)
    if values.ndim != 1:
        fix = "give one column of ids: groups=table['user_id']"
        raise ContractError(f"groups have the shape {values.shape}", where="groups", fix=fix)
    return np.asarray(pd.factorize(values, sort=True)[0], np.int64)


def _slices(data: _Ordered, settings: Settings) -> list[tuple[Rows, Rows]]:
    """Pairs of rows to fit and rows to calibrate; one, or all rows in slices of time.

    A slice is scored by trees of everything that is further away than the gap, before and after:
    nearly as many rows as the final trees see, so that the curve that fits them fits those too.
    Trees of the past alone know less of their slice, and their curve is too flat for better ones.
    """
    if settings.folds < 1:
        raise UsageError(f"calibration_folds={settings.folds}", fix="give 1 or more")
    if settings.folds == 1 or data.us is None or not settings.share:
        return [_hold_out(data, settings)]
    if not settings.refit:
        fix = "with several slices no single one of the fitted trees has seen all rows"
        raise UsageError("calibration_folds without refit", fix=f"pass refit=True: {fix}")
    order = np.argsort(data.us, kind="stable")
    target = data.y if settings.stratify else None
    gap = int((settings.gap or NO_GAP) / timedelta(microseconds=1))
    slices: list[tuple[Rows, Rows]] = []
    for part in np.array_split(order, settings.folds):
        if not part.size:
            continue
        first, last = data.us[part[0]], data.us[part[-1]]
        fit = np.flatnonzero((data.us < first - gap) | (data.us > last + gap))
        if fit.size and (target is None or np.ptp(target[fit]) > 0):
            slices.append((fit, np.sort(part)))  # a slice with nothing far enough away is left out
    check_slice("fit", slices[0][0] if slices else order[:0], target)
    check_slice("calibrate", np.concatenate([part for _, part in slices]), target)
    return slices


def _latest(data: _Ordered, held: Rows, settings: Settings) -> NDArray[np.bool_]:
    """Which of the held-out rows are of the latest share; all of them without times."""
    if data.us is None or not settings.share:
        return np.ones(held.size, np.bool_)
    times = data.us[held]
    return np.asarray(times >= np.quantile(data.us, 1 - settings.share, method="higher"))


def _hold_out(data: _Ordered, settings: Settings) -> tuple[Rows, Rows]:
    """Rows to fit and rows to calibrate: the latest, else whole groups, else a share of each class.

    With times the order in time alone decides: known users come back in production too, and a
    slice of strangers only would calibrate for another population. Rows of equal features are
    never parted, else the model would have seen what it calibrates on. A table of few different
    rows (10 of each and more) cannot hide its noise in the trees: there all rows calibrate, since
    holding out whole cells would leave holes instead.
    """
    y, us, codes, cell = data.y, data.us, data.codes, data.cell
    every = np.arange(y.size)
    if not 0 <= settings.share < 1:
        raise UsageError(f"calibration_share={settings.share}", fix="give a share in [0, 1)")
    if not settings.share:
        fit, held = every, every[:0]
    elif us is not None:
        fit, held = latest_rows(us, settings.share, settings.gap or NO_GAP)
    elif codes is not None:
        held = _whole_groups(codes, settings)
        fit = np.setdiff1d(every, held)
    else:
        strata = y if settings.stratify else np.zeros_like(y)
        few = data.n_rows >= 10 * (cell.max() + 1)
        fit, held = (every, every) if few else _share_of_cells(strata, cell, settings.share)
    target = y if settings.stratify else None
    check_slice("fit", fit, target)
    if settings.share:
        check_slice("calibrate", held, target)
    return fit, held


def _share_of_cells(strata: Floats, cell: Rows, share: float) -> tuple[Rows, Rows]:
    """The first cells of each stratum are held out; in hash order the first are any.

    A cell is of the highest stratum in it. The only cell of a stratum is on both sides: nothing
    honest can be said of it anyway.
    """
    stratum = np.full(cell.max() + 1, -np.inf)
    np.maximum.at(stratum, cell, strata)
    fit, held = np.ones(stratum.size, bool), np.zeros(stratum.size, bool)
    for value in np.unique(stratum):
        cells = np.flatnonzero(stratum == value)
        count = min(int(np.ceil(share * cells.size)), max(cells.size - 1, 1))
        held[cells[:count]] = True
        fit[cells[:count]] = cells.size == 1
    return np.flatnonzero(fit[cell]), np.flatnonzero(held[cell])


def _whole_groups(codes: NDArray[np.int64], settings: Settings) -> Rows:
    """Rows of randomly chosen groups, until their share is reached; null groups stay to fit."""
    sizes = np.bincount(codes[codes >= 0])
    if sizes.size + bool((codes < 0).any()) < FEWEST_GROUPS or not sizes.size:
        raise ContractError(
            f"{sizes.size} group(s); one is fitted and another is calibrated on",
            where="groups",
            fix=f"give at least {FEWEST_GROUPS} users, or leave groups out",
        )
    order = np.random.default_rng(settings.seed).permutation(sizes.size)
    enough = int(np.searchsorted(np.cumsum(sizes[order]), settings.share * codes.size)) + 1
    return np.flatnonzero(np.isin(codes, order[:enough]))


def _centre(matrix: Matrix) -> Floats:
    """Medians of the first rows, which hash order makes a random sample; NaN if none is known."""
    sample = matrix[:10_000]
    known = [column[~np.isnan(column)] for column in sample.T]
    return np.array([np.median(k) if k.size else np.nan for k in known], np.float64)
