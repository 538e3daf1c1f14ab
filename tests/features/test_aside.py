"""What is put aside comes back as it was, in few bytes where it is whole."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from features.aside import put_aside

WHOLE = st.one_of(st.integers(-(2**40), 2**40).map(float), st.integers(-200, 200).map(float))
CELLS = st.one_of(WHOLE, st.just(float("nan")), st.floats())
ROWS = st.one_of(st.lists(WHOLE, max_size=9), st.lists(CELLS, max_size=9))


def back(values: np.ndarray, at: np.ndarray, n: int, block: int) -> tuple[np.ndarray, int]:
    """The rows as they come back, in blocks of `n` decisions, and the size of the file."""
    out = np.full((len(values), n), 7.5)
    with TemporaryDirectory() as folder:
        rows = tuple(reversed(range(len(values))))
        aside = put_aside(values, rows, at, Path(folder) / "0.0")
        for lo in range(0, n, block):
            aside.into(out[:, lo : lo + block], lo, min(lo + block, n))
        return out[::-1], aside.path.stat().st_size


@given(ROWS, st.integers(1, 5))
@example([-0.0], 1)
@example([float("inf"), float("-inf"), float("nan")], 1)
@example([-128.0, 127.0, float("nan")], 1)
@example([2.0**31, 1.0], 1)
def test_every_cell_comes_back(cells: list[float], block: int) -> None:
    row = np.array(cells, np.float64)
    values = np.stack([row, np.arange(len(row)) / 3, np.full(len(row), 40_000.0)])
    at = np.arange(len(row), dtype=np.int64) * 2 + 1
    found, _ = back(values, at, 2 * len(row) + 1, block)
    assert np.array_equal(found[:, at], values, equal_nan=True)
    known = ~np.isnan(values)
    assert np.array_equal(np.signbit(found[:, at][known]), np.signbit(values[known]))
    assert (np.delete(found, at, axis=1) == 7.5).all()


@pytest.mark.parametrize(("largest", "size"), [(127, 1), (128, 2), (32_768, 4), (2**31, 8)])
def test_whole_numbers_take_few_bytes(largest: int, size: int) -> None:
    row = np.array([np.nan, 0, largest, 3, 4, 5, 6, 7], np.float64)
    assert back(row[None], np.arange(8), 8, 8)[1] == 8 * size
