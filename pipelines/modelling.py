"""Fitting every model of a task on one lesson: the risks, and the money that they decide over."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.task import Task
from models.causes import fit_causes
from models.lost import LostShare, fit_lost, lost_share
from models.policy import Policy
from models.risk import RiskModel
from models.scan import ScanModel, fit_scan
from pipelines.commands import Tell
from pipelines.lessons import Lesson
from pipelines.plan import ABUSE, MONEY, REPORT, heads
from pipelines.pricing import Money, instant_costs, segment_table, with_base
from pipelines.risk_heads import fit_risk, unseen_risks

CAUSE_SEGMENTS = ("refund_type", "reason")
TRACK_SEGMENTS = ("refund_type", "return_method", "risk_band")
COST_SEGMENTS = ("risk_band",)
SCAN_DEADLINE_HOURS = 14 * 24.0


@dataclass(frozen=True)
class Models:
    """What a task's decisions need: a risk model per head, and the money's models if any."""

    risk: Mapping[str, RiskModel]
    money: Money | None = None


def fit_models(
    task: Task,
    taught: Mapping[str, Lesson],
    policy: Policy | None,
    seed: int,
    tell: Tell,
    *,
    young: bool = False,
) -> Models:
    """One risk model per head and, where there is a policy, what its decisions cost.

    `young` : risk models also learn from cases younger than the horizon (`models.young`).
    """
    risk = {}
    for head in heads(task):
        tell(f"fitting {head.target} at {head.stage}")
        risk[head.name] = fit_risk(task, taught[head.stage], head, seed, young=young)
    if policy is None:
        return Models(risk)
    tell("fitting the money")
    return Models(risk, fit_money(task, taught["request"], risk, policy))


def fit_money(task: Task, lesson: Lesson, risk: Mapping[str, RiskModel], policy: Policy) -> Money:
    """What claw-backs lose, causes, and the normal track's averages, on matured cases.

    Parameters
    ----------
    risk : the models of the request's heads, fitted on this lesson; costs at a scan are shares of
        what they expect.
    """
    known = lesson.labels
    table = segment_table(lesson.decisions.cases)
    table = table.assign(weight=lesson.weight(), cause=known["cause"])
    clawed = known[f"{MONEY}_matured"] & (known[MONEY] == 1) & known["cause"].notna()
    causes = fit_causes(table[clawed.to_numpy(bool)], CAUSE_SEGMENTS)
    risks = unseen_risks(task, lesson, risk)
    money = Money(what_is_lost(lesson, risks), causes, None)
    # Shares of the money are told by cases, each the same: a few large ones would decide them.
    table["amount_cents"] = table["amount_cents"].notna().astype(np.float64)
    based = with_base(table, risks, instant_costs(money, table, risks, policy))
    return replace(money, scan=fit_track(lesson, risks, based, policy))


def what_is_lost(lesson: Lesson, risks: pd.DataFrame, *, scanned: bool = False) -> LostShare:
    """The unrecovered share of claw-backs of requests that were paid at once.

    `scanned` True asks those alone whose parcel was seen: who sends something loses other shares.
    """
    known = lesson.labels
    clawed = known[f"{REPORT}_matured"] & (known[MONEY] == 1) & (known["paid_stage"] == "request")
    clawed &= known[ABUSE].notna()
    if scanned:
        clawed &= lesson.track["scan_hours"].notna()
    rows = clawed.to_numpy(bool)
    lost = (known["loss_cents"] / known["paid_cents"]).clip(0.0, 1.0).to_numpy(np.float64)[rows]
    return fit_lost(lost, known[ABUSE].to_numpy()[rows] == 1, risks["p_abuse"].to_numpy()[rows])


def fit_track(
    lesson: Lesson, risks: pd.DataFrame, table: pd.DataFrame, policy: Policy
) -> ScanModel:
    """Chances and hours of the normal track, and what paying at the first scan cost.

    A claw-back counts with the share that its fault usually loses, not with what this one lost:
    few are paid at a scan, and one large debt more or less would move the average.
    """
    known = lesson.labels
    clawed = known[MONEY].to_numpy(np.float64)
    lost = what_is_lost(lesson, risks, scanned=True)
    blame = (known[ABUSE] == 1).to_numpy(bool).astype(np.float64)
    share = lost_share(lost, blame, risks["p_abuse"].to_numpy(np.float64))
    price = known["cause"].astype(object).map(dict(policy.clawback_cost_cents))
    columns: dict[str, Any] = {
        "paid_stage": known["paid_stage"],
        "scan_hours": lesson.track["scan_hours"],
        "refund_hours": lesson.track["refund_hours"],
        "loss_cents": clawed * share * table["amount_cents"].to_numpy(),
        "clawcost_cents": np.where(clawed == 1, price.astype(np.float64), 0.0 * clawed),
    }
    as_of = lesson.decisions.cases["as_of"]
    old = as_of <= as_of.max() - pd.Timedelta(hours=SCAN_DEADLINE_HOURS)
    matured = known[f"{MONEY}_matured"] | known["paid_stage"].isna()
    told = table.assign(**columns)[old & matured]
    return fit_scan(told, TRACK_SEGMENTS, SCAN_DEADLINE_HOURS, COST_SEGMENTS)
