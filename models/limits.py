"""Limits: what a user may have open, and the book of what is reserved and spent.

`LimitState` is the book between decisions: exposure per user, and what each day has spent of its
caps. `reserve` (in `models.reserve`) writes into a new book, `release` takes settled money out of
it. The limit's formula stands in the policy file, under [growth].
"""

from dataclasses import dataclass, field
from typing import Any

import numba as nb
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError
from models.policy import Policy

MICROS_PER_DAY = 86_400_000_000
NEVER = np.iinfo(np.int64).min


def _no_users() -> pd.DataFrame:
    dtypes = {
        "open_cents": "int64",
        "limit_cents": "int64",
        "growth": "float64",
        "limit_us": "int64",
    }
    users = pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in dtypes.items()})
    return users.rename_axis("user_id")


def _no_spending() -> pd.DataFrame:
    dtypes = {"scope": "str", "key": "str", "day": "int64"}
    sums = dict.fromkeys(("amount_cents", "count", "loss_cents", "explored_cents"), "float64")
    sums |= {"amount_cents": "int64", "count": "int64"}
    return pd.DataFrame({name: pd.Series(dtype=t) for name, t in (dtypes | sums).items()})


@dataclass(frozen=True)
class LimitState:
    """The book of reservations.

    `users`, indexed by user_id: `open_cents` reserved and not yet released, `limit_cents` and
    `growth` last in force and `limit_us`, the time of that in microseconds. `spent`, one row per
    `scope` (day, merchant, category), `key` and `day` (days since 1970): the amount, count,
    expected loss and cost of exploration committed on that day.
    """

    users: pd.DataFrame = field(default_factory=_no_users)
    spent: pd.DataFrame = field(default_factory=_no_spending)


def release(limits: LimitState, settled: pd.DataFrame) -> LimitState:
    """Take settled, recovered, written-off or lapsed advances out of the book.

    Parameters
    ----------
    settled : `user_id` and `amount_cents` >= 0, one row an advance.

    Raises
    ------
    ContractError : a user is not in the book, or more is released than was open.
    """
    if (settled["amount_cents"] < 0).any():
        raise ContractError("a release is negative", where="settled", fix="amounts are >= 0")
    freed = settled.groupby("user_id", observed=True)["amount_cents"].sum()
    users = limits.users.copy()
    rows = users.index.get_indexer(pd.Index(np.asarray(freed.index)))
    left = np.where(rows < 0, -1, users["open_cents"].to_numpy()[rows] - freed.to_numpy())
    if (left < 0).any():
        user = freed.index[int(np.argmax(left < 0))]
        raise ContractError(
            f"user {user!r} releases {freed[user]} cents, more than is open",
            where="settled",
            fix="release each advance once, and only what was reserved in this book",
        )
    open_cents = users["open_cents"].to_numpy(copy=True)
    open_cents[rows] = left
    users["open_cents"] = open_cents
    return LimitState(users, limits.spent)


def tier_bases(points: ArrayLike, policy: Policy) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Position of each score's tier (-1 below the last or for NaN) and its base limit in cents."""
    score = np.asarray(points, np.float64)
    lows = np.array([t.min_points for t in policy.tier][::-1])
    rank = np.searchsorted(lows, np.where(np.isnan(score), -np.inf, score), side="right")
    tier = np.where(rank > 0, len(lows) - rank, -1)
    bases = np.array([t.base_cents for t in policy.tier] + [0], np.int64)
    return tier, bases[tier]


def growth_target(clean_advances: ArrayLike, policy: Policy) -> NDArray[np.float64]:
    """Growth that the clean matured advances have earned, before the rise is capped; NaN is 0."""
    clean = np.nan_to_num(np.asarray(clean_advances, np.float64))
    earned = 1.0 + policy.growth.per_clean_advance * np.maximum(clean, 0.0)
    return np.asarray(np.minimum(earned, policy.growth.max_growth))


def limits_now(
    user_id: "pd.Series[Any]",
    base: NDArray[np.int64],
    growth: NDArray[np.float64],
    now_us: NDArray[np.int64],
    policy: Policy,
    limits: LimitState,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each user's limit in force at `now_us`, and what the book has open for the user; cents.

    Parameters
    ----------
    base, growth : of `tier_bases` and `growth_target`.
    """
    users = limits.users
    row = users.index.get_indexer(pd.Index(np.asarray(user_id)))
    known = row >= 0
    columns = {"open_cents": 0, "growth": 1.0, "limit_us": NEVER}
    last = {c: np.full(len(row), empty) for c, empty in columns.items()}
    for name, values in last.items():
        values[known] = users[name].to_numpy()[row[known]]
    rise = policy.growth.max_rise_30d
    limit = _limits(base, growth, last["growth"], last["limit_us"], now_us, rise)
    return limit, last["open_cents"]


@nb.njit(cache=True)
def limit_of(base_cents: int, growth: float) -> int:
    """Base x growth, to the nearest cent."""
    return round(base_cents * growth)


@nb.njit(cache=True)
def grown(target: float, last: float, last_us: int, now_us: int, rise: float) -> float:
    """Growth now in force: the target, or what the last growth may have risen to since.

    Without a last growth (`last_us` is `NEVER`) it counts as 1, thirty days ago. Because the bound
    compounds with the days, no split of a span into steps lets a growth rise faster.
    """
    if last_us == NEVER:
        return min(target, 1.0 + rise)
    days = max(now_us - last_us, 0) / MICROS_PER_DAY
    return float(min(target, last * (1.0 + rise) ** (days / 30.0)))


@nb.njit(cache=True)
def _limits(base, target, last, last_us, now_us, rise):  # type: ignore[no-untyped-def]
    limit = np.empty(len(base), np.int64)
    for i in range(len(base)):
        limit[i] = limit_of(base[i], grown(target[i], last[i], last_us[i], now_us[i], rise))
    return limit
