"""Means with intervals that know that one user's rows are not independent.

In: a score per row whose mean is the estimate (an influence function), and the row's user. Out: an
interval. Users are independent of each other, nothing is asked of the rows of one user: the rows'
deviations are summed by user before they are squared (sandwich; Liang and Zeger 1986).
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from data.errors import ContractError
from models.bootstrap import Interval

Floats = NDArray[np.float64]
FEWEST_USERS = 2


def clustered_mean(scores: ArrayLike, users: ArrayLike, level: float = 0.95) -> Interval:
    """The mean of the scores with a t interval.

    The variance of heavy-tailed sums is itself uncertain: the degrees of freedom are those whose
    chi-square varies as much as the variance estimate does, 2 users / (kurtosis - 1), the kurtosis
    taken of the users' sums.

    Parameters
    ----------
    scores : shape (n,), finite. users : shape (n,), any ids; a null is a user of its own.
    level : of the two-sided interval.

    Raises
    ------
    ContractError : fewer than two users, of whom no interval can be given.
    """
    values = np.asarray(scores, np.float64)
    codes = user_codes(users)
    count = int(codes.max()) + 1 if len(codes) else 0
    if count < FEWEST_USERS:
        raise ContractError(
            f"{len(values)} rows of {count} user{'s' * (count != 1)} have no interval",
            where="users",
            fix=f"give rows of at least {FEWEST_USERS} users, or a wider segment",
        )
    mean = float(values.mean())
    sums = np.bincount(codes, values - mean, count).astype(np.float64)
    square = float(sums @ sums)
    error = np.sqrt(square * count / (count - 1)) / len(values)
    wide = error * _quantile(sums, level) if square > 0 else 0.0
    return Interval(mean, mean - wide, mean + wide)


def user_codes(users: ArrayLike) -> NDArray[np.int64]:
    """Codes 0..users-1 of ids; nothing says that two nulls are one person."""
    codes, known = pd.factorize(np.asarray(users), sort=True)
    null = np.flatnonzero(codes < 0)
    codes[null] = len(known) + np.arange(null.size)
    return np.asarray(codes, np.int64)


def _quantile(sums: Floats, level: float) -> float:
    count, square = len(sums), float(sums @ sums)
    kurtosis = count * float(np.sum(sums**4)) / square**2
    free = np.clip(2 * count / max(kurtosis - 1, 1e-12), 1.0, count - 1)
    return float(student.ppf((1 + level) / 2, free))
