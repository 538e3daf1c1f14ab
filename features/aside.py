"""Results that wait on disk: rows of numbers in the fewest bytes that lose nothing.

Counts and sums are whole numbers, mostly small; as such they take a quarter of the disk, and of the
memory that the operating system keeps files in. A row that holds anything else stays float64.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from data.errors import StorageError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WHOLE: Final = tuple(
    np.dtype(t) for t in ("int8", "int16", "int32")
)  # their minimum stands for null
UNIT: Final = 8  # where a row may begin


@dataclass(frozen=True)
class Aside:
    """Result rows `rows` at the decisions `at`, ascending, in a file of our own.

    `kinds` says how each row is held.
    """

    path: Path
    rows: tuple[int, ...]
    at: Ints
    kinds: tuple[np.dtype[Any], ...]

    def into(self, matrix: Floats, lo: int, hi: int) -> None:
        """Put what it says of the decisions `[lo, hi)` into their block, shape (rows, hi - lo)."""
        a, b = np.searchsorted(self.at, [lo, hi])
        if a == b:
            return
        place = self.at[a:b] - lo
        for row, saved in zip(self.rows, self._saved(), strict=True):
            _spread(saved[a:b], _null(saved.dtype), place, matrix[row])

    def _saved(self) -> Iterator[NDArray[Any]]:
        raw, begin = np.asarray(np.memmap(self.path, np.uint8, "r")), 0
        for kind in self.kinds:
            end = begin + kind.itemsize * len(self.at)
            yield raw[begin:end].view(kind)
            begin = end + -end % UNIT


def put_aside(values: Floats, rows: tuple[int, ...], at: Ints, path: Path) -> Aside:
    """Write result rows, shape (len(rows), len(at)), to be used once.

    Raises
    ------
    StorageError : the disk is full.
    """
    kinds = tuple(_kind(row) for row in values)
    try:
        with path.open("wb") as file:
            for row, kind in zip(values, kinds, strict=True):
                saved = row
                if kind in WHOLE:
                    saved = np.empty(len(row), kind)
                    _narrow(row, saved, _null(kind))
                file.write(saved.data)
                file.write(bytes(-saved.nbytes % UNIT))
    except OSError as e:
        what = f"cannot write what waits to be joined: {e.strerror or e}"
        raise StorageError(what, where=str(path.parent), fix="free some space there") from e
    return Aside(path, rows, at, kinds)


def _null(kind: np.dtype[Any]) -> float:
    return float(np.iinfo(kind).min) if kind in WHOLE else np.nan


def _kind(row: Floats) -> np.dtype[Any]:
    low, high = _extent(row)
    for kind in WHOLE:
        if np.iinfo(kind).min < low and high <= np.iinfo(kind).max:
            return kind
    return row.dtype


@njit(cache=True, nogil=True)
def _extent(row: Floats) -> tuple[float, float]:
    """Smallest and largest of whole numbers and nulls; no bounds for anything else."""
    low = high = 0.0
    for v in row:
        if v == v:
            if v != math.floor(v) or (v == 0 and math.copysign(1.0, v) < 0):
                return -math.inf, math.inf
            low, high = min(low, v), max(high, v)
    return low, high


@njit(cache=True, nogil=True)
def _narrow(row: Floats, saved: NDArray[Any], null: float) -> None:
    for i in range(row.size):
        saved[i] = null if row[i] != row[i] else int(row[i])


@njit(cache=True, nogil=True)
def _spread(saved: NDArray[Any], null: float, place: Ints, row: Floats) -> None:
    for i in range(saved.size):
        row[place[i]] = np.nan if saved[i] == null else saved[i]
