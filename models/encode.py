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
_TIMES = {"datetime", "datetime64", "date", "time", "timedelta", "timedelta64", "period"}


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
    text = {name: _vocabulary(_plain(X[name])) for name in columns if not _is_number(X[name])}
    return Encoding(columns, text)


def encode(encoding: Encoding, X: Table) -> Matrix:
    """The float32 matrix of `X`, columns in the stored order; further columns are ignored.

    Raises
    ------
    ModelError : a column of the model is missing.
    ContractError : an infinite number, text where the model learnt numbers or numbers where it
        learnt words, two columns of one name.
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
        name: int((_codes(_plain(X[name]), known) < 0).sum() - X[name].isna().sum())
        for name, known in encoding.categories.items()
    }


def _column(encoding: Encoding, values: "pd.Series[Any]") -> Matrix:
    name, values = str(values.name), _plain(values)
    if name in encoding.categories:
        _check_words(values, encoding.categories[name])
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
        found = index.get_indexer(_spelt(values.cat.categories))
        return np.append(found, -1)[values.cat.codes.to_numpy()]
    null = values.isna().to_numpy()
    codes = index.get_indexer(_spelt(pd.Index(values)))
    return np.where(null, -1, codes)


def _vocabulary(values: "pd.Series[Any]") -> tuple[str, ...]:
    known = values.dropna().unique()
    if isinstance(known, pd.Categorical):
        known = known.remove_unused_categories().categories
    return tuple(sorted(set(_spelt(pd.Index(known)))))


def _spelt(values: "pd.Index[Any]") -> "pd.Index[Any]":
    """Values as words; 6.0 is spelt 6, for codes turn to floats with their first null."""
    words = values.astype(str).astype(object)
    if not pd.api.types.is_float_dtype(values.dtype):
        return words
    return words.where(
        values.to_numpy(np.float64, na_value=np.nan) % 1 != 0, words.str.removesuffix(".0")
    )


def _check_words(values: "pd.Series[Any]", known: tuple[str, ...]) -> None:
    """Refuse numbers where words were learnt: none would be known, and the column like null."""
    if isinstance(values.dtype, pd.CategoricalDtype) or not _is_number(values):
        return
    if values.isna().all() or all(_number_word(word) for word in known):
        return
    raise ContractError(
        f"column '{values.name}' is numbers here and was text when the model was fitted",
        where="X",
        fix="give the column its old type, or fit again",
    )


def _number_word(word: str) -> bool:
    """Whether a number is spelt like that."""
    if word in ("True", "False"):
        return True
    try:
        return word in (str(float(word)), str(float(word)).removesuffix(".0"))
    except ValueError:
        return False


def _plain(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """The column; Arrow's dictionaries as categories, its column without a type as nulls."""
    kind = str(values.dtype)
    if kind == "null[pyarrow]":
        return pd.Series(None, values.index, dtype=object, name=values.name)
    if kind.startswith("dictionary<"):
        return values.astype(object).astype("category")
    return values


def _is_number(values: "pd.Series[Any]") -> bool:
    values = _plain(values)
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return False
    if pd.api.types.is_bool_dtype(dtype):
        return True
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
        fix="a time becomes an age before the decision"
        if kind in _TIMES
        else f"make it numbers, or text: X['{values.name}'].astype(str)",
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
    twice = X.columns[X.columns.duplicated()].intersection(pd.Index(encoding.columns))
    if len(twice):
        raise ContractError(f"two columns are named '{twice[0]}'", where="X", fix="rename one")
