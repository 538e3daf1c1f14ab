"""Decide: priced requests, a policy and the book of limits in; one action a request out.

Order of the constraints: kill switch, stale data, missing score, eligibility, then the value of
each action, then the limit and the caps, then exploration. `binding` names what decided, the
constraint first. The result depends on the three arguments and nothing else, not on the order of
the rows; ties in time are broken by `row_id`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.actions import ACTIONS, BINDING_REASONS, HOLD, INSTANT, REVIEW, SCAN
from models.draws import uniform
from models.eligibility import Eligibility, eligibility
from models.grant import OBSTACLES
from models.limits import LimitState, growth_target, tier_bases
from models.policy import Policy
from models.prices import Prices, prices
from models.requests import checked, microseconds
from models.reserve import Granted, Wishes, reserve

Codes = NDArray[np.int8]


def decide(
    scored: pd.DataFrame, policy: Policy, limits: LimitState
) -> tuple[pd.DataFrame, LimitState]:
    """One action for every request, and the book after them.

    Parameters
    ----------
    scored : one row a request, any order. `row_id` (unique), `user_id`, `as_of` (UTC),
        `amount_cents`, `points`; `loss_instant_cents`, `clawcost_instant_cents`, `hours_instant`:
        expected loss, expected cost of claw-backs and hours saved if paid now; `q_scan`:
        probability of a scan by the deadline; `loss_scan_cents`, `clawcost_scan_cents`,
        `hours_scan`: the same if paid at the scan, **given** that there is one; `open_cents`:
        exposure the ledger showed at `as_of`; `clean_advances`: matured clean advances; and the
        columns that the policy's rules read. Optional: `case_id`, `merchant_id`, `category`
        (carried along; the latter two have caps), `stage` ("request" or "first_scan": the plan of
        an earlier request priced again at its scan, after its reservation was released),
        `ledger_age_hours` (age of the newest data), `settled_ts` (only in a replay: when the
        advance, if paid, gives its reservation back; `open_cents` must then leave out what the
        replay itself would have paid).
        A null in a number the decision needs is a missing score; null scan columns or `q_scan` 0
        leave no first scan.
    policy : see `models/policy.toml`.
    limits : the book before the first request; `LimitState()` is an empty one.

    Returns
    -------
    Decisions, in the order and with the index of `scored`, and the new book (`limits` itself is
    not changed). `expected_loss_cents` and `expected_clawcost_cents` are those of the chosen action
    as seen at the request, so a first-scan plan's are weighted by q. `open_cents` is the exposure
    before the row's own reservation. `prob_*` are the probabilities of every action given all
    earlier decisions, after limits and budgets; they sum to 1.

    Raises
    ------
    ContractError : a column is missing, a row_id is double, an amount or a cost is negative, or a
        probability lies outside [0, 1].
    """
    table = checked(scored)
    price = prices(table, policy)
    rules = eligibility(table, policy.rule)
    gate = _gates(table, policy)
    plan = _plan(price, rules, gate)
    granted, limits = reserve(_wishes(table, policy, price, plan), policy, limits)
    return _frame(table, policy, price, rules, gate, plan, granted), limits


@dataclass(frozen=True)
class Plan:
    """Each row's wish before it meets the others: codes of actions, and what may be explored."""

    best: Codes
    wish: Codes
    fallback: Codes
    review: NDArray[np.bool_]
    allowed: NDArray[np.bool_]
    explorable: NDArray[np.bool_]


def _gates(table: pd.DataFrame, policy: Policy) -> NDArray[np.object_]:
    """What holds a row before any rule or value is looked at; the empty string for nothing."""
    gate = np.full(len(table), "", object)
    gate[table["missing"].to_numpy()] = "missing_score"
    age = table["ledger_age_hours"].to_numpy()
    gate[~(age <= policy.validity.max_ledger_age_hours)] = "stale_ledger"
    if policy.kill_switch:
        gate[:] = "kill_switch"
    return gate


