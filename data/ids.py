"""The event ids of each part as sorted 64-bit hashes: what tells in no time that an id is new.

A hash that is not there proves an id new; one that is there may be another id's, so whoever finds
it looks at the ids themselves.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

from data.sources import reading

Hashes = NDArray[np.uint64]
_BASIS: Final = np.uint64(0xCBF29CE484222325)  # FNV-1a
_PRIME: Final = np.uint64(0x100000001B3)


def hashes(ids: pa.ChunkedArray) -> Hashes:
    """One hash per id (no nulls), the same on every machine; integers are their own."""
    if pa.types.is_integer(ids.type):
        return np.asarray(ids.cast(pa.int64()).to_numpy(), np.int64).view(np.uint64)
    found = [_of_texts(chunk) for chunk in plain(ids).chunks]
    return np.concatenate([np.empty(0, np.uint64), *found])


def plain(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Ids in the one form in which they are compared: integers, or texts without a dictionary."""
    return ids if pa.types.is_integer(ids.type) else ids.cast(pa.large_string())


def present(path: Path, asked: Hashes) -> NDArray[np.bool_]:
    """Which of the hashes a part's file holds; a row group of it is in memory at one time."""
    order = np.argsort(asked)
    found, asked = np.zeros(len(asked), bool), asked[order]
    with reading(str(path)):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        for group in range(file.num_row_groups):
            held = file.read_row_group(group, use_threads=False).column(0).to_numpy()
            a, b = np.searchsorted(asked, held[0]), np.searchsorted(asked, held[-1], "right")
            found[order[a:b]] |= held[np.searchsorted(held, asked[a:b])] == asked[a:b]
    return found


def _of_texts(texts: pa.Array) -> Hashes:
    found = np.empty(len(texts), np.uint64)
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    _fnv(np.frombuffer(data or b"", np.uint8), ends, found)
    return found


@njit(cache=True, nogil=True)
def _fnv(data: Any, ends: Any, found: Any) -> None:
    for i in range(found.size):
        h = _BASIS
        for j in range(ends[i], ends[i + 1]):
            h = (h ^ data[j]) * _PRIME
        found[i] = h
