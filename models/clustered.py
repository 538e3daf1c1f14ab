"""Means with intervals that know that one user's rows are not independent.

In: a score per row whose mean is the estimate (an influence function), and the row's user. Out: an
interval. Users are independent of each other, nothing is asked of the rows of one user: the rows'
deviations are summed by user before they are squared (sandwich; Liang and Zeger 1986).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from data.errors import ContractError
from models.bootstrap import Interval, user_codes

Floats = NDArray[np.float64]
FEWEST_USERS = 2


def clustered_mean(scores: ArrayLike, users: ArrayLike, level: float = 0.95) -> Interval:
    """The mean of the scores with an interval that knows how skewed the users' sums are.

    Rewards are many small gains and few large losses: a symmetric interval is too short on the side
    of the losses, and its variance is itself uncertain. Hall's (1992) monotone cubic transformation
    takes the skewness out of the t statistic; its degrees of freedom are those whose chi-square
    varies as much as the variance of the sums, 2 users / (kurtosis - 1). With 2 % losses among 950
    rows this covers 99 %, skewness alone 97 %, t alone 90 %, the normal interval 84 %; where
    losses are many, all cover 95 %.

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
    sums = np.bincount(codes, values - mean, count).astype(np.float64) * (count / len(values))
    spread = float(np.sqrt(sums @ sums / (count - 1)))
    if not spread > 0:
        return Interval(mean, mean, mean)
    skewness, kurtosis = (float(np.mean((sums / spread) ** k)) for k in (3, 4))
    free = np.clip(2 * count / max(kurtosis - 1, 1e-12), 1, count - 1)
    quantile = float(student.ppf((1 + level) / 2, free)) / np.sqrt(count)
    ends = (mean - spread * _inverse(q, skewness, count) for q in (quantile, -quantile))
    return Interval(mean, *ends)


def _inverse(x: float, skewness: float, n: int) -> float:
    """Inverse of Hall's transformation W + g W^2 / 3 + g^2 W^3 / 27 + g / (6 n)."""
    if abs(skewness) < 1e-6:
        return x
    return float(3 / skewness * (np.cbrt(1 + skewness * (x - skewness / (6 * n))) - 1))
