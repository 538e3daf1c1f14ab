"""What a ledger has to say about a policy: requests, the policy's actions, what was logged.

The policy decides every request as it was known then, alone: without what requests share (limits,
caps, budgets) and without exploration, by models that were fitted before the first of them.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import NothingToDoError, UsageError
from data.ledger import Ledger
from features.labels import labels
from features.spine import spine
from models.bootstrap import user_codes
from models.decide import decide
from models.limits import LimitState
from models.off_policy import Logged
from models.policy import Policy
from models.policy_sections import Cap, DayCap
from models.propensities import Weights, weights
from pipelines.bundle import Bundle
from pipelines.decision_log import Paths, logged_paths
from pipelines.decisions import blocks
from pipelines.rewards import Rewards, known_until, micros, rewards
from pipelines.scoring import score_requests

Mask = NDArray[np.bool_]
HELD = ("after_inspection", "review")  # actions that advance nothing, so that they earn 0
UNBOUNDED = 10**15
FRESH = 0.0  # every request is decided on the data of its own moment


@dataclass(frozen=True)
class Evidence:
    """Requests of the period, rows aligned in all parts.

    `table` : the priced requests with the policy's `action`. `found` : weights of the policy's
    actions. `old` : requests whose outcome is known whatever it is.
    """

    table: pd.DataFrame
    users: NDArray[np.int64]
    paths: Paths
    found: Weights
    earned: Rewards
    old: Mask

    @property
    def exact(self) -> Mask:
        """Requests that the policy does not advance."""
        return np.asarray(self.table["action"].isin(HELD), np.bool_)

    def logged(self) -> Logged:
        """The requests as evidence on the policy."""
        exact, zero = self.exact, np.zeros(len(self.users))
        weight = np.where(self.found.missing, 0.0, self.found.weight)
        return Logged(
            users=self.users,
            reward=np.where(exact, 0.0, self.earned.reward),
            weight=np.where(exact, 1.0, weight),
            exact=exact,
            low=np.where(exact, zero, self.earned.low),
            high=np.where(exact, zero, self.earned.high),
        )

    def take(self, rows: Mask) -> "Evidence":
        """The requests of a mask."""
        return Evidence(
            self.table[rows].reset_index(drop=True),
            self.users[rows],
            self.paths.take(rows),
            Weights(**{k: v[rows] for k, v in vars(self.found).items()}),
            Rewards(**{k: v[rows] for k, v in vars(self.earned).items()}),
            self.old[rows],
        )


def gather(
    bundle: Bundle,
    policy: Policy,
    prices: Policy,
    ledger: Ledger,
    since: pd.Timestamp,
    as_of: pd.Timestamp,
) -> Evidence:
    """All requests of the period, scored, decided by the policy, with what the log says of them.

    Parameters
    ----------
    prices : the policy whose prices say what came of it: one yardstick for every policy.

    Raises
    ------
    NothingToDoError : no request in the period, or none with a logged decision.
    ContractError : the policy reads a column that the log lacks; a propensity cannot be.
    """
    task = bundle.task
    cases = spine(task, ledger, since=since, as_of=as_of)
    if cases.empty:
        what = f"no request from {since} to {as_of}"
        raise NothingToDoError(what, where=ledger.source, fix="give an earlier --since")
    told = labels(task, ledger, cases, as_of)
    paths = logged_paths(task, ledger, cases, micros(told["paid_ts"]), as_of)
    if not paths.decided.any():
        raise NothingToDoError(
            f"none of {len(cases):,} requests has a logged decision",
            where=ledger.source,
            fix="log advance_decided with its stage, action, act_prob and keep_prob",
        )
    columns = task.at_stage("request") + task.policy_at("request")
    parts = [
        score_requests(task, bundle.models, some, policy, FRESH)
        for some in blocks(columns, ledger, cases)
    ]
    scored = pd.concat(parts, ignore_index=True)
    decided, _ = decide(scored, alone(policy), LimitState())
    values = decided[["action", "value_instant_cents", "value_scan_cents"]]
    table = pd.concat([scored, values], axis=1)
    earned = rewards(task, ledger, scored, told, cases, prices, as_of)
    found = followed(paths, table["action"].astype(object).to_numpy())
    unknown = found.missing | np.isnan(earned.reward)
    old = (cases["as_of"] < known_until(task, as_of)).to_numpy(bool)
    users = user_codes(table["user_id"].astype(object).to_numpy())
    return Evidence(table, users, paths, replace(found, missing=unknown), earned, old)


def followed(paths: Paths, plan: NDArray[np.object_]) -> Weights:
    """Weights of a plan's actions; a request without a logged decision has none."""
    found = weights(paths.prob, paths.follows(plan))
    missing = found.missing | ~paths.decided
    return replace(
        found,
        weight=np.where(missing, 0.0, found.weight),
        missing=missing,
        impossible=found.impossible & ~missing,
    )


def alone(policy: Policy) -> Policy:
    """The policy of one request: without limits of money, caps, budgets and exploration.

    Who has no tier has no limit at all, and still none.
    """
    wide = tuple(replace(t, base_cents=10**12) for t in policy.tier)
    day = DayCap(amount_cents=UNBOUNDED, count=UNBOUNDED, loss_cents=UNBOUNDED)
    caps = replace(
        policy.caps,
        day=day,
        merchant=Cap(amount_cents=UNBOUNDED, count=UNBOUNDED),
        category=Cap(amount_cents=UNBOUNDED, count=UNBOUNDED),
    )
    return replace(policy, tier=wide, caps=caps, exploration=replace(policy.exploration, share=0.0))


def segments(evidence: Evidence, policy: Policy) -> dict[str, Mask]:
    """Bands of the amount (quarters of the requests) and tiers of the points."""
    amount = evidence.table["amount_cents"].to_numpy(np.float64, na_value=np.nan)
    points = evidence.table["points"].to_numpy(np.float64)
    known = amount[np.isfinite(amount)]
    cuts = [-math.inf, *np.unique(np.quantile(known, [0.25, 0.5, 0.75])), math.inf]
    found = {
        f"amount {_money(low)} to {_money(high)}": (amount > low) & (amount <= high)
        for low, high in pairwise(cuts)
    }
    lows = [t.min_points for t in policy.tier]
    for tier, high in zip(policy.tier, [math.inf, *lows], strict=False):
        found[f"tier {tier.name}"] = (points >= tier.min_points) & (points < high)
    return found


def since_of(given: pd.Timestamp | None, bundle: Bundle) -> pd.Timestamp:
    """From when on requests may judge: the model must not know what became of them.

    Raises
    ------
    UsageError : a beginning before the model's last label, or none where the model names no such.
    """
    fitted = bundle.facts.get("fitted_until")
    if given is None and fitted is None:
        raise UsageError("the model does not say what it knows", fix="give --since")
    if fitted is None or given is None:
        return given if given is not None else pd.Timestamp(str(fitted))
    if given < pd.Timestamp(fitted):
        raise UsageError(
            f"since {given} lies before {fitted}, up to which the model was fitted",
            where="--since",
            fix="judge later requests, or a model trained with an earlier --as-of",
        )
    return given


def _money(cents: Any) -> str:
    return "the end" if cents == math.inf else "0" if cents == -math.inf else f"{cents / 100:,.0f}"
