"""Where tables come from: a frame, a CSV, a Parquet file or partitioned folder.

Out: a `Source` that DuckDB scans while it may not touch the disk itself: files are opened by
pyarrow, and a Parquet source stays on disk (a dataset), so only the columns asked for are read and
a source may be larger than memory. A CSV's values stay text: guessing types loses leading zeros.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
from numpy.typing import NDArray

from data.errors import ContractError, UsageError
from data.schemas import one_schema

_INDEX = re.compile(r"__index_level_\d+__")  # what pandas writes of an index without a name
_NULLS = ["", "NULL", "null", "NaN", "nan"]


@dataclass(frozen=True)
class Source:
    """A table to scan, and where its rows are found again.

    `table` is a pyarrow Table or Dataset; `files` are (name, rows) in scan order, one entry for a
    source that is one table.
    """

    name: str
    table: Any
    files: tuple[tuple[str, int], ...] = field(repr=False)

    def __len__(self) -> int:
        return sum(rows for _, rows in self.files)

    @property
    def schema(self) -> pa.Schema:
        """The raw columns."""
        return self.table.schema

    def check_readable(self) -> None:
        """Read every file of a source on disk, so that the one that cannot be read is named.

        Raises
        ------
        ContractError : naming the file.
        """
        for fragment in self.table.get_fragments() if isinstance(self.table, ds.Dataset) else ():
            with reading(fragment.path):
                for _ in fragment.to_batches():
                    pass

    def places(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """File name and the row in it, counted from 1, of positions in the whole source."""
        ends = np.cumsum([n for _, n in self.files])
        at = np.searchsorted(ends, rows, side="right")
        starts = ends - np.array([n for _, n in self.files])
        return np.array([f for f, _ in self.files], object)[at], rows - starts[at] + 1


def open_file(path: Path, *, encoding: str = "utf-8", delimiter: str = ",") -> Source:
    """A Parquet file, a folder of Parquet files (hive partitions become texts), or a CSV (`.gz`).

    Raises
    ------
    ContractError : missing, unreadable, damaged, of another encoding, or without a row.
    """
    with reading(str(path)):
        if path.is_dir():
            return _open_parquet(path)
        with path.open("rb") as f:
            start = f.read(2)
        if not start:
            raise ContractError("the file is empty (0 bytes)", where=str(path), fix=_FIX_FILE)
        ending = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
        if ending.lower() in (".csv", ".tsv", ".txt"):
            if start in (BOM_UTF16_LE, BOM_UTF16_BE) and not encoding.lower().startswith("utf-16"):
                raise UnicodeError("UTF-16")
            return _open_csv(path, encoding, "\t" if ending.lower() == ".tsv" else delimiter)
        return _open_parquet(path)


def open_frame(frame: "pd.DataFrame | pa.Table", name: str = "frame") -> Source:
    """A frame or an Arrow table.

    Raises
    ------
    UsageError : neither of them.
    ContractError : a column mixes types, or two columns share a name.
    """
    if not isinstance(frame, pa.Table | pd.DataFrame):
        fix = "a path, a mapping, a pandas DataFrame or a pyarrow Table"
        raise UsageError(f"{type(frame).__name__} is no source", where=name, fix=fix)
    table = frame if isinstance(frame, pa.Table) else _arrow(frame, name)
    if len(set(table.column_names)) < len(table.column_names):
        twice = [c for c in table.column_names if table.column_names.count(c) > 1]
        raise ContractError(f"column '{twice[0]}' stands twice", where=name, fix="rename one")
    return Source(name, table, ((name, table.num_rows),))


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Turns what the libraries raise while they read `where` into one `ContractError`."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError, duckdb.Error) as e:
        what, fix = _explained(e)
        raise ContractError(what, where=where, fix=fix) from e


def _explained(error: Exception) -> tuple[str, str]:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, PermissionError):
        return "permission denied", "give this user the right to read it"
    if isinstance(error, FileNotFoundError):
        return "no such file", "check the path; a mapping's paths are relative to the mapping"
    if isinstance(error, duckdb.ConversionException):
        return (
            f"a value does not fit: {said}",
            "mend the value, or write the column in another type",
        )
    if isinstance(error, UnicodeError) or "UTF8" in said or "UTF-8" in said:
        fix = (
            "give the `encoding` in the mapping (for example 'gbk', 'utf-16'), or convert the file"
        )
        return "the text is not in the expected encoding", fix
    return f"unreadable: {said}", _FIX_FILE


_FIX_FILE = "write the file again; a copy may have been cut off"


def _open_parquet(path: Path) -> Source:
    found = ds.dataset(path, format="parquet", partitioning="hive")
    fragments = list(found.get_fragments())
    names = {n: None for f in fragments for n in ds.get_partition_keys(f.partition_expression)}
    texts = pa.schema([(n, pa.string()) for n in names])  # a number would lose its leading zeros
    if not fragments:
        raise ContractError("the folder holds no Parquet file", where=str(path), fix=_FIX_FILE)
    schema = pa.schema([f for f in one_schema(fragments, texts) if not _INDEX.fullmatch(f.name)])
    hive = ds.partitioning(texts, flavor="hive")
    data = ds.dataset(path, format="parquet", partitioning=hive, schema=schema)
    fragments = list(data.get_fragments())
    return Source(str(path), data, tuple((f.path, f.count_rows()) for f in fragments))


def _open_csv(path: Path, encoding: str, delimiter: str) -> Source:
    ragged: list[pa.csv.InvalidRow] = []

    def refuse(row: pa.csv.InvalidRow) -> str:
        ragged.append(row)
        return "error"

    reads = pa.csv.ReadOptions(encoding=encoding)
    parses = pa.csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=refuse
    )
    try:
        with pa.csv.open_csv(path, read_options=reads, parse_options=parses) as f:
            names = f.schema.names
        texts = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=_NULLS,
            strings_can_be_null=True,
        )
        table = pa.csv.read_csv(path, reads, parses, texts)
    except LookupError as e:
        fix = "for example 'utf-8' or 'gbk'"
        raise UsageError(f"unknown encoding '{encoding}'", where=str(path), fix=fix) from e
    except pa.ArrowInvalid as e:
        if not ragged:
            raise
        raise _ragged(path, reads, parses, ragged) from e
    return open_frame(table, str(path))


def _ragged(
    path: Path, reads: Any, parses: Any, ragged: "list[pa.csv.InvalidRow]"
) -> ContractError:
    """Which row has too many or too few values; its text may hold ids and is not shown."""
    if ragged[0].number is None:  # only one thread counts
        ragged.clear()
        reads.use_threads = False
        with suppress(pa.ArrowInvalid):
            pa.csv.read_csv(path, reads, parses)
    row = ragged[0]
    what = (
        f"row {row.number - 1} has {row.actual_columns} values, the header {row.expected_columns}"
    )
    fix = "quote a value that holds the delimiter, or give the right `delimiter` in the mapping"
    return ContractError(what, where=str(path), fix=fix)


def _arrow(frame: pd.DataFrame, name: str) -> pa.Table:
    arrays = []
    for i, column in enumerate(frame.columns):
        try:
            arrays.append(_arrow_column(frame.iloc[:, i]))
        except (pa.ArrowException, OverflowError) as e:
            kinds = sorted({type(v).__name__ for v in frame.iloc[:, i].dropna().head(100_000)})
            raise ContractError(
                f"column '{column}' cannot be one type: it holds {', '.join(kinds)}",
                where=name,
                fix="ids are all integers or all texts; whole numbers fit 64 bits",
            ) from e
    return pa.table(arrays, [str(c) for c in frame.columns])


def _arrow_column(values: "pd.Series[Any]") -> pa.Array:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        naive = pa.array(values.dt.tz_convert(None), from_pandas=True)
        return naive.cast(pa.timestamp(naive.type.unit, tz="UTC"))
    return pa.array(values, from_pandas=True)
