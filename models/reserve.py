"""The sequential part of deciding: requests meet limits, caps and exploration in time order.

In: for each request the action wished for and what each action would cost, with the book
(`models.limits`). Out: the action granted, what stood in its way, the propensity of every action,
and the new book. What does not depend on earlier requests is `models.decide`'s work.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from models.actions import INSTANT
from models.grant import grant
from models.limits import MICROS_PER_DAY, NEVER, LimitState
from models.policy import Policy

_SPENT_KEYS = ["scope", "key", "day"]
_SCOPES = ("day", "merchant", "category")


@dataclass(frozen=True)
class Wishes:
    """Requests before they meet each other; all arrays have one row a request.

    `wish` and `fallback` (if the day's loss budget refuses the wish) are action codes up to
    `INSTANT`; `allowed[i, a]` says which actions exploration may choose, `explore[i]` with which
    probability it chooses one of them. `loss[i, a]` is the expected loss in cents, `cost[i, a]` the
    whole expected cost. `base` is the tier's base limit, -1 where the row has no standing at all.
    `settled_us` is the time a replay knows the advance to be settled, `NEVER` where it does not.
    """

    row_id: "pd.Series[str]"
    user_id: "pd.Series[str]"
    merchant: "pd.Series[str] | None"
    category: "pd.Series[str] | None"
    as_of_us: NDArray[np.int64]
    settled_us: NDArray[np.int64]
    amount: NDArray[np.int64]
    seen_open: NDArray[np.int64]
    base: NDArray[np.int64]
    growth: NDArray[np.float64]
    wish: NDArray[np.int8]
    fallback: NDArray[np.int8]
    allowed: NDArray[np.bool_]
    explore: NDArray[np.float64]
    draw: NDArray[np.float64]
    loss: NDArray[np.float64]
    cost: NDArray[np.float64]


@dataclass(frozen=True)
class Granted:
    """What each request got.

    `why` is a code of `models.grant.OBSTACLES`. `limit` and `open` are the user's as the request
    met them, before its own reservation. `prob[i, a]` is the probability of action `a` given
    everything decided before, `keep[i]` that of the action taken without exploring.
    """

    action: NDArray[np.int8]
    why: NDArray[np.int8]
    prob: NDArray[np.float64]
    keep: NDArray[np.float64]
    limit: NDArray[np.int64]
    open: NDArray[np.int64]


def reserve(wishes: Wishes, policy: Policy, limits: LimitState) -> tuple[Granted, LimitState]:
    """Grant wishes in the order `(as_of, row_id)`, each under what the earlier ones left.

    The exposure a request meets is the larger of the book's and the one the ledger showed at its
    `as_of`: neither a book that starts empty nor a ledger that lags may hide money that is out.
    A first-scan plan reserves its amount like a payment, so that it can be kept at the scan.
    """
    w = wishes
    users, user = _user_rows(w.user_id, limits.users)
    spent, group = _spent_rows(w, limits.spent)
    book = tuple(users[c].to_numpy(copy=True) for c in users)
    sums = tuple(spent[c].to_numpy(copy=True) for c in spent)
    got = _nothing(len(w.amount))
    grant(
        _in_time_order(w),
        (user, group, w.as_of_us, w.amount, w.seen_open, w.base, w.growth),
        (w.wish, w.fallback, w.allowed, w.explore, w.draw, w.loss, w.cost),
        _bounds(policy),
        book,
        sums,
        (got.action, got.why, got.prob, got.keep, got.limit, got.open),
    )
    users = pd.DataFrame(dict(zip(users, book, strict=True)), index=users.index)
    spent = pd.DataFrame(dict(zip(spent, sums, strict=True)), index=spent.index)
    return got, LimitState(users, spent.reset_index())


def _nothing(n: int) -> Granted:
    return Granted(
        action=np.zeros(n, np.int8),
        why=np.zeros(n, np.int8),
        prob=np.zeros((n, INSTANT + 1)),
        keep=np.ones(n),
        limit=np.zeros(n, np.int64),
        open=np.zeros(n, np.int64),
    )


def _bounds(
    policy: Policy,
) -> tuple[float, NDArray[np.int64], NDArray[np.int64], float, float, float]:
    caps = (policy.caps.day, policy.caps.merchant, policy.caps.category)
    return (
        policy.growth.max_rise_30d,
        np.array([c.amount_cents for c in caps], np.int64),
        np.array([c.count for c in caps], np.int64),
        float(policy.caps.day.loss_cents),
        float(policy.exploration.max_loss_cents),
        float(policy.exploration.day_loss_cents),
    )


def _in_time_order(wishes: Wishes) -> NDArray[np.int64]:
    """Positions of requests, and `~position` where a replay settles one, after equal requests."""
    rank, _ = pd.factorize(wishes.row_id, sort=True)
    settled = np.flatnonzero(wishes.settled_us != NEVER)
    when = np.concatenate([wishes.as_of_us, wishes.settled_us[settled]])
    is_settled = np.arange(len(when)) >= len(rank)
    order = np.lexsort((np.concatenate([rank, rank[settled]]), is_settled, when))
    return np.concatenate([np.arange(len(rank)), ~settled])[order]


def _user_rows(
    ids: "pd.Series[str]", users: pd.DataFrame
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The book with a row for every user of the batch, and each request's row in it."""
    codes, unique = pd.factorize(ids)
    seen = pd.Index(np.asarray(unique))
    if len(users) and len(seen) and users.index.inferred_type != seen.inferred_type:
        raise ContractError(
            f"user_id is {seen.inferred_type}, in the book it is {users.index.inferred_type}",
            where="limits",
            fix="use the ids' own type in both",
        )
    # sorted, so that the book does not depend on the order of the rows
    new = seen[users.index.get_indexer(seen) < 0].sort_values()
    if len(new):
        fresh = pd.DataFrame(0, index=new, columns=users.columns).astype(users.dtypes)
        fresh = fresh.assign(growth=1.0, limit_us=NEVER)
        users = pd.concat([users, fresh]) if len(users) else fresh
    return users.rename_axis("user_id"), users.index.get_indexer(seen)[codes]


def _spent_rows(w: Wishes, spent: pd.DataFrame) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The days' spending with a row for every group of the batch, and each request's rows in it.

    A null merchant or category is a group of its own: what is unknown is capped too.
    """
    day = w.as_of_us // MICROS_PER_DAY
    columns = (pd.Series("", index=w.row_id.index), w.merchant, w.category)
    group = np.full((len(day), len(_SCOPES)), -1, np.int64)
    parts = [
        (s, *_groups(scope, column, day))
        for s, (scope, column) in enumerate(zip(_SCOPES, columns, strict=True))
        if column is not None
    ]
    old = spent.set_index(_SPENT_KEYS)
    index = old.index
    for _, keys, _ in parts:
        index = index.union(keys)
    for s, keys, codes in parts:
        group[:, s] = index.get_indexer(keys)[codes]
    return old.reindex(index, fill_value=0).astype(old.dtypes), group


def _groups(
    scope: str, column: "pd.Series[str]", day: NDArray[np.int64]
) -> tuple[pd.MultiIndex, NDArray[np.int64]]:
    """The distinct (scope, key, day) of a column, and each row's position among them."""
    # integer ids with a null arrive as floats; 5.0 and 5 are one merchant
    whole = column.astype("Int64") if pd.api.types.is_float_dtype(column.dtype) else column
    codes, unique = pd.factorize(whole)
    first = day.min() if len(day) else 0
    span = day.max() - first + 1 if len(day) else 1
    pairs, inverse = np.unique((codes + 1) * span + (day - first), return_inverse=True)
    text = np.concatenate([[""], np.asarray(unique).astype(str)])
    arrays = [np.repeat(scope, len(pairs)), text[pairs // span], pairs % span + first]
    return pd.MultiIndex.from_arrays(arrays, names=_SPENT_KEYS), inverse
