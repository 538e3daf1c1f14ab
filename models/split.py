"""Splits in time: fit | gap | calibrate | gap | evaluate, and walk-forward folds.

In: the decision time of each row, and what must not be shared. Out: row positions, ascending.
A gap is as long as the label's horizon: a label of the earlier slice must have been known before
the later slice begins. What a label is, and which rows are matured, is the caller's matter.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError, UsageError

Rows = NDArray[np.int64]
NO_GAP = timedelta(0)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Split:
    """Row positions of the three slices, each ascending; gaps and set-aside rows are in none."""

    fit: Rows
    calibrate: Rows
    evaluate: Rows


def time_split(
    times: Any,
    *,
    calibrate: float = 0.2,
    evaluate: float = 0.2,
    gap: timedelta = NO_GAP,
    groups: ArrayLike | None = None,
    y: ArrayLike | None = None,
    random_state: int = 0,
) -> Split:
    """Order in time: the latest rows evaluate, those before them calibrate, the first fit.

    Parameters
    ----------
    times : decision times, datetimes or microseconds.
    calibrate, evaluate : shares of all rows, counted before the gaps are cut out; rows of one
        moment stay together. A share of 0 leaves the slice empty.
    gap : rows closer than this before the next slice are set aside.
    groups : users that may not stand in both (fit or calibrate) and evaluate. Of the users that
        would, a share of `evaluate` (by a stable hash) keeps its evaluation rows and the others
        their earlier rows.
    y : 0/1 target; each slice that is not empty must then hold both classes.

    Raises
    ------
    ContractError : a slice asked for has no rows, or one class.
    """
    us = microseconds(times)
    _check_shares(calibrate, evaluate)
    third = _latest(us, evaluate)
    second = min(_latest(us, calibrate + evaluate), third)
    gap_us = gap // MICROSECOND
    early = np.flatnonzero(us < second - (gap_us if calibrate + evaluate else 0))
    middle = np.flatnonzero((us >= second) & (us < third - (gap_us if evaluate else 0)))
    late = np.flatnonzero(us >= third)
    if groups is not None:
        first, late = keep_apart(np.union1d(early, middle), late, groups, evaluate, random_state)
        early, middle = np.intersect1d(early, first), np.intersect1d(middle, first)
    wanted = {"fit": (early, True), "calibrate": (middle, calibrate), "evaluate": (late, evaluate)}
    for name, (rows, share) in wanted.items():
        if share:
            check_slice(name, rows, y)
    return Split(early, middle, late)


def walk_forward(
    times: Any,
    *,
    folds: int = 4,
    span: timedelta = timedelta(days=30),
    gap: timedelta = NO_GAP,
    groups: ArrayLike | None = None,
    y: ArrayLike | None = None,
    random_state: int = 0,
) -> list[tuple[Rows, Rows]]:
    """Folds (fit rows, evaluation rows): the last `folds` spans, each after all that it fits on.

    Raises
    ------
    ContractError : a span without decisions, nothing left to fit before it, or one class of `y`.
    """
    us = microseconds(times)
    if folds < 1 or span <= NO_GAP:
        raise UsageError("walk-forward needs at least one fold and a span above zero")
    end, step = int(us.max()) + 1, span // MICROSECOND
    starts = (end - back * step for back in range(folds, 0, -1))
    given: dict[str, Any] = {"gap": gap, "groups": groups, "y": y, "random_state": random_state}
    return [time_fold(us, start, start + step, **given) for start in starts]


def time_fold(
    times: Any,
    start: int,
    stop: int,
    *,
    gap: timedelta = NO_GAP,
    groups: ArrayLike | None = None,
    y: ArrayLike | None = None,
    random_state: int = 0,
) -> tuple[Rows, Rows]:
    """Rows to fit on, and those of `start` <= time < `stop` (microseconds) to evaluate.

    Parameters
    ----------
    gap : rows closer than this before `start` are in neither.
    groups : users, or clusters of them, that may not stand on both sides; of those that would,
        half (by a stable hash) keeps its later rows and the others their earlier ones.
    y : 0/1 target; both sides must then hold both classes.

    Raises
    ------
    ContractError : no decisions to evaluate, nothing to fit before them, or one class of `y`.
    """
    us = microseconds(times)
    early = np.flatnonzero(us < start - gap // MICROSECOND)
    late = np.flatnonzero((us >= start) & (us < stop))
    where = f"{_day(start)} to {_day(stop)}"
    if not late.size:
        raise ContractError(
            "no decisions to evaluate on",
            where=f"fold {where}",
            fix="use fewer or longer folds, or look for the hole in the ledger",
        )
    if groups is not None:
        early, late = keep_apart(early, late, groups, 0.5, random_state)
    check_slice(f"fit (before {where})", early, y)
    check_slice(f"evaluate ({where})", late, y)
    return early, late


def latest_rows(times: Any, share: float, gap: timedelta = NO_GAP) -> tuple[Rows, Rows]:
    """The earlier rows, a gap, and the latest `share` of the rows."""
    split = time_split(times, calibrate=0.0, evaluate=share, gap=gap)
    return split.fit, split.evaluate


def keep_apart(
    early: Rows, late: Rows, groups: ArrayLike, share: float, random_state: int
) -> tuple[Rows, Rows]:
    """Drop rows so that no group is on both sides; null groups are nobody's and stay."""
    codes, values = pd.factorize(np.asarray(groups, dtype=object))
    both = np.intersect1d(codes[early], codes[late])
    both = both[both >= 0]
    hashes = pd.util.hash_array(values.astype(str), hash_key=f"{random_state:016d}"[:16])
    goes_late = hashes[both] / 2.0**64 < share
    early = early[~np.isin(codes[early], both[goes_late])]
    late = late[~np.isin(codes[late], both[~goes_late])]
    return early, late


