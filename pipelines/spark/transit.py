"""Frames on their way through Spark: Arrow tables there, the same dtypes and values back.

Spark knows neither categories nor pandas' nullable types, so a frame's dtypes travel beside it.
"""

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from data.encode import encode, index_of
from pipelines.tables import arrow

Dtypes = Mapping[str, Any]
CATEGORY: Final = "category"  # a column of categories, whichever these are


def sent(frame: pd.DataFrame) -> pa.Table:
    """The frame as types that Spark has: categories become their values, NaN becomes null."""
    return pa.table({str(name): _plain(arrow(values)) for name, values in frame.items()})


def received(table: pa.Table, dtypes: Dtypes) -> pd.DataFrame:
    """The frame that was sent; `CATEGORY` keeps only the categories that occur."""
    return pd.DataFrame({n: _column(table.column(n), dtype) for n, dtype in dtypes.items()})


def dtypes_of(frame: pd.DataFrame) -> Dtypes:
    """Dtypes small enough to send: the categories themselves stay behind."""
    return {
        str(name): CATEGORY if isinstance(dtype, pd.CategoricalDtype) else dtype
        for name, dtype in frame.dtypes.items()
    }


def _plain(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_large_string(values.type) or pa.types.is_null(values.type):
        return values.cast(pa.string())
    return values


def _column(values: pa.ChunkedArray, dtype: Any) -> "pd.Series[Any]":
    if isinstance(dtype, str):  # CATEGORY, which every categorical dtype equals
        codes, dictionary = encode(values)
        named = pd.CategoricalDtype(index_of(dictionary))
        return pd.Series(pd.Categorical.from_codes(codes, dtype=named))
    if isinstance(dtype, pd.CategoricalDtype):
        some = _column(values, CATEGORY)
        return some.cat.set_categories(dtype.categories, ordered=dtype.ordered)
    found: pd.Series[Any] = values.to_pandas(types_mapper=pd.ArrowDtype).astype(dtype)
    return found
