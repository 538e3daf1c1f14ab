"""Result tables as files whose bytes depend on the content alone."""

from collections.abc import Mapping
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
    table = pa.table({str(name): _arrow(values) for name, values in frame.items()})
    pq.write_table(table.replace_schema_metadata(dict(facts or {})), path, compression="zstd")
    return path


def stamped(frame: pd.DataFrame, facts: Mapping[str, str]) -> pd.DataFrame:
    """The frame with the same facts in every row, stored once each."""
    columns = {
        name: pd.Categorical.from_codes(np.zeros(len(frame), np.int8), categories=pd.Index([value]))
        for name, value in facts.items()
    }
    return frame.assign(**columns)


def _arrow(values: "pd.Series[Any]") -> pa.Array:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        plain = values.dt.tz_convert(None).dt.as_unit("us").to_numpy()
        return pa.array(plain, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    found = pa.array(values, from_pandas=True)
    if pa.types.is_dictionary(found.type):  # categories that do not occur are none of the content
        codes, dictionary = encode(pa.chunked_array([found]))
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), dictionary)
    return found