def check_slice(name: str, rows: Rows, y: ArrayLike | None) -> None:
    """Refuse a slice without rows, or with a single class of `y`."""
    if not rows.size:
        raise ContractError(
            "no rows",
            where=f"slice {name}",
            fix="give a longer history, a shorter gap or another share",
        )
    if y is None:
        return
    classes = pd.unique(np.asarray(y)[rows])
    if len(classes) < 2:
        raise ContractError(
            f"only one class ({classes[0]}) among {rows.size} rows",
            where=f"slice {name}",
            fix="give a longer history or a larger share, so that both classes occur",
        )


def microseconds(times: Any) -> NDArray[np.int64]:
    """Times as int64 microseconds since 1970; integers are taken as they are.

    Raises
    ------
    ContractError : no rows, a missing time, or something that is no time.
    """
    if getattr(times, "ndim", 1) != 1:
        fix = "give one column: times=table['requested_ts']"
        raise ContractError(f"times have the shape {times.shape}", where="times", fix=fix)
    series: pd.Series[Any] = pd.Series(np.asarray(times) if isinstance(times, list) else times)
    if str(series.dtype).startswith("timestamp["):  # Arrow's own
        series = pd.Series(pd.DatetimeIndex(series))
    if not len(series):
        raise ContractError("no rows", where="times", fix="give at least one decision")
    if series.isna().any():
        raise ContractError("a decision has no time", where="times", fix="drop or repair the row")
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_datetime64_dtype(series.dtype):
        return series.to_numpy().astype("datetime64[us]").astype(np.int64)
    if pd.api.types.is_integer_dtype(series.dtype):
        return series.to_numpy(np.int64)
    raise ContractError(
        f"times are {series.dtype}",
        where="times",
        fix="give datetimes (pd.to_datetime(times, utc=True)) or int64 microseconds",
    )


def _latest(us: NDArray[np.int64], share: float) -> int:
    """The moment from which the latest `share` of the rows begins."""
    count = round(us.size * share)
    if not count:
        return int(us.max()) + 1
    return int(np.partition(us, us.size - count)[us.size - count])


def _check_shares(calibrate: float, evaluate: float) -> None:
    if calibrate < 0 or evaluate < 0 or calibrate + evaluate >= 1:
        raise UsageError(
            f"shares calibrate={calibrate} and evaluate={evaluate} leave nothing to fit",
            fix="both are at least 0 and sum to less than 1",
        )


def _day(us: int) -> str:
    return str(np.datetime64(us, "us").astype("datetime64[D]"))