def _plan(price: Prices, rules: Eligibility, gate: NDArray[np.object_]) -> Plan:
    free = gate == ""
    forced = np.where(free, rules.forced, -1)
    open_to = price.possible & free[:, None]
    allowed = open_to & rules.allowed
    wish = _best(price.value, allowed)
    # a forced advance needs a price too: without a scan there is no plan to pay at the scan
    can = np.take_along_axis(price.possible, np.clip(forced, HOLD, INSTANT)[:, None], 1)[:, 0]
    wish = np.where(forced >= 0, np.where((forced <= INSTANT) & can, forced, HOLD), wish)
    scan_pays = allowed[:, SCAN] & (price.value[:, SCAN] > 0.0) & (forced < 0)
    return Plan(
        best=_best(price.value, open_to),
        wish=wish.astype(np.int8),
        fallback=np.where(scan_pays, SCAN, HOLD).astype(np.int8),
        review=forced == REVIEW,
        allowed=allowed,
        explorable=free & (forced < 0),
    )


def _best(value: NDArray[np.float64], allowed: NDArray[np.bool_]) -> Codes:
    """The most valuable allowed action; on a tie the later payment, so 0 is never paid early."""
    best = np.argmax(np.where(allowed, value, -np.inf), axis=1)
    return np.asarray(best, np.int8)


def _wishes(table: pd.DataFrame, policy: Policy, price: Prices, plan: Plan) -> Wishes:
    _, base = tier_bases(table["points"], policy)
    return Wishes(
        row_id=table["row_id"],
        user_id=table["user_id"],
        merchant=table.get("merchant_id"),
        category=table.get("category"),
        as_of_us=microseconds(table["as_of"]),
        settled_us=microseconds(table["settled_ts"]),
        amount=table["amount_cents"].to_numpy(np.int64),
        seen_open=table["open_cents"].to_numpy(np.int64),
        base=np.where(table["missing"], -1, base),
        growth=growth_target(table["clean_advances"], policy),
        wish=plan.wish,
        fallback=plan.fallback,
        allowed=plan.allowed,
        explore=np.where(plan.explorable, policy.exploration.share, 0.0),
        draw=uniform(table["row_id"], f"{policy.version}:{policy.exploration.seed}"),
        loss=price.loss,
        cost=price.cost,
    )


def _binding(
    table: pd.DataFrame,
    policy: Policy,
    rules: Eligibility,
    gate: NDArray[np.object_],
    plan: Plan,
    granted: Granted,
) -> NDArray[np.object_]:
    """The reason of each decision: the last constraint that changed it, else the value."""
    rule_reasons = np.array([*(r.reason for r in policy.rule), ""], object)
    closed = np.take_along_axis(rules.closed_by, plan.best[:, None].astype(np.int64), 1)[:, 0]
    by_rule = rule_reasons[np.where(rules.forced_by >= 0, rules.forced_by, closed)]
    waits = (granted.action == SCAN) & (table["stage"] == "request").to_numpy()
    by_value = np.where(waits, "after_scan_better", "value").astype(object)
    why = np.array(OBSTACLES, object)[granted.why]
    layers = (gate, why, by_rule)
    return np.select([layer != "" for layer in layers], layers, by_value)


def _frame(
    table: pd.DataFrame,
    policy: Policy,
    price: Prices,
    rules: Eligibility,
    gate: NDArray[np.object_],
    plan: Plan,
    granted: Granted,
) -> pd.DataFrame:
    rows = np.arange(len(table))
    action = np.where(plan.review, np.int8(REVIEW), granted.action).astype(np.int8)
    prob = np.zeros((len(table), len(ACTIONS)))
    prob[:, : INSTANT + 1] = granted.prob
    prob[plan.review] = np.eye(len(ACTIONS))[REVIEW]
    binding = _binding(table, policy, rules, gate, plan, granted)
    columns = {
        **{k: table[k] for k in ("row_id", "case_id", "user_id", "as_of") if k in table},
        "action": pd.Categorical.from_codes(action, pd.Index(ACTIONS)),
        "binding": pd.Categorical(binding, list(BINDING_REASONS)),
        "value_instant_cents": price.value[:, INSTANT],
        "value_scan_cents": price.value[:, SCAN],
        "expected_loss_cents": price.loss[rows, granted.action],
        "expected_clawcost_cents": price.clawcost[rows, granted.action],
        "expected_hours": price.hours[rows, granted.action],
        "act_prob": prob[rows, action],
        "keep_prob": granted.keep,
        **{f"prob_{name}": prob[:, code] for code, name in enumerate(ACTIONS)},
        "explored": granted.why == OBSTACLES.index("exploration"),
        "limit_cents": granted.limit,
        "open_cents": granted.open,
        "policy_id": pd.Categorical([policy.id] * len(table)),
        "policy_version": pd.Categorical([policy.version] * len(table)),
    }
    return pd.DataFrame(columns, index=table.index)
