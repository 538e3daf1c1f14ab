"""The look-up: a request answered from last night's standing of its user (`models.standing`).

At most the row's `max_instant_cents` is paid at once, under the limit; whatever is too old, missing
or blocked takes the normal track with that reason, and a user without a row gets the default one.
A plan for the first scan is the batch's answer (`models.decide`), never this one's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, nearest
from models.actions import ACTIONS, HOLD, INSTANT, REVIEW
from models.eligibility import Eligibility, eligibility
from models.policy import Policy
from models.standing import COLUMNS

Mask = NDArray[np.bool_]
Reasons = NDArray[np.object_]
Checks = list[tuple[Reasons, Mask]]


@dataclass(frozen=True)
class Answer:
    """What one request is told; money in cents."""

    action: str
    binding: str
    tier: str
    limit_cents: int
    open_cents: int
    max_instant_cents: int
    as_of: pd.Timestamp
    valid_until: pd.Timestamp
    policy_version: str


def answer(
    standing: pd.DataFrame,
    user_id: Any,
    at: pd.Timestamp,
    amount_cents: int,
    *,
    policy: Policy,
    request: Mapping[str, Any] | None = None,
    reserved_cents: int = 0,
) -> Answer:
    """Answer one request; see `answers`.

    Parameters
    ----------
    request : the attributes that the policy's rules read (`payment_method`, ...).
    """
    facts = {"user_id": user_id, "at": at, "amount_cents": amount_cents}
    facts |= {"reserved_cents": reserved_cents}
    told = answers(standing, pd.DataFrame([{**(request or {}), **facts}]), policy).iloc[0]
    return Answer(
        action=told["action"],
        binding=told["binding"],
        tier=told["tier"],
        limit_cents=int(told["limit_cents"]),
        open_cents=int(told["open_cents"]),
        max_instant_cents=int(told["max_instant_cents"]),
        as_of=told["as_of"],
        valid_until=told["valid_until"],
        policy_version=told["policy_version"],
    )


def answers(standing: pd.DataFrame, requests: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Answer requests from standing rows, each as if it were the only one.

    Parameters
    ----------
    standing : made by `standing_rows`; one row a user and the default row.
    requests : `user_id`, `at` (UTC), `amount_cents`, the attributes that the policy's rules read,
        and optionally `reserved_cents`: what was reserved for the user since the standing's time.
    policy : the policy in force now; its kill switch, rules and ages hold at once, also for
        standing rows that an older version made.

    Returns
    -------
    One row a request, with its index: `action`, `binding` and the standing it was read from.

    Raises
    ------
    ContractError : a column is missing, an amount is null or negative, a user stands twice, or the
        user ids are numbers in one table and text in the other.
    """
    _need(requests, ("user_id", "at", "amount_cents"), "requests")
    amount = requests["amount_cents"].to_numpy(np.float64, na_value=np.nan)
    if not (amount >= 0.0).all():
        raise ContractError("an amount is negative or null", where="requests", fix="give cents")
    row = standing.iloc[_rows_of(standing, requests["user_id"])].set_axis(requests.index)
    rules = eligibility(requests.assign(as_of=requests["at"]), policy.rule)
    early = _too_old(row, requests["at"], policy)
    ruled, by_rule = _ruled(rules, policy)
    review = (rules.forced == REVIEW) & ~_any(early)
    checks = [*early, (by_rule, ruled), *_too_much(row, requests, amount, rules)]
    default = np.where(
        row["user_id"].isna(), "unknown_user", np.where(by_rule != "", by_rule, "value")
    )
    binding = np.select([mask for _, mask in checks], [why for why, _ in checks], default)
    action = np.where(review, REVIEW, np.where(_any(checks), HOLD, INSTANT))
    told = row[[c for c in COLUMNS if c not in ("user_id", "eligible", "binding")]].copy()
    told.insert(0, "action", np.array(ACTIONS, object)[action])
    told.insert(1, "binding", binding)
    return told


def _any(checks: Checks) -> Mask:
    return np.asarray(np.any([mask for _, mask in checks], axis=0), np.bool_)


def _too_old(row: pd.DataFrame, at: "pd.Series[pd.Timestamp]", policy: Policy) -> Checks:
    age = at - row["ledger_ts"]
    stale = ~(age <= pd.Timedelta(hours=policy.validity.max_ledger_age_hours))
    expired = ~((at >= row["as_of"]) & (at < row["valid_until"]))
    return [
        (_all("kill_switch", row), np.full(len(row), policy.kill_switch)),
        (_all("stale_ledger", row), stale.to_numpy(np.bool_)),
        (_all("expired_standing", row), expired.to_numpy(np.bool_)),
        (_all("missing_score", row), row["points"].isna().to_numpy(np.bool_)),
    ]


def _ruled(rules: Eligibility, policy: Policy) -> tuple[Mask, Reasons]:
    """Where a rule leaves no instant payment, and the reason of the rule that spoke."""
    reasons = np.array([*(r.reason for r in policy.rule), ""], object)
    closed = rules.closed_by[:, INSTANT]
    by_rule = reasons[np.where(rules.forced_by >= 0, rules.forced_by, closed)]
    return ~rules.allowed[:, INSTANT], by_rule


def _too_much(
    row: pd.DataFrame, requests: pd.DataFrame, amount: NDArray[np.float64], rules: Eligibility
) -> Checks:
    """The limit, and then the standing's own word, which a forced payment overrides."""
    forced = rules.forced == INSTANT
    reserved = requests.get("reserved_cents", pd.Series(0, index=requests.index))
    room = (row["limit_cents"] - row["open_cents"] - reserved).to_numpy(np.float64)
    value = np.where(row["user_id"].isna(), "unknown_user", "value").astype(object)
    return [
        (row["binding"].to_numpy(object), ~row["eligible"].to_numpy(np.bool_) & ~forced),
        (_all("limit_reached", row), amount > room),
        (value, (amount > row["max_instant_cents"].to_numpy(np.float64)) & ~forced),
    ]


def _all(reason: str, row: pd.DataFrame) -> Reasons:
    return np.full(len(row), reason, object)


def _rows_of(standing: pd.DataFrame, users: "pd.Series[Any]") -> NDArray[np.int64]:
    """Each user's row in the standing; the default row for a user who has none."""
    ids = standing["user_id"]
    default = np.flatnonzero(ids.isna())
    if len(default) != 1 or ids.duplicated().any():
        raise ContractError(
            "a standing needs each user once and one default row (a null user_id)",
            where="standing",
            fix="take it as standing_rows made it",
        )
    known = ids.dropna()
    if len(known) and len(users.dropna()) and _is_numeric(known) != _is_numeric(users):
        raise ContractError(
            f"user_id is {users.dtype}, in the standing it is {ids.dtype}",
            where="requests",
            fix="use the ids' own type in both",
        )
    rows = pd.Index(ids.astype(object)).get_indexer(pd.Index(users.astype(object)))
    return np.asarray(np.where((rows < 0) | users.isna(), default[0], rows), np.int64)


def _is_numeric(ids: "pd.Series[Any]") -> bool:
    inner = ids.cat.categories.dtype if isinstance(ids.dtype, pd.CategoricalDtype) else ids.dtype
    return pd.api.types.is_numeric_dtype(inner)


def _need(table: pd.DataFrame, names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in table:
            fix = nearest(name, [str(c) for c in table.columns]) or f"columns: {', '.join(names)}"
            raise ContractError(f"column '{name}' is missing", where=where, fix=fix)
