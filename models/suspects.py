"""Single columns that tell a label too well: most of them know the outcome.

In: a table of columns, outcomes, times and users. Out: the AUC of every column on its own, with an
interval that is honest for a handful of cases. A number is its own score; where a null may be the
message, nulls count as the lowest value. The values of a text column are scored by the share of
bad cases they had in the earlier half of the time, judged on the later half.
"""

from collections.abc import Iterator
from math import sqrt
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.metrics import auc

Floats = NDArray[np.float64]
Z: Final = 2.576  # 99 %: hundreds of columns are looked at
PRIOR: Final = 10  # cases that a value's share is shrunk by


def single_aucs(
    X: pd.DataFrame, y: "pd.Series[Any]", *, times: "pd.Series[Any]", users: "pd.Series[Any]"
) -> pd.DataFrame:
    """The AUC of each column on its own, the most telling first.

    Parameters
    ----------
    X : one row a decision; numbers, texts, truths or times. y : 1 or 0 without nulls.
    times : when each was decided. users : whose; one user's rows count as one in the intervals.

    Returns
    -------
    One row a column that has two different values: `column`, `auc`, `lower`, `upper` (99 %),
    `bad` and `good` users, and `score`: what was ranked.
    """
    bad, later = y.to_numpy(np.float64), (times > times.median()).to_numpy()
    codes = pd.factorize(users)[0]
    found = []
    for name in X:
        ranked = [
            {"column": name, **_ranked(bad[rows], score, codes[rows]), "score": told}
            for told, rows, score in _scores(X[name], bad, later)
            if len(np.unique(bad[rows])) == 2 and len(np.unique(score)) > 1
        ]
        found += sorted(ranked, key=lambda r: -max(r["lower"], 1 - r["upper"]))[:1]
    names = ["column", "auc", "lower", "upper", "bad", "good", "score"]
    table = pd.DataFrame(found, columns=names)
    return table.iloc[np.argsort(-np.abs(table["auc"] - 0.5), kind="stable")].reset_index(drop=True)


def auc_bounds(value: float, bad: int, good: int, z: float = Z) -> tuple[float, float]:
    """The AUCs from which `value` lies less than `z` standard errors away.

    The standard error is that of the AUC asked about, not of the one found (Hanley and McNeil 1982;
    Newcombe 2006): so a perfect order of three cases is no proof.

    >>> [round(b, 2) for b in auc_bounds(1.0, 3, 100)], [round(b, 2) for b in auc_bounds(1, 99, 99)]
    ([0.57, 1.0], [0.97, 1.0])
    """
    return _below(value, bad, good, z), 1 - _below(1 - value, bad, good, z)


def _below(value: float, bad: int, good: int, z: float) -> float:
    low, high = 0.0, float(value)
    for _ in range(50):
        middle = (low + high) / 2
        if value - middle > z * _error(middle, bad, good):
            low = middle
        else:
            high = middle
    return low


def _error(a: float, bad: int, good: int) -> float:
    """The standard error; nobody knows which class is spread wider, so each counts as either."""
    spread = (a / (2 - a) + 2 * a * a / (1 + a)) / 2 - a * a
    return sqrt((a * (1 - a) + (bad + good - 2) * spread) / (bad * good))


def _ranked(bad: Floats, score: Floats, users: NDArray[Any]) -> dict[str, Any]:
    value = auc(bad, score)
    m, n = (len(np.unique(users[bad == k])) for k in (1, 0))
    lower, upper = auc_bounds(value, m, n)
    return {"auc": value, "lower": lower, "upper": upper, "bad": m, "good": n}


def _scores(
    column: "pd.Series[Any]", bad: Floats, later: NDArray[np.bool_]
) -> Iterator[tuple[str, NDArray[np.bool_], Floats]]:
    """What may be ranked: a word for it, the rows, and their scores."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = (column - column.min()).dt.total_seconds()
    if not _number(column):
        yield "earlier rate of its values", later, _rates(column, bad, ~later)[later]
        return
    value = column.to_numpy(np.float64, na_value=np.nan)
    filled = ~np.isnan(value)
    yield "its value", filled, value[filled]
    if not filled.all() and filled.any():
        lowest = np.nextafter(value[filled].min(), -np.inf)
        yield "its value, null lowest", np.ones(len(value), bool), np.where(filled, value, lowest)


def _number(column: "pd.Series[Any]") -> bool:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return pd.api.types.is_numeric_dtype(column.dtype)


def _rates(column: "pd.Series[Any]", bad: Floats, known: NDArray[np.bool_]) -> Floats:
    """Per row the share of bad cases that its value (null is one) had where it is known."""
    codes, values = pd.factorize(column, use_na_sentinel=False)
    rows = np.bincount(codes[known], minlength=len(values))
    hits = np.bincount(codes[known], bad[known], len(values))
    mean = bad[known].mean() if known.any() else 0.0
    return np.asarray(((hits + PRIOR * mean) / (rows + PRIOR))[codes])
