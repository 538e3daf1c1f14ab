"""The kernel of `models.reserve`: one pass over requests in time order, compiled by numba.

Arrays arrive grouped in tuples: `facts` (user, groups, time, amount, seen exposure, base, growth
target), `choices` (wish, fallback, allowed, explore, draw, loss, cost), `bounds` (the policy's
numbers), `book` (per user: open, limit, growth, time of the limit) and `sums` (per day and group:
amount, count, expected loss, cost of exploration); `book` and `sums` are written in place. Types
are numba's: one signature, cached.
"""

import numba as nb
import numpy as np

from models.actions import HOLD
from models.limits import grown, limit_of

#: What stood in the way, in code order.
OBSTACLES = (
    "",
    "no_limit",
    "limit_reached",
    "daily_cap",
    "merchant_cap",
    "category_cap",
    "loss_budget",
    "exploration",
)
_NO_LIMIT, _LIMIT, _FIRST_CAP, _LOSS, _EXPLORED = 1, 2, 3, 6, 7


@nb.njit(cache=True)
def grant(order, facts, choices, bounds, book, sums, out):  # type: ignore[no-untyped-def]
    """Decide requests one after the other; `~i` in `order` gives request i's amount back."""
    user, _, _, amount, _, _, _ = facts
    action, why, prob, keep, limit, exposure = out
    for event in order:
        if event < 0:
            if action[~event] != HOLD:
                book[0][user[~event]] -= amount[~event]
            continue
        i = event
        limit[i], exposure[i] = _meet(i, facts, book, bounds)
        room = _room(i, facts, book, sums, bounds)
        kept, why[i] = _kept(i, room, facts, choices, sums, bounds)
        chosen = _explore(i, kept, room, facts, choices, sums, bounds, prob)
        if chosen != kept:
            why[i] = _EXPLORED
        keep[i] = prob[i, kept]
        action[i] = chosen
        if chosen != HOLD:
            _commit(i, chosen, kept, facts, choices, book, sums)


@nb.njit(cache=True)
def _meet(i, facts, book, bounds):  # type: ignore[no-untyped-def]
    """Bring the user's exposure and limit up to the request's time; both are returned."""
    user, _, now, _, seen_open, base, growth = facts
    open_cents, limit_cents, last_growth, limit_us = book
    u = user[i]
    # the larger of book and ledger: neither may hide money that is out
    open_cents[u] = max(open_cents[u], seen_open[i])
    if base[i] < 0:
        return np.int64(0), open_cents[u]
    last_growth[u] = grown(growth[i], last_growth[u], limit_us[u], now[i], bounds[0])
    limit_us[u] = max(limit_us[u], now[i])
    limit_cents[u] = limit_of(base[i], last_growth[u])
    return limit_cents[u], open_cents[u]


@nb.njit(cache=True)
def _room(i, facts, book, sums, bounds):  # type: ignore[no-untyped-def]
    """Code of the first limit or cap that the amount does not fit under; 0 if it fits."""
    user, group, _, amount, _, _, _ = facts
    limit = book[1][user[i]]
    if book[0][user[i]] + amount[i] > limit:
        return _NO_LIMIT if limit == 0 else _LIMIT
    for s in range(group.shape[1]):
        g = group[i, s]
        if g >= 0 and (sums[0][g] + amount[i] > bounds[1][s] or sums[1][g] + 1 > bounds[2][s]):
            return _FIRST_CAP + s
    return 0


@nb.njit(cache=True)
def _within_budget(i, a, facts, choices, sums, bounds):  # type: ignore[no-untyped-def]
    return a == HOLD or sums[2][facts[1][i, 0]] + choices[5][i, a] <= bounds[3]


@nb.njit(cache=True)
def _kept(i, room, facts, choices, sums, bounds):  # type: ignore[no-untyped-def]
    """The action the policy takes without exploring, and what stood in the wish's way."""
    wish, fallback = choices[0][i], choices[1][i]
    if wish == HOLD:
        return HOLD, 0
    if room != 0:
        return HOLD, room
    if _within_budget(i, wish, facts, choices, sums, bounds):
        return wish, 0
    if _within_budget(i, fallback, facts, choices, sums, bounds):
        return fallback, _LOSS
    return HOLD, _LOSS


@nb.njit(cache=True)
def _may_explore(i, a, kept, room, facts, choices, sums, bounds):  # type: ignore[no-untyped-def]
    """An action that eligibility, limits and budgets leave, and that is cheap enough if earlier."""
    if a == kept or not choices[2][i, a]:
        return False
    if a != HOLD and (room != 0 or not _within_budget(i, a, facts, choices, sums, bounds)):
        return False
    cost = choices[6][i, a]
    return a < kept or (cost <= bounds[4] and sums[3][facts[1][i, 0]] + cost <= bounds[5])


@nb.njit(cache=True)
def _explore(i, kept, room, facts, choices, sums, bounds, prob):  # type: ignore[no-untyped-def]
    """Fill the row's propensities and return the action drawn."""
    explore, draw = choices[3][i], choices[4][i]
    count = 0
    if explore > 0.0:
        for a in range(prob.shape[1]):
            if _may_explore(i, a, kept, room, facts, choices, sums, bounds):
                prob[i, a] = explore
                count += 1
    if count == 0:
        prob[i, kept] = 1.0
        return kept
    chosen, place, pick = kept, 0, int(draw / explore * count) if draw < explore else -1
    for a in range(prob.shape[1]):
        if prob[i, a] > 0.0:
            prob[i, a] = explore / count
            if place == pick:
                chosen = a
            place += 1
    prob[i, kept] = 1.0 - explore
    return chosen


@nb.njit(cache=True)
def _commit(i, chosen, kept, facts, choices, book, sums):  # type: ignore[no-untyped-def]
    user, group, _, amount, _, _, _ = facts
    book[0][user[i]] += amount[i]
    for s in range(group.shape[1]):
        if group[i, s] >= 0:
            sums[0][group[i, s]] += amount[i]
            sums[1][group[i, s]] += 1
    sums[2][group[i, 0]] += choices[5][i, chosen]
    if chosen > kept:
        sums[3][group[i, 0]] += choices[6][i, chosen]
