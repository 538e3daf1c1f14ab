"""The parts of a ledger folder: columns into a file, and all files' columns into memory.

In a part, keys and texts are int32 codes (-1 null) with their values in `dict/`, times are
`timestamp[us, UTC]`, money is int64. Pages carry checksums, so a read verifies what it reads.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.dictionaries import Codes, read_dictionary, read_values
from data.errors import ContractError
from data.folder import Manifest, check_sizes
from data.ledger import NULL_CODE, NULL_TIME, Column
from data.sources import reading

_ROW_GROUP = 1 << 20
_KIND = {"key": "code", "text": "code", "bool": "code"}
DTYPES = {"code": np.int32, "time": np.int64, "int": np.int64, "float": np.float64}
_TIME = pa.timestamp("us", tz="UTC")
_ARROW = {"code": pa.int32(), "time": _TIME, "int": pa.int64(), "float": pa.float64()}
_NULL = {"code": NULL_CODE, "time": NULL_TIME}


def read_columns(folder: Path, manifest: Manifest, names: tuple[str, ...]) -> dict[str, Column]:
    """Row groups into columns allocated once, two at a time; of a lone one, half of the columns."""
    coded = [n for n in names if kind_of(manifest, n) == "code"]
    files = [f for n in coded for f in manifest.dictionary(n)]
    check_sizes(folder, manifest, (*manifest.parts, *files))
    dictionaries = {n: read_dictionary(folder, manifest, n) for n in coded}
    ranks = {n: rank for n, (_, rank) in dictionaries.items() if rank is not None}
    arrays = {n: np.empty(manifest.rows, DTYPES[kind_of(manifest, n)]) for n in names}
    valid = {
        n: np.ones(manifest.rows, bool)
        for n in names
        if kind_of(manifest, n) == "int" and manifest.columns[n]["nulls"]
    }

    def read(job: Job, some: tuple[str, ...]) -> None:
        table = read_group(job, manifest, some, ranks)
        rows = slice(job.start, job.start + table.num_rows)
        for name in some:
            arrays[name][rows], known = unpacked(table.column(name), kind_of(manifest, name))
            if known is not None:
                valid[name][rows] = known

    jobs = row_groups(folder, manifest)
    shares = (names,) if len(jobs) > 1 else (names[::2], names[1::2])
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda todo: read(*todo), product(jobs, shares)))
    return {
        n: Column(kind_of(manifest, n), arrays[n], valid.get(n), dictionaries.get(n, (None,))[0])
        for n in names
    }


@dataclass(frozen=True)
class Job:
    """A row group to read; `start` is its first row's place in the ledger."""

    path: Path
    group: int
    start: int
    metadata: Any = field(repr=False)


def row_groups(folder: Path, manifest: Manifest) -> list[Job]:
    """Every row group, in order."""
    jobs, start = [], 0
    for part in manifest.parts:
        with reading(str(folder / part)):
            metadata = pq.read_metadata(folder / part)
        for group in range(metadata.num_row_groups):
            jobs.append(Job(folder / part, group, start, metadata))
            start += metadata.row_group(group).num_rows
    if start != manifest.rows:
        raise ContractError(f"{start} rows found, {manifest.rows} written", where=str(folder))
    return jobs


def read_group(
    job: Job, manifest: Manifest, names: Iterable[str], ranks: Mapping[str, Codes] | None = None
) -> pa.Table:
    """Columns of a row group; what came later than its part is null.

    Parameters
    ----------
    ranks : of coded columns, what to put in place of a code (`read_dictionary`).
    """
    with reading(str(job.path)):
        file = pq.ParquetFile(job.path, metadata=job.metadata, page_checksum_verification=True)
        here = set(file.schema_arrow.names)
        table = file.read_row_group(job.group, [n for n in names if n in here], use_threads=False)
    rows = job.metadata.row_group(job.group).num_rows
    found = {
        n: table.column(n) if n in here else pa.nulls(rows, _ARROW[kind_of(manifest, n)])
        for n in names
    }
    for n, rank in (ranks or {}).items():
        if n in found:
            found[n] = pa.array(rank[unpacked(found[n], "code")[0]])
    return pa.table(found)


def unpacked(column: pa.ChunkedArray, kind: str) -> tuple[Any, Any]:
    """The values of a column as numpy holds them, and where an integer is known (None: all are)."""
    if kind == "int" and column.null_count:
        pieces = [_integers(chunk) for chunk in column.chunks]
        if len(pieces) == 1:
            return pieces[0]
        values, known = (np.concatenate(side) for side in zip(*pieces, strict=True))
        return values, known
    if kind == "time":
        column = column.cast(pa.int64())
    if column.null_count and kind in _NULL:
        column = column.fill_null(_NULL[kind])
    return column.to_numpy(), None


def _integers(chunk: pa.Array) -> tuple[Any, Any]:
    """Integers, 0 where null, and where they are known: off the buffers, five times as fast."""
    end, (bits, raw) = chunk.offset + len(chunk), chunk.buffers()
    if bits is None:
        return chunk.to_numpy(), np.ones(len(chunk), np.bool_)
    unpacked_bits = np.unpackbits(np.frombuffer(bits, np.uint8), count=end, bitorder="little")
    known = unpacked_bits[chunk.offset :].view(np.bool_)
    return np.frombuffer(raw, np.int64)[chunk.offset : end] * known, known


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
    names = ["event_id", *manifest.columns]
    tables = [read_group(job, manifest, names) for job in row_groups(folder, manifest)]
    with reading(str(folder)):
        return decoded(read_dictionaries(folder, manifest), pa.concat_tables(tables))


def read_dictionaries(folder: Path, manifest: Manifest) -> dict[str, pa.Array]:
    """The values of every coded column, as the parts' codes mean them."""
    coded = [n for n in manifest.columns if kind_of(manifest, n) == "code"]
    return {n: read_values(folder, manifest, n).combine_chunks() for n in coded}


def decoded(dictionaries: Mapping[str, pa.Array], table: pa.Table) -> pa.Table:
    """Stored rows with their codes' values."""
    for at, name in enumerate(table.column_names):
        if name in dictionaries:
            values = _coded(table.column(name), dictionaries[name])
            table = table.set_column(at, name, values)
    return table


def _coded(codes: pa.ChunkedArray, dictionary: pa.Array) -> pa.ChunkedArray:
    chunks = []
    for chunk in codes.chunks:
        raw = chunk.fill_null(NULL_CODE).to_numpy()
        if len(raw) and (raw.max() >= len(dictionary) or raw.min() < NULL_CODE):
            raise pa.ArrowInvalid("a code has no value in its dictionary")
        chunks.append(pa.DictionaryArray.from_arrays(pa.array(raw, mask=raw < 0), dictionary))
    return pa.chunked_array(chunks)
