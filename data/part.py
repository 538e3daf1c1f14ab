"""The files of a ledger folder: columns into a part and its dictionaries, and back.

In a part, keys and texts are int32 codes (-1 null) with their values in `dict/`, times are
`timestamp[us, UTC]`, money is int64. Pages carry checksums, so a read verifies what it reads.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.encode import index_of
from data.errors import ContractError
from data.folder import Manifest, check_sizes
from data.ledger import NULL_TIME, Column
from data.sources import reading

_ROW_GROUP = 1 << 20
_KIND = {"key": "code", "text": "code", "bool": "code"}
_EMPTY = {"code": np.int32, "time": np.int64, "int": np.int64, "float": np.float64}
_TIME = pa.timestamp("us", tz="UTC")


def read_columns(folder: Path, manifest: Manifest, names: tuple[str, ...]) -> dict[str, Column]:
    """Row groups into columns allocated once, two at a time."""
    coded = [n for n in names if kind_of(manifest, n) == "code"]
    check_sizes(folder, manifest, (*manifest.parts, *(f"dict/{n}.parquet" for n in coded)))
    arrays = {n: np.empty(manifest.rows, _EMPTY[kind_of(manifest, n)]) for n in names}
    valid = {
        n: np.ones(manifest.rows, bool)
        for n in names
        if kind_of(manifest, n) == "int" and manifest.columns[n]["nulls"]
    }

    def read(job: tuple[Path, int, int, Any]) -> None:
        path, group, start, metadata = job
        file = pq.ParquetFile(path, metadata=metadata, page_checksum_verification=True)
        table = file.read_row_group(group, columns=list(names), use_threads=False)
        rows = slice(start, start + table.num_rows)
        for name in names:
            column = table.column(name)
            if name in valid:
                valid[name][rows] = column.is_valid().to_numpy()
            arrays[name][rows] = plain(column, kind_of(manifest, name))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, row_groups(folder, manifest)))
    return {
        n: Column(
            kind_of(manifest, n),
            arrays[n],
            valid.get(n),
            read_dictionary(folder, n) if n in coded else None,
        )
        for n in names
    }


def row_groups(folder: Path, manifest: Manifest) -> list[tuple[Path, int, int, Any]]:
    """(file, row group, first row in the ledger, metadata) of every row group, in order."""
    jobs, start = [], 0
    for part in manifest.parts:
        metadata = pq.read_metadata(folder / part)
        for group in range(metadata.num_row_groups):
            jobs.append((folder / part, group, start, metadata))
            start += metadata.row_group(group).num_rows
    if start != manifest.rows:
        raise ContractError(f"{start} rows found, {manifest.rows} written", where=str(folder))
    return jobs


def plain(column: pa.ChunkedArray, kind: str) -> Any:
    """The values of a column as numpy holds them."""
    if kind == "time":
        column = column.cast(pa.int64())
        return (column.fill_null(NULL_TIME) if column.null_count else column).to_numpy()
    if kind == "int" and column.null_count:
        column = column.fill_null(0)
    return column.to_numpy()


def read_dictionary(folder: Path, name: str) -> "pd.Index[Any]":
    """The values of a coded column."""
    return index_of(_values(folder, name))


def _values(folder: Path, name: str) -> pa.ChunkedArray:
    path = folder / "dict" / f"{name}.parquet"
    return pq.read_table(path, page_checksum_verification=True).column(0)


def kind_of(manifest: Manifest, name: str) -> Any:
    """How a column is held in memory: code, time, int or float."""
    kind = manifest.columns[name]["type"]
    return _KIND.get(kind, kind)


def count_nulls(column: Column) -> int:
    """How many values of a column are null."""
    if column.kind == "int":
        return 0 if column.valid is None else int((~column.valid).sum())
    nulls = {"code": -1, "time": NULL_TIME}
    if column.kind == "float":
        return int(np.isnan(column.values).sum())
    return int((column.values == nulls[column.kind]).sum())


def write_part(path: Path, columns: Mapping[str, Column], event_id: pa.ChunkedArray) -> None:
    """Write all columns of a part; `event_id` keeps its values, for only appends look at it."""
    arrays = {n: arrow_of(c) for n, c in columns.items()} | {"event_id": event_id}
    write_table(pa.table(arrays), path)


def arrow_of(column: Column) -> pa.Array:
    """A column as a part holds it."""
    values = column.values
    if column.kind == "time":
        null = values == NULL_TIME
        return pa.array(values, mask=null if null.any() else None).cast(_TIME)
    return pa.array(values, mask=None if column.valid is None else ~column.valid)


def write_dictionaries(folder: Path, columns: Mapping[str, Column]) -> None:
    """Write one file of values for every coded column."""
    folder.mkdir()
    for name, column in columns.items():
        if column.dictionary is not None:
            values = pa.array(column.dictionary, from_pandas=True)
            write_table(pa.table({"value": values}), folder / f"{name}.parquet")


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table so that it is read fast and every page can be verified."""
    pq.write_table(
        table,
        path,
        row_group_size=_ROW_GROUP,
        compression="lz4",
        use_dictionary=False,
        write_page_checksum=True,
        write_statistics=["known_ts"] if "known_ts" in table.column_names else False,
    )


def read_rows(folder: Path, manifest: Manifest) -> pa.Table:
    """All rows of a ledger folder as a typed table, `event_id` included; coded columns as such."""
    with reading(str(folder)):
        tables = [
            pq.read_table(folder / part, page_checksum_verification=True) for part in manifest.parts
        ]
        table = pa.concat_tables(tables)
        for at, name in enumerate(table.column_names):
            if name in manifest.columns and kind_of(manifest, name) == "code":
                coded = _coded(table.column(name), _values(folder, name).combine_chunks())
                table = table.set_column(at, name, coded)
    return table


def _coded(codes: pa.ChunkedArray, dictionary: pa.Array) -> pa.ChunkedArray:
    chunks = []
    for chunk in codes.chunks:
        raw = chunk.to_numpy()
        if len(raw) and (raw.max() >= len(dictionary) or raw.min() < -1):
            raise pa.ArrowInvalid("a code has no value in its dictionary")
        chunks.append(pa.DictionaryArray.from_arrays(pa.array(raw, mask=raw < 0), dictionary))
    return pa.chunked_array(chunks)
