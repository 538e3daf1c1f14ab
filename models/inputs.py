"""What `fit` and `predict` accept: tables with names, arrays without; targets and weights.

In: what the caller passes. Out: a DataFrame or a finite-or-NaN array, float targets and weights.
A table with names is matched by name, a Polars or Arrow one too; an array goes through
scikit-learn's own validation, whose complaints become ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from data.errors import ContractError
from models.encode import Table

Floats = NDArray[np.float64]
MOST_WEIGHT = 1e18  # sums of more are no counts, and overflow LightGBM's


def table_to_fit(estimator: Any, X: Any) -> Table:
    """The table, and the estimator's `n_features_in_` and `feature_names_in_` set."""
    X = _frame(X)
    if not isinstance(X, pd.DataFrame) or not _has_names(X):
        return _array(estimator, X)
    if not len(X) or not X.shape[1]:
        raise ContractError(f"X has shape {X.shape}", where="X", fix="give at least one row")
    estimator.n_features_in_ = X.shape[1]
    estimator.feature_names_in_ = np.asarray(X.columns, dtype=object)
    return X


def table_to_predict(estimator: Any, X: Any) -> Table:
    """The table; names are matched by the encoding, arrays by scikit-learn's validation."""
    X = _frame(X)
    named = hasattr(estimator, "feature_names_in_")
    if named and isinstance(X, pd.DataFrame) and _has_names(X):
        return X
    return _array(estimator, X, reset=False)


def target_to_fit(y: Any, X: Table) -> NDArray[Any]:
    """A target without nulls or infinity, one value a row."""
    if y is None:
        raise ContractError("requires y to be passed, but the target y is None", where="y")
    with _ours("y", "give one value a row, each of one of two classes"):
        values = column_or_1d(y, warn=True)
    null = np.flatnonzero(pd.isna(values))
    if null.size:
        raise ContractError(
            f"y holds {null.size} null values (NaN; first: row {null[0]})",
            where="y",
            fix="fit on matured rows with a label only: y.notna()",
        )
    check_lengths(len(X), y=values)
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise ContractError("y holds infinity", where="y", fix="look at how the label is computed")
    if values.dtype == object:  # what is left of a nullable column once its nulls are dropped
        plain = pd.Series(values, dtype=object).infer_objects()
        values = plain.to_numpy() if plain.dtype.kind in "bif" else values
    return np.asarray(values)


def weights_to_fit(sample_weight: ArrayLike | None, X: Table) -> Floats:
    """Weights of at least 0, one a row; 1 where none are given."""
    if sample_weight is None:
        return np.ones(len(X))
    rows = np.empty((len(X), 0))
    with _ours("sample_weight", "give a number of at least 0 for each row, one of them above 0"):
        weight = _check_sample_weight(
            sample_weight, rows, dtype=np.float64, ensure_non_negative=True
        )
    return np.asarray(weight, np.float64)


def two_classes(y: NDArray[Any], weight: Floats) -> tuple[NDArray[Any], Floats]:
    """The two classes, the larger is the bad outcome, and the target as 0 and 1.

    Raises
    ------
    ContractError : one class or several, or weights of a class that sum to less than one row.
    """
    with _ours("y", "a risk asks one question of two outcomes, such as 0 and 1"):
        check_classification_targets(y)
    classes = np.unique(y[weight > 0])
    if classes.size == 1:
        raise ContractError(
            f"only one class ({classes[0]}) in y",
            where="y",
            fix="a risk needs both outcomes: take a longer history, or look at the label",
        )
    if classes.size > 2:
        raise ContractError(
            "Only binary classification is supported. "
            f"The type of the target is {type_of_target(y)}.",
            where="y",
            fix="ask one question of two outcomes",
        )
    target = (y == classes[1]).astype(np.float64)
    _check_counts(classes, target, weight)
    return classes, target


def check_lengths(n: int, **arrays: Any) -> None:
    """Refuse arrays that do not have one value a row."""
    for name, values in arrays.items():
        if values is not None and len(values) != n:
            raise ContractError(
                f"{name} has {len(values)} rows and X has {n}",
                where=name,
                fix="select the same rows of both",
            )


def _check_counts(classes: NDArray[Any], target: Floats, weight: Floats) -> None:
    """Weights count rows: trees and priors would take normalised ones for a table of one row."""
    for which, name in enumerate(classes):
        total = float(weight[target == which].sum())
        if not MOST_WEIGHT > total >= 1 - 1e-9:
            raise ContractError(
                f"the weights of class {name} sum to {total:.3g}; a weight of 2 is a row twice",
                where="sample_weight",
                fix="scale them to a mean of 1: sample_weight / sample_weight.mean()",
            )


@contextmanager
def _ours(where: str, fix: str) -> Iterator[None]:
    """Make what scikit-learn says of an input say where and how to fix it, too."""
    try:
        yield
    except ValueError as error:
        raise ContractError(str(error).strip(), where=where, fix=fix) from error


def _frame(X: Any) -> Any:
    """A Polars or Arrow table as a DataFrame; anything else as it is."""
    return X.to_pandas() if hasattr(X, "to_pandas") else X


def _array(estimator: Any, X: Any, reset: bool = True) -> NDArray[Any]:
    fix = "give a table of numbers; text needs a DataFrame whose columns are named by text"
    if isinstance(X, pd.DataFrame) and any(isinstance(c, str) for c in X.columns) > _has_names(X):
        odd = next(c for c in X.columns if not isinstance(c, str))
        what = f"some columns are named by text, and one is named {odd!r}"
        raise ContractError(what, where="X", fix="X.columns = X.columns.astype(str)")
    with _ours("X", fix):
        return np.asarray(validate_data(estimator, X, reset=reset, ensure_all_finite="allow-nan"))


def _has_names(X: pd.DataFrame) -> bool:
    """All columns are named by text, as scikit-learn asks of names."""
    return all(isinstance(c, str) for c in X.columns)
