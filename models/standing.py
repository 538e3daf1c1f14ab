"""Standing: what a user may have before any request is known; the credit card of the night.

In: scored users. Out: one row a user with score, tier, limit and the largest refund that is paid at
once, and one default row (its `user_id` is null) for users nobody has seen. `models.lookup` reads
it; the limit is the formula that `models.decide` uses.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, nearest
from models.actions import INSTANT
from models.eligibility import Eligibility, eligibility
from models.limits import LimitState, growth_target, limits_now, tier_bases
from models.money import speed_value
from models.policy import Policy
from models.policy_sections import Rule
from models.requests import microseconds

REQUIRED = (
    "user_id",
    "as_of",
    "points",
    "p_claw",
    "lgd",
    "hours_instant",
    "clawcost_instant_cents",
    "open_cents",
    "clean_advances",
)
COLUMNS = (
    "user_id",
    "points",
    "tier",
    "limit_cents",
    "open_cents",
    "max_instant_cents",
    "eligible",
    "binding",
    "as_of",
    "ledger_ts",
    "valid_until",
    "policy_id",
    "policy_version",
)
NEEDED = REQUIRED[2:-1]  # a null in one of these leaves no answer
_LARGEST = 10**15


def standing_rows(
    scored_users: pd.DataFrame, policy: Policy, limits: LimitState | None = None
) -> pd.DataFrame:
    """The standing of each user, in the order given, and the default row last.

    It is `with_default(user_rows(...), policy)`; a row is a function of its user alone, so that
    many users can be taken some at a time.

    Parameters
    ----------
    scored_users : one row a user: `user_id`, `as_of` (UTC), `points`; for the user's next request,
        if paid instantly, `p_claw`, `lgd`, `hours_instant` (hours saved) and
        `clawcost_instant_cents` (expected cost of claw-backs); `open_cents`, `clean_advances`; the
        user-level columns that rules read. Optional: `ledger_age_hours` of the newest data. A null
        leaves the user without an answer (`missing_score`).
    limits : the book, for reservations the ledger has not seen and for the growth last in force.

    Returns
    -------
    `COLUMNS`. `max_instant_cents` is the largest amount whose instant payment is worth more than it
    costs and fits under the limit; `eligible` says whether it is above 0, `binding` why or why not.
    Rules on columns that only a request has are left to the look-up.
    """
    return with_default(user_rows(scored_users, policy, limits), policy)


def user_rows(
    scored_users: pd.DataFrame, policy: Policy, limits: LimitState | None = None
) -> pd.DataFrame:
    """The standing of each user without the default row; see `standing_rows`."""
    table = _checked(scored_users)
    read = tuple(r for r in policy.rule if r.column in table)
    rules = eligibility(table, read)
    tier, base = tier_bases(table["points"], policy)
    growth = growth_target(table["clean_advances"], policy)
    now = microseconds(table["as_of"])
    limit, booked = limits_now(table["user_id"], base, growth, now, policy, limits or LimitState())
    exposure = np.maximum(table["open_cents"].fillna(0).to_numpy(np.int64), booked)
    worth = np.where(rules.forced == INSTANT, _LARGEST, _worth_cents(table, policy))
    held = _held(table, policy, rules, read)
    most = np.where(held != "", 0, np.clip(np.minimum(worth, limit - exposure), 0, None))
    full = np.where(limit == 0, "no_limit", np.where(limit <= exposure, "limit_reached", "value"))
    forced = (rules.forced == INSTANT) & (most > 0)
    return pd.DataFrame(
        {
            "user_id": table["user_id"],
            "points": table["points"],
            "tier": _tier_names(tier, policy),
            "limit_cents": limit,
            "open_cents": exposure,
            "max_instant_cents": most.astype(np.int64),
            "eligible": most > 0,
            "binding": np.where(held != "", held, np.where(forced, "allow_list", full)),
            **_times(table, policy),
        }
    )


def with_default(rows: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Rows of `user_rows`, then that of an unknown user: the policy's points, nothing open."""
    tier, base = tier_bases([policy.default_user.points], policy)
    most = min(policy.default_user.max_instant_cents, int(base[0])) * (not policy.kill_switch)
    stranger = rows.iloc[[0]].assign(
        user_id=None,
        points=policy.default_user.points,
        tier=_tier_names(tier, policy),
        limit_cents=base,
        open_cents=0,
        max_instant_cents=most,
        eligible=most > 0,
        binding="unknown_user",
    )
    ids = rows["user_id"]
    nullable = "Int64" if pd.api.types.is_integer_dtype(ids.dtype) else ids.dtype
    both = [t.astype({"user_id": nullable}) for t in (rows, stranger)]
    every = pd.concat(both, ignore_index=True)
    return every.assign(policy_id=policy.id, policy_version=policy.version)[list(COLUMNS)]


