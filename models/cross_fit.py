"""Outcome models that have not seen the user they speak of.

In: outcomes, the rows that teach, columns, users. Out: a prediction for every row. A doubly robust
estimate stays right whatever is predicted, as long as no row's own outcome has a part in it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError
from models.bootstrap import user_codes

Floats = NDArray[np.float64]
FOLDS = 5
PENALTY = 30.0  # counts as that many rows without any slope: losses are few and heavy


def cross_fitted(
    outcome: ArrayLike, taught: ArrayLike, X: ArrayLike, users: ArrayLike, folds: int = FOLDS
) -> Floats:
    """Ridge predictions for every row, by the rows of `taught` that belong to other users.

    Parameters
    ----------
    outcome : shape (n,), read where `taught`. taught : shape (n,), bool.
    X : shape (n, columns); a null counts as the column's mean.
    users : shape (n,); all rows of a user are in one of the `folds`.

    Returns
    -------
    Shape (n,). Without a row to learn from, 0: a constant is a model, too.
    """
    y, rows = np.asarray(outcome, np.float64), np.asarray(taught, np.bool_)
    if not np.isfinite(y[rows]).all():
        raise ContractError("an outcome to learn from is null", where="outcome", fix="leave it out")
    columns = _standardised(np.asarray(X, np.float64), rows)
    codes = user_codes(users)
    # fold of a user, not of a row; shuffled, for codes follow the ids
    fold = np.random.default_rng(0).permutation(int(codes.max(initial=-1)) + 1)[codes] % folds
    found = np.zeros(len(y))
    for k in range(folds):
        here, others = fold == k, rows & (fold != k)
        if others.any():
            found[here] = _ridge(columns[others], y[others], columns[here])
    return found


def _standardised(X: Floats, rows: NDArray[np.bool_]) -> Floats:
    if not rows.any() or not X.shape[1]:
        return np.zeros_like(X)
    known = np.isfinite(X)
    count = np.maximum(known[rows].sum(axis=0), 1)
    filled = np.where(known, X, 0.0)
    mean = filled[rows].sum(axis=0) / count
    centred = np.where(known, X - mean, 0.0)
    spread = np.sqrt((centred[rows] ** 2).sum(axis=0) / count)
    return centred / np.where(spread > 0, spread, 1.0)


def _ridge(X: Floats, y: Floats, wanted: Floats) -> Floats:
    """The intercept is free, the slopes are not."""
    centre, level = X.mean(axis=0), y.mean()
    Z = X - centre
    slope = np.linalg.solve(Z.T @ Z + PENALTY * np.eye(X.shape[1]), Z.T @ (y - level))
    return np.asarray(level + (wanted - centre) @ slope, np.float64)
