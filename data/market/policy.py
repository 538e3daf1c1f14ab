"""Advancing: what a policy sees of an open request, the logging policy, and the days in sequence.

The history is decided week by week: a policy sees the claw-backs known when the week begins, and
counts of requests and orders strictly before each request.
"""

from itertools import pairwise

import numpy as np
import pandas as pd

from data.errors import ContractError
from data.market.orders import PAYMENTS
from data.market.requests import REASONS
from data.market.world import ACTIONS, DAY, REFUND_TYPES, Array, World

WEEK = 7 * DAY
TOLERANCE = 1e-9


def logging_policy(world: World, seen: pd.DataFrame) -> Array:
    """Soft rules on observable history; every action keeps at least the floor's probability."""
    book = world.book["policy"]
    rate = (seen["user_requests"] + 1.0) / (seen["user_orders"] + 6.0) - 0.17
    utility = (
        np.array(book["base"])
        + np.outer(rate, book["refund_rate"])
        + np.outer(np.log(seen["amount_cents"] / 10_000), book["amount"])
        + np.outer(np.minimum(seen["tenure_days"] / 180, 2) - 1, book["tenure"])
        + np.outer(np.minimum(seen["user_clawbacks"], 3), book["clawbacks"])
        + np.outer(np.minimum(seen["user_unpaid"], 4), book["unpaid"])
    )
    soft = np.exp(utility - utility.max(axis=1, keepdims=True))
    soft /= soft.sum(axis=1, keepdims=True)
    return np.asarray(book["floor"] + (1 - len(ACTIONS) * book["floor"]) * soft)


def observables(bought: pd.DataFrame, cases: pd.DataFrame, categories: list[str]) -> pd.DataFrame:
    """What a policy may look at, one row a case; `user_clawbacks` is added week by week."""
    paid = ~bought["unpaid"].to_numpy()
    placed, buyer = bought["placed"].to_numpy(), bought["user"].to_numpy()
    user, at = cases["user"].to_numpy(), cases["at"].to_numpy()
    count, first = earlier(buyer[paid], placed[paid], user, at)
    return pd.DataFrame(
        {
            "case_id": np.arange(len(cases)),
            "user_id": user,
            "merchant_id": cases["merchant"],
            "as_of_us": at,
            "amount_cents": cases["amount"],
            "coupon_cents": cases["coupon"],
            "refund_type": np.array(REFUND_TYPES)[cases["refund_type"]],
            "reason": np.array(REASONS)[cases["reason"]],
            "category": np.array(categories)[cases["category"]],
            "payment_method": np.array(PAYMENTS)[cases["payment"]],
            "member_level": cases["level"],
            "user_orders": count,
            "user_requests": earlier(user, at, user, at)[0],
            "user_unpaid": earlier(buyer[~paid], placed[~paid], user, at)[0],
            "tenure_days": (at - first) / DAY,
        }
    )


def earlier(keys: Array, times: Array, key: Array, at: Array) -> tuple[Array, Array]:
    """How many events of the same key lie strictly before `at`, and when the first did."""
    order = np.lexsort((times, keys))
    keys, times = keys[order], times[order]
    start = np.searchsorted(keys, key)
    clock = np.unique(times)  # positions, not microseconds: a user's code times those overflows
    width = len(clock) + 1
    stop = np.searchsorted(
        keys * width + np.searchsorted(clock, times), key * width + np.searchsorted(clock, at)
    )
    count = stop - start
    first = np.where(count > 0, times[np.minimum(start, len(times) - 1)], at) if len(times) else at
    return count, first


def act(world: World, seen: pd.DataFrame, clawed_us: Array, plan_of: Array) -> tuple[Array, Array]:
    """Propensities and the action taken for each case, week after week.

    Parameters
    ----------
    clawed_us : shape (plans, cases), when a claw-back would be opened under each plan.
    plan_of : shape (actions,), the plan an action follows.

    Returns
    -------
    Propensities of shape (cases, actions), and the position of the action drawn.
    """
    u = world.stream("actions").random(len(seen))
    propensity = np.empty((len(seen), len(ACTIONS)))
    action = np.empty(len(seen), np.int64)
    opened = np.full(len(seen), np.iinfo(np.int64).max)
    clawbacks = np.zeros(int(seen["user_id"].max()) + 1, np.int64)
    counted = np.zeros(len(seen), bool)
    at, user = seen["as_of_us"].to_numpy(), seen["user_id"].to_numpy()
    first = int(at[0])
    edges = np.searchsorted(at, np.arange(first, int(at[-1]) + WEEK + 1, WEEK))
    for week, (low, high) in enumerate(pairwise(edges)):
        if low == high:
            continue
        known = ~counted[:low] & (opened[:low] < first + week * WEEK)
        np.add.at(clawbacks, user[:low][known], 1)
        counted[:low] |= known
        rows = seen.iloc[low:high].assign(user_clawbacks=clawbacks[user[low:high]])
        propensity[low:high] = _propensities(world, rows)
        cumulative = np.cumsum(propensity[low:high], axis=1)[:, :-1]
        action[low:high] = (cumulative <= u[low:high, None]).sum(axis=1)
        opened[low:high] = clawed_us[plan_of[action[low:high]], np.arange(low, high)]
    return propensity, action


def _propensities(world: World, rows: pd.DataFrame) -> Array:
    chosen = logging_policy(world, rows) if world.policy is None else world.policy(rows)
    result = np.asarray(chosen, np.float64)
    if result.shape != (len(rows), len(ACTIONS)):
        raise ContractError(
            f"the policy returned shape {result.shape}",
            where=world.policy_id,
            fix=f"one row a request and {len(ACTIONS)} probabilities: {', '.join(ACTIONS)}",
        )
    if not (result >= 0).all() or (np.abs(result.sum(axis=1) - 1) > TOLERANCE).any():
        raise ContractError(
            "the policy's propensities are negative or do not sum to 1", where=world.policy_id
        )
    return result