def _tier_names(tier: NDArray[np.int64], policy: Policy) -> NDArray[np.object_]:
    return np.array([*(t.name for t in policy.tier), "none"], object)[tier]


def _checked(users: pd.DataFrame) -> pd.DataFrame:
    for name in REQUIRED:
        if name not in users:
            fix = nearest(name, [str(c) for c in users.columns]) or "scored has one row a user"
            raise ContractError(f"column '{name}' is missing", where="scored users", fix=fix)
    if users.empty or users["user_id"].isna().any() or users["user_id"].duplicated().any():
        raise ContractError(
            "no user, a null user or a user twice", where="scored users", fix="give each user once"
        )
    age = users.get("ledger_age_hours", pd.Series(0.0, index=users.index))
    numbers = dict.fromkeys(("ledger_age_hours", *REQUIRED[2:]), "float64")
    return users.assign(ledger_age_hours=age).astype(numbers)


def _worth_cents(table: pd.DataFrame, policy: Policy) -> NDArray[np.float64]:
    """The largest amount whose instant payment has a value above 0.

    The value falls in a straight line with the amount: speed - claw-back cost - amount x slope.
    """
    hours = table["hours_instant"].fillna(0.0).clip(lower=0.0)
    speed = speed_value(hours, policy.value.hour_cents, policy.value.hours_cap)
    left = (speed - table["clawcost_instant_cents"].fillna(0.0)).to_numpy(np.float64)
    slopes = table["p_claw"] * table["lgd"] + policy.value.capital_per_day * hours / 24.0
    slope = slopes.fillna(0.0).to_numpy(np.float64)
    most = np.full(len(table), float(_LARGEST))
    np.divide(left, slope, out=most, where=slope > 0.0)
    return np.where(left > 0.0, np.minimum(np.ceil(most) - 1.0, _LARGEST), 0.0)


def _held(
    table: pd.DataFrame, policy: Policy, rules: Eligibility, read: tuple[Rule, ...]
) -> NDArray[np.object_]:
    """What holds a user whatever the amount; the empty string for nothing."""
    age = table["ledger_age_hours"].to_numpy(np.float64)
    reasons = np.array([*(r.reason for r in read), ""], object)
    position = np.where(rules.forced_by >= 0, rules.forced_by, rules.closed_by[:, INSTANT])
    checks = {
        "kill_switch": np.full(len(table), policy.kill_switch),
        "stale_ledger": ~(age <= policy.validity.max_ledger_age_hours),
        "missing_score": table[list(NEEDED)].isna().any(axis=1).to_numpy(),
    }
    by_rule = np.where(rules.allowed[:, INSTANT], "", reasons[position]).astype(object)
    reason = [np.full(len(table), name, object) for name in checks]
    return np.asarray(np.select(list(checks.values()), reason, by_rule), object)


def _times(table: pd.DataFrame, policy: Policy) -> dict[str, "pd.Series[pd.Timestamp]"]:
    as_of = table["as_of"].dt.as_unit("us")
    age = pd.to_timedelta(table["ledger_age_hours"], unit="h").dt.as_unit("us")
    valid = pd.Timedelta(hours=policy.validity.valid_hours).as_unit("us")
    return {"as_of": as_of, "ledger_ts": as_of - age, "valid_until": as_of + valid}
