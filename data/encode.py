"""Typed Arrow columns to the ledger's numpy columns: sorted in time, texts and keys as codes.

Dictionaries hold the values that occur, sorted. No text of a coded column ever becomes a Python
object: at ten million rows that would cost more than all the features.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.contract import Contract
from data.ledger import NULL_CODE, NULL_TIME, Column

ORDER = ("known_ts", "event_ts", "event_id")


def ledger_order(table: pa.Table) -> "NDArray[np.int64] | None":
    """The rows in the order `(known_ts, event_ts, event_id)`; None if they stand so already."""
    keys = table.select(ORDER)
    if pa.types.is_dictionary(kind := keys.column("event_id").type):
        keys = keys.set_column(2, "event_id", keys.column("event_id").cast(kind.value_type))
    if _sorted(keys):
        return None
    order = pc.sort_indices(keys, sort_keys=[(c, "ascending") for c in ORDER])
    return np.asarray(order.to_numpy(), np.int64)


def ledger_columns(
    table: pa.Table, contract: Contract, order: "NDArray[np.int64] | None"
) -> dict[str, Column]:
    """The ledger's columns of typed rows, two at a time; `event_id` stays out."""
    names = [n for n in table.column_names if n != "event_id"]

    def make(name: str) -> Column:
        column = _column(table.column(name), contract.columns[name].type)
        return column if order is None else column.take(order)  # codes move faster than texts

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(make, names), strict=True))


def _sorted(table: pa.Table) -> bool:
    known, event = (microseconds(table.column(c)) for c in ORDER[:2])
    step, inner = np.diff(known), np.diff(event)
    if (step < 0).any() or ((step == 0) & (inner < 0)).any():
        return False
    tied = np.flatnonzero((step == 0) & (inner == 0))
    ids = table.column("event_id")
    before, after = ids.take(pa.array(tied)), ids.take(pa.array(tied + 1))
    return not len(tied) or bool(pc.all(pc.less_equal(before, after)).as_py())


def _column(values: pa.ChunkedArray, kind: str) -> Column:
    if kind == "time":
        return Column("time", microseconds(values))
    if kind == "int":
        valid = pc.is_valid(values).to_numpy() if values.null_count else None
        return Column("int", np.ascontiguousarray(pc.fill_null(values, 0).to_numpy()), valid)
    if kind == "float":
        return Column("float", np.array(values.to_numpy(), np.float64))
    codes, dictionary = encode(values)
    return Column("code", codes, dictionary=index_of(dictionary))


def null_column(kind: str, rows: int) -> Column:
    """A column of the contract's type `kind` without a value."""
    types = {"time": pa.timestamp("us", tz="UTC"), "int": pa.int64(), "float": pa.float64()}
    types["bool"] = pa.bool_()
    return _column(pa.chunked_array([pa.nulls(rows, types.get(kind, pa.string()))]), kind)


def index_of(dictionary: pa.Array) -> "pd.Index[Any]":
    """A dictionary as pandas holds it; texts stay in Arrow's memory."""
    index: pd.Index[Any] = pd.Index(dictionary.to_pandas())
    return index


def encode(values: pa.ChunkedArray) -> tuple[NDArray[np.int32], pa.Array]:
    """Codes (-1 null) and the sorted dictionary of the values that occur."""
    if pa.types.is_boolean(values.type):
        codes, dictionary = encode(values.cast(pa.int8()))
        return codes, dictionary.cast(pa.bool_())
    if pa.types.is_dictionary(values.type) and not _proper(values):
        values = values.cast(values.type.value_type)
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    values = values.unify_dictionaries()
    if not values.num_chunks:
        return np.empty(0, np.int32), pa.array([], values.type.value_type)
    raw = pa.chunked_array([c.indices for c in values.chunks])
    codes = pc.fill_null(raw, NULL_CODE).to_numpy().astype(np.int32, copy=False)
    return _ranked(codes, values.chunk(0).dictionary)


def _proper(values: pa.ChunkedArray) -> bool:
    """Whether the dictionaries hold each value once and no null."""
    return all(
        not c.dictionary.null_count and pc.count_distinct(c.dictionary).as_py() == len(c.dictionary)
        for c in values.chunks
    )


def _ranked(codes: NDArray[np.int32], dictionary: pa.Array) -> tuple[NDArray[np.int32], pa.Array]:
    used = np.zeros(len(dictionary) + 1, bool)
    used[codes] = True  # a null marks the last place
    order = pc.sort_indices(dictionary).to_numpy()
    order = order[used[order]]
    rank = np.full(len(dictionary) + 1, NULL_CODE, np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[codes], dictionary.take(pa.array(order))


def microseconds(values: pa.ChunkedArray) -> NDArray[np.int64]:
    """Times as integers since 1970."""
    whole = pc.fill_null(values.cast(pa.int64()), NULL_TIME)
    return np.ascontiguousarray(whole.to_numpy(), np.int64)
