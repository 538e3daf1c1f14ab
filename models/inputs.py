"""What `fit` and `predict` accept: tables with names, arrays without; targets and weights.

In: what the caller passes. Out: a DataFrame or a finite-or-NaN array, float targets and weights.
A table with names is matched by name; an array goes through scikit-learn's own validation.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, column_or_1d, validate_data

from data.errors import ContractError
from models.encode import Table

Floats = NDArray[np.float64]


def table_to_fit(estimator: Any, X: Any) -> Table:
    """The table, and the estimator's `n_features_in_` and `feature_names_in_` set."""
    if not isinstance(X, pd.DataFrame) or not _has_names(X):
        return np.asarray(validate_data(estimator, X, ensure_all_finite="allow-nan"))
    if not len(X) or not X.shape[1]:
        raise ContractError(f"X has shape {X.shape}", where="X", fix="give at least one row")
    estimator.n_features_in_ = X.shape[1]
    estimator.feature_names_in_ = np.asarray(X.columns, dtype=object)
    return X


def table_to_predict(estimator: Any, X: Any) -> Table:
    """The table; names are matched by the encoding, arrays by scikit-learn's validation."""
    named = hasattr(estimator, "feature_names_in_")
    if named and isinstance(X, pd.DataFrame) and _has_names(X):
        return X
    checked = validate_data(estimator, X, reset=False, ensure_all_finite="allow-nan")
    return np.asarray(checked)


def target_to_fit(y: Any, X: Table) -> NDArray[Any]:
    """A target without nulls or infinity, one value a row."""
    if y is None:
        raise ContractError("requires y to be passed, but the target y is None", where="y")
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
    return np.asarray(values)


def weights_to_fit(sample_weight: ArrayLike | None, X: Table) -> Floats:
    """Weights of at least 0, one a row; 1 where none are given."""
    if sample_weight is None:
        return np.ones(len(X))
    rows = np.empty((len(X), 0))
    weight = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    if not weight.any():
        raise ContractError("every sample weight is zero", where="sample_weight")
    return np.asarray(weight, np.float64)


def two_classes(y: NDArray[Any], weight: Floats) -> tuple[NDArray[Any], Floats]:
    """The two classes, the larger is the bad outcome, and the target as 0 and 1."""
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
    return classes, (y == classes[1]).astype(np.float64)


def check_lengths(n: int, **arrays: Any) -> None:
    """Refuse arrays that do not have one value a row."""
    for name, values in arrays.items():
        if values is not None and len(values) != n:
            raise ContractError(
                f"{name} has {len(values)} rows and X has {n}",
                where=name,
                fix="select the same rows of both",
            )


def _has_names(X: pd.DataFrame) -> bool:
    """All columns are named by text, as scikit-learn asks of names."""
    return all(isinstance(c, str) for c in X.columns)
