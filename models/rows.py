"""The order of training rows: by content, so that the order they arrive in does not matter.

In: an encoded matrix and what else tells rows apart. Out: positions of the distinct rows and
their summed weights. Equal rows become one: a row of weight 2 *is* the row twice, exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.encode import Matrix

Key = NDArray[np.uint64]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


@dataclass(frozen=True)
class DistinctRows:
    """One row of each content, ordered by a seeded hash.

    `rows` are positions; `weight` is the sum over equal rows; rows of one `cell` have equal
    features, whatever else tells them apart; cells are numbered in hash order.
    """

    rows: NDArray[np.int64]
    weight: NDArray[np.float64]
    cell: NDArray[np.int64]


def distinct_rows(
    matrix: Matrix, weight: NDArray[np.float64], *also: NDArray[np.generic], seed: int = 0
) -> DistinctRows:
    """Find the distinct rows of a matrix.

    Parameters
    ----------
    weight : at least 0, one above 0; rows of weight 0 are left out.
    also : further arrays of 8-byte values that tell rows apart (target, time, group).
    """
    rows = np.flatnonzero(weight > 0)
    cells = content_keys(matrix, seed=seed)
    keys = cells.copy()
    for values in also:
        _mix(keys, np.ascontiguousarray(values).view(np.uint64))
    # The weight breaks ties, so that sums of fractions do not depend on the order of arrival.
    rows = rows[np.lexsort((weight[rows], keys[rows]))]
    first = np.flatnonzero(np.append(True, np.diff(keys[rows]) != 0))
    total = np.add.reduceat(weight[rows], first)
    rows = rows[first]
    return DistinctRows(rows, total, np.unique(cells[rows], return_inverse=True)[1])


def content_keys(matrix: Matrix, seed: int = 0) -> Key:
    """A 64-bit hash of each row; equal rows (0.0 and -0.0, any two NaN) have equal keys."""
    keys = np.full(len(matrix), seed * 2 + 1, np.uint64)
    for column in matrix.T:
        bits = (column + np.float32(0)).view(np.uint32)
        bits[np.isnan(column)] = 0x7FC00000
        _mix(keys, bits)
    return keys


def take(matrix: Matrix, rows: NDArray[np.int64]) -> Matrix:
    """A column-major copy of `matrix[rows]`."""
    out = np.empty((rows.size, matrix.shape[1]), np.float32, order="F")
    for j, column in enumerate(matrix.T):
        out[:, j] = column[rows]
    return out


def take_in_place(matrix: Matrix, rows: NDArray[np.int64]) -> Matrix:
    """`matrix[rows]` in the memory of `matrix` (column-major), which is used up.

    A second copy of a million rows by 250 columns would cost a gigabyte; column j of the result
    ends before column j of the source begins, so that nothing unread is overwritten.
    """
    n, columns = matrix.shape
    buffer = matrix.reshape(-1, order="F")
    for j in range(columns):
        buffer[j * rows.size : (j + 1) * rows.size] = buffer[j * n : (j + 1) * n][rows]
    return buffer[: rows.size * columns].reshape((rows.size, columns), order="F")


def _mix(keys: Key, bits: NDArray[np.unsignedinteger]) -> None:
    keys ^= bits
    keys *= _ODD
    keys ^= keys >> _HALF
