"""Averages by segment, shrunk toward the mean of all (empirical Bayes).

In: values, the columns that make a segment, weights. Out: one number per segment, plain enough
for JSON. A small segment says little and stays near the mean of all; how near is learnt from how
much the segments differ at all. A segment never seen answers with the mean of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, nearest

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SegmentMeans:
    """`values[segment]`, a segment being the text of its columns; NaN where no row spoke."""

    columns: tuple[str, ...]
    overall: float
    values: Mapping[tuple[str, ...], float]


def shrunk_means(
    values: Floats, table: pd.DataFrame, columns: Sequence[str], weight: Floats | None = None
) -> SegmentMeans:
    """Weighted means of `values` by segment; rows of a null value or weight 0 do not count.

    The mean of a segment of n rows becomes (n mean + k overall) / (n + k) with
    k = variance within / variance between segments (analysis of variance, unequal sizes); weights
    count as Kish's effective n.
    """
    codes, keys = _segments(table, columns)
    w = np.ones(len(table)) if weight is None else np.asarray(weight, np.float64)
    w = np.where(np.isnan(values), 0.0, w)
    if not w.sum() > 0:
        return SegmentMeans(tuple(columns), float("nan"), {})
    v = np.nan_to_num(values)
    total = np.bincount(codes, w, len(keys))
    seen = total > 0
    mean = np.bincount(codes, w * v, len(keys))[seen] / total[seen]
    n = (total**2 / np.maximum(np.bincount(codes, w * w, len(keys)), 1e-300))[seen]
    overall = float(w @ v / w.sum())
    centre = np.zeros(len(keys))
    centre[seen] = mean
    within = float(w @ (v - centre[codes]) ** 2 / w.sum()) * n.sum() / max(n.sum() - n.size, 1.0)
    excess = float(n @ (mean - overall) ** 2) - (n.size - 1) * within
    between = excess / max(n.sum() - float(n @ n) / n.sum(), 1e-300)
    trust = n / (n + within / between) if between > 0 and n.size > 1 else np.zeros_like(n)
    shrunk = overall + trust * (mean - overall)
    known = [key for key, there in zip(keys, seen, strict=True) if there]
    return SegmentMeans(tuple(columns), overall, dict(zip(known, shrunk.tolist(), strict=True)))


def look_up(means: SegmentMeans, table: pd.DataFrame) -> Floats:
    """The mean of each row's segment, shape (n,)."""
    codes, keys = _segments(table, means.columns)
    return np.array([means.values.get(key, means.overall) for key in keys], np.float64)[codes]


def as_json(means: SegmentMeans) -> dict[str, Any]:
    """Plain numbers and text; an unknown mean is None."""
    overall = None if np.isnan(means.overall) else means.overall
    segments = [[list(key), value] for key, value in sorted(means.values.items())]
    return {"columns": list(means.columns), "overall": overall, "segments": segments}


def from_json(record: dict[str, Any]) -> SegmentMeans:
    """The means of `as_json`."""
    overall = float("nan") if record["overall"] is None else float(record["overall"])
    values = {tuple(key): float(value) for key, value in record["segments"]}
    return SegmentMeans(tuple(record["columns"]), overall, values)


def _segments(
    table: pd.DataFrame, columns: Sequence[str]
) -> tuple[NDArray[np.int64], list[tuple[str, ...]]]:
    """Code of each row and the segments in code order; a null is the empty text."""
    for name in columns:
        if name not in table:
            fix = nearest(name, [str(c) for c in table.columns]) or "compute it for these rows"
            raise ContractError(f"segment column '{name}' is missing", where="table", fix=fix)
    if not columns or not len(table):
        return np.zeros(len(table), np.int64), [()] if not columns else []
    codes = np.zeros(len(table), np.int64)
    texts = []
    for name in columns:
        part, known = pd.factorize(table[name])
        texts.append(["", *(str(value) for value in known)])
        codes = codes * len(texts[-1]) + part + 1
    distinct, first, codes = np.unique(codes, return_index=True, return_inverse=True)
    parts = [pd.factorize(table[name])[0][first] + 1 for name in columns]
    keys = [
        tuple(text[part[i]] for text, part in zip(texts, parts, strict=True))
        for i in range(distinct.size)
    ]
    return codes, keys
