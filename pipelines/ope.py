"""`clawback ope`: what a policy file would have been worth on the requests of a log.

Off-policy evaluation: the logged propensities let the requests that happened to be decided as the
policy would speak for all. Without support there is no figure: bounds, the reason, exit 6. Nothing
is written. The estimand is the policy without what requests share (limits, caps, budgets) and
without exploration, at the histories that were lived; with budgets, only a replay of whole days on
the simulator says what a policy is worth.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import NothingToDoError, UsageError
from data.ledger import Ledger
from data.store import read_ledger
from features.task import Task
from models.policy import Policy, load_policy
from pipelines.arms import Effect, Returns, incentive
from pipelines.as_of import beginning, moment
from pipelines.bundle import Bundle
from pipelines.champion import find_bundle
from pipelines.commands import OpeConfig, Tell
from pipelines.evidence import Evidence, gather, segments, since_of
from pipelines.modelling import SCAN_DEADLINE_HOURS
from pipelines.ope_text import OpeResult
from pipelines.rewards import known_until
from pipelines.track import normal_track
from pipelines.valuation import valued

RETURN = "return_refund"
LEARNT_FROM = ("p_claw", "points", "amount_cents", "q_scan")


def run_ope(config: OpeConfig, tell: Tell = lambda _line: None) -> OpeResult:
    """Value a policy, and the incentive of being paid at once, on a log.

    Raises
    ------
    NothingToDoError : no request is old enough, or none has a logged decision. UsageError : the
    model knows the outcomes, or decides no advances. ContractError : propensities that cannot be,
    or a column that the policy reads and the log lacks.
    """
    tell("loading the model")
    bundle = find_bundle(config.model, config.artifacts, config.tracking_uri, config.experiment)
    policy, prices = (_policy(given, config, bundle) for given in (config.policy, config.prices))
    tell(f"reading {config.ledger}")
    task = bundle.task
    ledger = read_ledger(config.ledger, task.columns_needed(), contract=task.contract())
    as_of = moment(config.as_of, ledger)
    since = since_of(None if config.since is None else beginning(config.since, as_of), bundle)
    _check_age(task, ledger, since, as_of)
    tell(f"deciding the logged requests from {since:%Y-%m-%d}")
    evidence = gather(bundle, policy, prices, ledger, since, as_of)
    judged = evidence.take(evidence.old)
    if not len(judged.users):
        what = f"no request from {since} to {known_until(task, as_of)}"
        raise NothingToDoError(what, where=str(config.ledger), fix="give an earlier --since")
    tell(f"weighing {len(judged.users):,} requests")
    return OpeResult(
        policy_id=policy.id,
        policy_version=policy.version,
        prices=f"{prices.id} ({prices.version})",
        model_version=bundle.version,
        since=since,
        until=known_until(task, as_of),
        young=int((~evidence.old).sum()),
        currency=ledger.currency,
        value=valued(judged, policy),
        incentive=_incentive(evidence, policy, task, ledger, as_of),
    )


def _policy(given: Path | None, config: OpeConfig, bundle: Bundle) -> Policy:
    if bundle.policy is None:
        fix = "give a model of a task with advances"
        raise UsageError("the model decides no advances", where=config.model, fix=fix)
    return load_policy(given) if given else bundle.policy


def _check_age(task: Task, ledger: Ledger, since: pd.Timestamp, as_of: pd.Timestamp) -> None:
    until = known_until(task, as_of)
    if since >= until:
        days = (as_of - until).days
        raise NothingToDoError(
            f"requests are judged when they are {days} days old, so none from {since} on",
            where=ledger.source,
            fix=f"give a ledger that goes on for more than {days} days after the model's training",
        )


def _incentive(
    evidence: Evidence, policy: Policy, task: Task, ledger: Ledger, as_of: pd.Timestamp
) -> Effect:
    """The effect on returns whose deadline for the first scan has passed."""
    table = evidence.table
    old = table["as_of"] <= as_of - pd.Timedelta(hours=SCAN_DEADLINE_HOURS)
    back = table["refund_type"] == RETURN if "refund_type" in table else old
    rows = (old & back).to_numpy(bool)
    cases = table.rename(columns={"case_id": task.case})[[task.case, "as_of"]]
    hours = normal_track(task, ledger, cases, as_of)["scan_hours"].to_numpy()
    returns = Returns(
        users=evidence.users,
        action=evidence.paths.action[:, 0],
        prob=evidence.paths.prob[:, 0],
        came=hours <= SCAN_DEADLINE_HOURS,
        X=table[list(LEARNT_FROM)].to_numpy(np.float64, na_value=np.nan),
        money=table["amount_cents"].to_numpy(np.float64, na_value=0.0),
    )
    parts = {name: part[rows] for name, part in segments(evidence, policy).items()}
    return incentive(returns.take(rows), parts)
