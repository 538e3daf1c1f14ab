"""Reasons of a score: TreeSHAP contributions, summed by reason key, that agree with the signs.

In: a model, a table, and the reason key of each column. Out: one row per case and reason. A
reason is only given where the column stands on the side that its sign calls risky: correlated
columns can give contributions that contradict common sense, and those are nobody's reason.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.boosting import check_signs, row_blocks
from models.encode import Matrix, Table, encode

Floats = NDArray[np.float64]

BLOCK = 8_192  # contributions are float64: 16 MB a block at 250 columns

_COLUMNS = {
    "row": np.int64,
    "rank": np.int64,
    "key": np.int64,
    "contribution": float,
    "agrees": bool,
}


def reasons(
    model: Any,
    X: Table,
    keys: Mapping[str, str],
    signs: Mapping[str, int] | None = None,
    top: int = 4,
    *,
    agreeing_only: bool = True,
) -> pd.DataFrame:
    """The groups of columns that raise each row's risk most.

    Parameters
    ----------
    model : a fitted RiskModel.
    keys : reason key by column name; a column without one is no reason.
    signs : by column name; None takes those the model was fitted with. Where there are none at
        all, nothing can disagree.
    agreeing_only : leave out groups most of whose contribution disagrees with the signs; without
        it they are ranked too and told apart by `agrees`.

    Returns
    -------
    Columns `row` (position in X), `rank` (1 is the largest), `key`, `contribution` (log-odds
    before calibration, above 0), `agrees`; sorted by row and rank. A row may have no reason.
    """
    columns = model.encoding_.columns
    sign = np.array(model.signs_ if signs is None else check_signs(signs, model.encoding_))
    names = sorted({keys[c] for c in columns if keys.get(c)})
    member = np.array([[keys.get(c) == name for name in names] for c in columns], np.float64)
    parts, start = [], 0
    for block in row_blocks(X, BLOCK):
        matrix = encode(model.encoding_, block)
        if len(matrix) and names:
            found = _rank(model, matrix, member.reshape(-1, len(names)), sign, top, agreeing_only)
            found["row"] += start
            parts.append(found)
        start += len(matrix)
    if not parts:
        parts = [{name: np.empty(0, kind) for name, kind in _COLUMNS.items()}]
    table = pd.DataFrame({k: np.concatenate([p[k] for p in parts]) for k in _COLUMNS})
    table["key"] = pd.Categorical.from_codes(table["key"].to_numpy(), categories=pd.Index(names))
    return table


def contributions(model: Any, matrix: Matrix) -> Floats:
    """TreeSHAP values in log-odds, shape (n, columns); with the base they sum to the raw score."""
    values = model.booster_.predict(matrix, pred_contrib=True, num_threads=model.num_threads)
    return np.asarray(values, np.float64)[:, :-1]


def _rank(
    model: Any, matrix: Matrix, member: Floats, sign: NDArray[Any], top: int, agreeing_only: bool
) -> dict[str, NDArray[Any]]:
    """The block's reasons as arrays, sorted by row and rank."""
    values = contributions(model, matrix)
    total = values @ member
    agrees = np.ones(total.shape, bool)
    if sign.any():
        # NaN and a column without a sign stand on no side.
        with np.errstate(invalid="ignore"):
            risky = (matrix - model.centre_) * sign > 0
        agrees = np.where(risky, values, 0.0) @ member >= total / 2
    raising = (total > 0) & (agrees | (not agreeing_only))
    shown = np.where(raising, total, -np.inf)
    order = np.argsort(-shown, axis=1, kind="stable")[:, :top]
    row, place = np.nonzero(np.isfinite(np.take_along_axis(shown, order, axis=1)))
    key = order[row, place]
    values_of = (row, place + 1, key, total[row, key], agrees[row, key])
    return dict(zip(_COLUMNS, values_of, strict=True))
