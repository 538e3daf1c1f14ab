"""Rows that broke a rule: counted by rule, listed with their place, and kept as they were found."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.report import Fault
from data.sql import Rule
from data.staging import Batch


@dataclass(frozen=True)
class Broken:
    """One rule and the rows of a batch that break it (ascending positions)."""

    rule: Rule
    batch: Batch
    rows: NDArray[np.int64]


def list_faults(broken: Iterable[Broken], keys: Collection[str]) -> tuple[Fault, ...]:
    """One fault a rule, over all batches, in the order found.

    Parameters
    ----------
    keys : columns whose values stay out of messages: ids.
    """
    by_rule: dict[str, list[Broken]] = {}
    for b in broken:
        by_rule.setdefault(b.rule.name, []).append(b)
    return tuple(_fault(group, keys) for group in by_rule.values())


def list_reasons(broken: Iterable[Broken]) -> pd.DataFrame:
    """`file`, `row` (from 1), `rule` and `text`, a line for every broken rule of every row."""
    frames = [pd.DataFrame({"file": [], "row": [], "rule": [], "text": []})]
    for b in broken:
        files, rows = b.batch.source.places(b.batch.rows[b.rows])
        text = f"'{b.rule.column}' {b.rule.text}"
        frames.append(pd.DataFrame({"file": files, "row": rows, "rule": b.rule.name, "text": text}))
    if len(frames) == 1:
        return frames[0]
    return pd.concat(frames[1:]).sort_values(["file", "row", "rule"], ignore_index=True)


def quarantine_table(broken: Iterable[Broken]) -> pa.Table:
    """The broken rows with `file`, `row`, `event` (which declaration made it), `reasons`.

    Values are kept as text, as they were found, because their types are what may be wrong.
    """
    by_batch: dict[int, list[Broken]] = {}
    for b in broken:
        by_batch.setdefault(id(b.batch), []).append(b)
    tables = [_set_aside(group) for group in by_batch.values()]
    return pa.concat_tables(tables, promote_options="default") if tables else None


def _set_aside(group: list[Broken]) -> pa.Table:
    batch = group[0].batch
    at = np.unique(np.concatenate([b.rows for b in group]))
    flags = np.column_stack([np.isin(at, b.rows) for b in group])
    patterns, which = np.unique(flags, axis=0, return_inverse=True)
    names = [b.rule.name for b in group]
    texts = ["; ".join(n for n, f in zip(names, p, strict=True) if f) for p in patterns]
    files, rows = batch.source.places(batch.rows[at])
    found = batch.table.take(pa.array(at))
    origin = {
        "file": pa.array(files, pa.string()),
        "row": pa.array(rows),
        "event": pa.array([batch.label] * len(at), pa.string()),
        "reasons": pa.array(np.array(texts, object)[which], pa.string()),
    }
    return pa.table(origin | {c: _text(found.column(c)) for c in found.column_names})


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowNotImplementedError:
        return pa.chunked_array([pa.array([str(v) for v in column.to_pylist()], pa.string())])


def _fault(group: list[Broken], keys: Collection[str]) -> Fault:
    first = group[0]
    files, rows = first.batch.source.places(first.batch.rows[first.rows[:1]])
    hidden = first.batch.unread or first.rule.column in keys  # a source's ids are unknown to us
    example = "" if hidden else _example(first)
    total = sum(len(b.rows) for b in group)
    return Fault(first.rule.name, first.rule.text, total, str(files[0]), int(rows[0]), example)


def _example(broken: Broken) -> str:
    table, column = broken.batch.table, broken.rule.column
    if column not in table.column_names:
        return ""
    if broken.rule.fault == "unknown":
        words = table.column(column).take(pa.array(broken.rows)).value_counts()
        most = sorted(words.to_pylist(), key=lambda w: (-w["counts"], str(w["values"])))[:5]
        return ", ".join(f"{w['values']!r} x {w['counts']}" for w in most)
    value = table.column(column)[int(broken.rows[0])]
    return "" if not value.is_valid else repr(pc.cast(value, pa.string()).as_py())
