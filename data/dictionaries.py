"""The values behind the codes of a ledger folder: append-only, in the order of first sight.

A column's values stand in `dict/<column>-<n>.parquet`, one file per part that brought new ones,
each sorted in itself; a code is a position in all of them together, and never changes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.encode import index_of
from data.folder import Manifest
from data.ledger import NULL_CODE
from data.sources import reading

Codes = NDArray[np.int32]


def read_values(folder: Path, manifest: Manifest, name: str) -> pa.ChunkedArray:
    """The values of a coded column, in the order of the codes; none of an unknown one."""
    files = manifest.dictionary(name)
    if not files:
        kind = manifest.columns.get(name, {}).get("type")
        return pa.chunked_array([], pa.bool_() if kind == "bool" else pa.large_string())
    return pa.concat_tables([_read_whole(folder / f) for f in files]).column(0)


def _read_whole(path: Path) -> pa.Table:
    """A file of one column; ten times as fast as pyarrow's `read_table` where it is small."""
    with reading(str(path)):
        return pq.ParquetFile(path, page_checksum_verification=True).read(use_threads=False)


def read_dictionary(
    folder: Path, manifest: Manifest, name: str
) -> "tuple[pd.Index[Any], Codes | None]":
    """The values of a coded column as a ledger in memory has them, and codes in place of codes.

    The words of a column are sorted, for categories stand in their order: where they do not stand
    so, `codes[old]` is the new code, `codes[-1]` that of null. Ids stay as they are; nothing may
    depend on their order.
    """
    values = index_of(read_values(folder, manifest, name))
    if manifest.columns[name]["type"] == "key" or len(manifest.dictionary(name)) < 2:
        return values, None
    order = np.argsort(values.to_numpy(), kind="stable")
    codes = np.full(len(values) + 1, NULL_CODE, np.int32)
    codes[order] = np.arange(len(values), dtype=np.int32)
    return values[order], codes


def learnt(stored: pa.ChunkedArray, values: pa.Array) -> tuple[Codes, pa.Array]:
    """Codes of distinct `values` (and of null, in the last place), and those that are new.

    The few are hashed and the many looked up in them, so that no large hash table is made.
    """
    codes = np.full(len(values) + 1, NULL_CODE, np.int32)
    start = 0
    for chunk in stored.chunks:
        at = pc.index_in(chunk, value_set=values.cast(chunk.type))
        found = np.flatnonzero(at.is_valid().to_numpy(zero_copy_only=False))
        codes[at.drop_null().to_numpy()] = start + found
        start += len(chunk)
    new = np.flatnonzero(codes[:-1] == NULL_CODE)
    codes[new] = start + np.arange(len(new), dtype=np.int32)
    return codes, values.take(pa.array(new))
