"""What decisions are worth beside the ceiling's: the same policy on the best possible prices.

The ceiling's prices are LightGBM on our columns, fitted to planted expectations (no luck in them)
of many more cases: the chance of abuse, the loss and the claw-backs' cost if paid at once or at the
first scan, the chance of a scan. Both go through the same rules, limits and hours, and are judged
by the truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.market.fates import CAUSES
from data.market.judge import judge
from data.store import read_ledger
from features.engine import features
from features.spine import spine
from features.task import Task
from models.decide import decide
from models.encode import Encoding, encode, learn_encoding
from models.limits import LimitState
from models.points import points
from models.policy import Policy
from pipelines.bundle import Bundle
from pipelines.decisions import Decisions
from pipelines.scoring import score_requests
from pipelines.truth import costs_of
from tests.studies.ceiling import SOFT, Requests

Floats = NDArray[np.float64]
EDGE = 1e-6


@dataclass(frozen=True)
class Ceiling:
    """One booster a price, and the task whose columns they learnt from."""

    task: Task
    encoding: Encoding
    boosters: Mapping[str, Any]
    dearest: float

    def says(self, X: pd.DataFrame) -> pd.DataFrame:
        """Every price of every row, as shares."""
        matrix = encode(self.encoding, X)
        columns = {name: b.predict(matrix) for name, b in self.boosters.items()}
        return pd.DataFrame(columns, index=X.index)


def planted(truth: pd.DataFrame, policy: Policy) -> tuple[pd.DataFrame, float]:
    """Expectations of each case as shares in [0, 1], and what a share of claw-back costs is of."""
    costs = {cause: float(policy.clawback_cost_cents[cause]) for cause in CAUSES}
    dearest = max(costs.values())
    amount = truth["amount_cents"].to_numpy(np.float64)
    q = truth["p_paid_at_first_scan"].to_numpy(np.float64)
    table = {"p_abuse": truth["p_abuse_instant"], "q_scan": q}
    for name, action, chance in (("instant", "instant", 1.0), ("scan", "at_first_scan", q)):
        with np.errstate(invalid="ignore", divide="ignore"):
            table[f"loss_{name}"] = truth[f"loss_cents_{action}"] / amount / chance
            cost = sum(truth[f"p_{c}_{action}"] * v for c, v in costs.items())
            table[f"clawcost_{name}"] = cost / dearest / chance
    return pd.DataFrame(table).clip(0.0, 1.0), dearest


def fit_prices(task: Task, worlds: Sequence[Requests], policy: Policy, rounds: int) -> Ceiling:
    """Fit one booster a price on all requests of other worlds, which have the task's columns."""
    X = pd.concat([w.X for w in worlds], ignore_index=True)
    told = [planted(w.truth, policy) for w in worlds]
    targets = pd.concat([table for table, _ in told], ignore_index=True)
    encoding = learn_encoding(X)
    matrix = encode(encoding, X)
    boosters = {}
    for name, values in targets.items():
        rows = np.flatnonzero(np.isfinite(values))
        weight = targets["q_scan"].to_numpy()[rows] if str(name).endswith("_scan") else None
        weight = None if name == "q_scan" else weight
        data = lgb.Dataset(matrix[rows], values.to_numpy(np.float64)[rows], weight=weight)
        boosters[str(name)] = lgb.train(SOFT, data, rounds)
    return Ceiling(task, encoding, boosters, told[0][1])


def priced_by(ceiling: Ceiling, scored: pd.DataFrame, X: pd.DataFrame) -> pd.DataFrame:
    """A score table with the ceiling's prices in place of the model's."""
    said = ceiling.says(X)
    amount = scored["amount_cents"].to_numpy(np.float64)
    scannable = scored["q_scan"].to_numpy() > 0
    columns = {
        "points": points(np.clip(said["p_abuse"], EDGE, 1 - EDGE)),
        "q_scan": np.where(scannable, said["q_scan"], 0.0),
        "loss_instant_cents": said["loss_instant"].to_numpy() * amount,
        "clawcost_instant_cents": said["clawcost_instant"] * ceiling.dearest,
        "loss_scan_cents": said["loss_scan"].to_numpy() * amount,
        "clawcost_scan_cents": said["clawcost_scan"] * ceiling.dearest,
    }
    return scored.assign(**columns)


def scored_by_both(
    bundle: Bundle, events: Any, since: Any, until: Any, ceiling: Ceiling
) -> dict[str, pd.DataFrame]:
    """Score tables of a period's requests, by our prices and by the ceiling's.

    Each is asked with the columns it learnt from: the bundle's rates are shrunk to the priors of
    its own market, which the ceiling has never seen.
    """
    task, policy = bundle.task, bundle.policy
    assert policy is not None
    ledger = read_ledger(events, task.columns_needed())
    cases = spine(task, ledger, since=since, as_of=until)
    X = features(task.at_stage("request") + task.policy_at("request"), ledger, cases)
    ours = score_requests(task, bundle.models, Decisions(cases, X), policy, 0.0)
    theirs = features(ceiling.task.at_stage("request"), ledger, cases)
    return {"ours": ours, "ceiling": priced_by(ceiling, ours, theirs)}


def worth(
    bundle: Bundle, events: Any, truth: pd.DataFrame, since: Any, until: Any, ceiling: Ceiling
) -> dict[str, float]:
    """Net value of ours and of the ceiling on the requests of a period, in cents."""
    policy = bundle.policy
    assert policy is not None
    found = {}
    for name, table in scored_by_both(bundle, events, since, until, ceiling).items():
        decisions, _ = decide(table, policy, LimitState())
        found[name] = judge(decisions, truth, costs_of(policy)).net_value_cents
    return found
