"""Result tables as files whose bytes depend on the content alone."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.encode import encode


def write_table(frame: pd.DataFrame, path: Path, facts: Mapping[str, str] | None = None) -> Path:
    """Write Parquet, or CSV where the name says so; `facts` become metadata of a Parquet file.

    No clock, machine or library of the writer's frame is written into the file.
    """
    if path.suffix == ".csv":
        frame.to_csv(path, index=False, lineterminator="\n")
        return path
    pq.write_table(
        _table(frame).replace_schema_metadata(dict(facts or {})), path, compression="zstd"
    )
    return path


def append_tables(frames: Iterator[pd.DataFrame], path: Path) -> None:
    """Write frames of the same columns below each other, one in memory at a time; at least one."""
    first = next(frames)
    if path.suffix == ".csv":
        first.to_csv(path, index=False, lineterminator="\n")
        for frame in frames:
            frame.to_csv(path, index=False, lineterminator="\n", header=False, mode="a")
        return
    table = _table(first).replace_schema_metadata({})
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        for frame in frames:
            writer.write_table(_table(frame).cast(table.schema))


def _table(frame: pd.DataFrame) -> pa.Table:
    return pa.table({str(name): arrow(values) for name, values in frame.items()})


def stamped(frame: pd.DataFrame, facts: Mapping[str, str]) -> pd.DataFrame:
    """The frame with the same facts in every row, stored once each."""
    columns = {
        name: pd.Categorical.from_codes(np.zeros(len(frame), np.int8), categories=pd.Index([value]))
        for name, value in facts.items()
    }
    return frame.assign(**columns)


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Keys as their own values; a category of text stays one."""
    numbers = {
        name: values.astype(_nullable(values))
        for name, values in table.items()
        if isinstance(values.dtype, pd.CategoricalDtype)
        and pd.api.types.is_numeric_dtype(values.cat.categories.dtype)
    }
    return table.assign(**{str(k): v for k, v in numbers.items()})


def _nullable(values: "pd.Series[Any]") -> Any:
    whole = pd.api.types.is_integer_dtype(values.cat.categories.dtype)
    return "Int64" if whole and values.isna().any() else values.cat.categories.dtype


def arrow(values: "pd.Series[Any]") -> pa.Array:
    """A column in Arrow; a category stays one, NaN is null, times are UTC."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        plain = values.dt.tz_convert(None).dt.as_unit("us").to_numpy()
        return pa.array(plain, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    found = pa.array(values, from_pandas=True)
    if pa.types.is_dictionary(found.type):  # categories that do not occur are none of the content
        if pa.types.is_null(found.type.value_type):  # without a category Arrow sees no text
            found = found.cast(pa.dictionary(pa.int32(), pa.large_string()))
        codes, dictionary = encode(pa.chunked_array([found]))
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), dictionary)
    return found
