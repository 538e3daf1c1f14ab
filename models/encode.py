"""Tables to matrices: columns in the stored order, categories by a stored vocabulary.

In: a DataFrame (numbers, bools, text, categories) or a 2-d array. Out: a float32 matrix, one
column after the other in memory (LightGBM reads it without a copy). A null is NaN; a category
that the vocabulary has never seen is NaN too, and `unseen` counts it, as a drift metric.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, ModelError, nearest

Matrix = NDArray[np.float32]
Table = pd.DataFrame | NDArray[Any]

_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "boolean", "empty"}


@dataclass(frozen=True)
class Encoding:
    """Column names in the model's order and, per text column, its known values in code order."""

    columns: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the columns that hold codes."""
        return tuple(i for i, name in enumerate(self.columns) if name in self.categories)


def learn_encoding(X: Table) -> Encoding:
    """Column order and vocabularies of a table; an array's columns are x0, x1, ...

    Raises
    ------
    ContractError : two columns of one name, or a column that is neither numbers nor text.
    """
    if not isinstance(X, pd.DataFrame):
        return Encoding(tuple(f"x{i}" for i in range(X.shape[1])))
    columns = tuple(str(c) for c in X.columns)
    twice = X.columns[X.columns.duplicated()]
    if len(twice):
        raise ContractError(f"two columns are named '{twice[0]}'", where="X", fix="rename one")
    text = {name: _vocabulary(X[name]) for name in columns if not _is_number(X[name])}
    return Encoding(columns, text)


def encode(encoding: Encoding, X: Table) -> Matrix:
    """The float32 matrix of `X`, columns in the stored order; further columns are ignored.

    Raises
    ------
    ModelError : a column of the model is missing.
    ContractError : an infinite number, or text where the model learnt numbers.
    """
    out = np.empty((len(X), len(encoding.columns)), np.float32, order="F")
    if isinstance(X, pd.DataFrame):
        _check_columns(encoding, X)
        for i, name in enumerate(encoding.columns):
            out[:, i] = _column(encoding, X[name])
    else:
        with np.errstate(over="ignore"):
            for start in range(0, len(X), 4096):  # a block that fits the cache, then transposed
                out[start : start + 4096] = X[start : start + 4096]
    for i, name in enumerate(encoding.columns):
        if np.isinf(out[:, i]).any():
            raise ContractError(
                f"column '{name}' holds infinity or a value too large for float32",
                where="X",
                fix="a ratio without a denominator is null (NaN)",
            )
    return out


def unseen(encoding: Encoding, X: pd.DataFrame) -> dict[str, int]:
    """Rows per text column whose value the vocabulary does not know; nulls are not counted."""
    _check_columns(encoding, X)
    return {
        name: int((_codes(X[name], known) < 0).sum() - X[name].isna().sum())
        for name, known in encoding.categories.items()
    }


def _column(encoding: Encoding, values: "pd.Series[Any]") -> Matrix:
    name = str(values.name)
    if name in encoding.categories:
        codes = _codes(values, encoding.categories[name])
        return np.where(codes < 0, np.nan, codes).astype(np.float32)
    if not _is_number(values):
        raise ContractError(
            f"column '{name}' is text here and was a number when the model was fitted",
            where="X",
            fix="give the column its old type, or fit again",
        )
    with np.errstate(over="ignore"):
        return np.asarray(values.to_numpy(np.float32, na_value=np.nan))


def _codes(values: "pd.Series[Any]", known: tuple[str, ...]) -> NDArray[Any]:
    index = pd.Index(known, dtype=object)
    if isinstance(values.dtype, pd.CategoricalDtype):
        # One look-up per category, not per row; the last place answers for null (code -1).
        found = index.get_indexer(pd.Index(values.cat.categories.astype(str), dtype=object))
        return np.append(found, -1)[values.cat.codes.to_numpy()]
    null = values.isna().to_numpy()
    codes = index.get_indexer(pd.Index(values.astype(str).to_numpy(object)))
    return np.where(null, -1, codes)


def _vocabulary(values: "pd.Series[Any]") -> tuple[str, ...]:
    return tuple(sorted({str(v) for v in values.dropna().unique()}))


def _is_number(values: "pd.Series[Any]") -> bool:
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return False
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        return True
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if pd.api.types.is_object_dtype(dtype) and kind in _NUMBERS:
        return True
    if kind in ("string", "empty"):
        return False
    raise ContractError(
        f"column '{values.name}' is {kind}; a model takes numbers, bools, text and categories",
        where="X",
        fix="a time becomes an age before the decision",
    )


def _check_columns(encoding: Encoding, X: pd.DataFrame) -> None:
    missing = [name for name in encoding.columns if name not in X]
    if missing:
        raise ModelError(
            f"column '{missing[0]}' is missing ({len(missing)} of {len(encoding.columns)} are)",
            where="X",
            fix=nearest(missing[0], [str(c) for c in X.columns])
            or "compute the features with the task that stands in the artifact",
        )
