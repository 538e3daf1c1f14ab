"""Fitting every model of a task on what was known at one moment, and nothing later.

The labels are read as of that moment, so a model fitted as of the evaluation's start is the model
that could have been fitted then: neither young cases nor later corrections leak into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Ledger
from features.labels import labels, so_far
from features.task import Task
from models.causes import fit_causes
from models.lost import LostShare, fit_lost, lost_share
from models.policy import Policy
from models.risk import RiskModel
from models.scan import ScanModel, fit_scan
from models.young import with_young
from pipelines.commands import Tell
from pipelines.decisions import Decisions
from pipelines.plan import ABUSE, AT_REQUEST, BLAME, MONEY, REPORT, Head, has_money, heads, horizon
from pipelines.pricing import Money, instant_costs, segment_table, with_base
from pipelines.track import normal_track

Mask = NDArray[np.bool_]
HEAVIEST = 10.0  # a rarely logged action must not let one row speak for hundreds
FEWEST_OUTCOMES = 10  # of each class: a level known to a third, and no less
CALIBRATION_SHARE, CALIBRATION_FOLDS = 0.5, 5  # level of the later half, shape of five slices
CAUSE_SEGMENTS = ("refund_type", "reason")
TRACK_SEGMENTS = ("refund_type", "return_method", "risk_band")
COST_SEGMENTS = ("risk_band",)
SCAN_DEADLINE_HOURS = 14 * 24.0
REQUEST_HEADS = {"p_claw": AT_REQUEST, "p_abuse": BLAME}


@dataclass(frozen=True)
class Models:
    """What a task's decisions need: a risk model per head, and the money's models if any."""

    risk: Mapping[str, RiskModel]
    money: Money | None = None


@dataclass(frozen=True)
class Lesson:
    """Decisions of one stage with their labels, and what followed, as known at one moment."""

    decisions: Decisions
    labels: pd.DataFrame
    track: pd.DataFrame
    so_far: pd.DataFrame
    moment: pd.Timestamp

    def usable(self, task: Task, target: str) -> Mask:
        """Rows whose label counts: old enough, known, and paid at the request where money is."""
        known = self.labels
        good = known[f"{target}_matured"] & known[target].notna()
        if has_money(task):
            good &= known["paid_stage"] == "request"
        return good.to_numpy(bool)

    def open(self, task: Task, target: str) -> Mask:
        """Rows that began, too young for a label, and paid at the request where money is."""
        begun = self.so_far["begin_ts"].notna() & ~self.labels[f"{target}_matured"]
        if has_money(task):
            begun &= self.labels["paid_stage"] == "request"
        return begun.to_numpy(bool)

    def take(self, rows: Mask) -> "Lesson":
        """The lesson of some of its decisions."""
        tables = (self.labels, self.track, self.so_far)
        told, track, so_far = (table[rows].reset_index(drop=True) for table in tables)
        return Lesson(self.decisions.take(rows), told, track, so_far, self.moment)

    def weight(self) -> NDArray[np.float64]:
        """1 / propensity of the logged action, so that the paid speak for all requests."""
        if "act_prob" not in self.labels:
            return np.ones(len(self.labels))
        prob = self.labels["act_prob"].to_numpy(np.float64)
        known = np.isfinite(prob) & (prob > 0)
        return np.where(known, np.minimum(1 / np.where(known, prob, 1.0), HEAVIEST), 1.0)


def lessons(
    task: Task, ledger: Ledger, stages: Mapping[str, Decisions], moment: pd.Timestamp
) -> dict[str, Lesson]:
    """Every stage's decisions before `moment`, labelled with what was known then."""
    result = {}
    for stage, decisions in stages.items():
        known = decisions.take((decisions.cases["as_of"] < moment).to_numpy(bool))
        truth = labels(task, ledger, known.cases, moment)
        track = normal_track(task, ledger, known.cases, moment) if has_money(task) else truth[[]]
        young = so_far(task, ledger, known.cases, moment)
        result[stage] = Lesson(known, truth, track, young, moment)
    return result


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


def fit_risk(
    task: Task, lesson: Lesson, head: Head, seed: int, *, young: bool = False
) -> RiskModel:
    """The calibrated model of one head.

    Raises
    ------
    ContractError : no matured row, or too few outcomes of one class.
    """
    rows = lesson.usable(task, head.target)
    if not rows.any():
        days = horizon(task, head.target).days
        raise ContractError(
            f"no case has a matured {head.target}",
            where="training",
            fix=f"give a history that is longer than twice the horizon of {days} days",
        )
    part, y = lesson.decisions.take(rows), lesson.labels[head.target].to_numpy()[rows]
    _check_outcomes(y, head, part.cases["as_of"])
    times, weight = part.cases["as_of"], lesson.weight()[rows]
    model = _unfitted(task, head, part.X, seed)
    model.fit(part.X, y, times=times, sample_weight=weight)
    return _fit_with_young(task, lesson, head, seed, model) if young else model


def _unfitted(task: Task, head: Head, X: pd.DataFrame, seed: int) -> RiskModel:
    return RiskModel(
        monotone=task.signs(head.target, X.columns),
        params=task.params(head.target),
        calibration="spline",
        calibration_share=CALIBRATION_SHARE,
        calibration_folds=CALIBRATION_FOLDS,
        gap=horizon(task, head.target),
        refit=True,
        random_state=seed,
        num_threads=2,
    )


def _fit_with_young(
    task: Task, lesson: Lesson, head: Head, seed: int, matured: RiskModel
) -> RiskModel:
    """The model again, young cases being bad with the chance that `matured` gives them."""
    old, young = (np.flatnonzero(m) for m in (lesson.usable(task, head.target),
                                              lesson.open(task, head.target)))  # fmt: skip
    at = np.concatenate([old, young])
    X = lesson.decisions.X.iloc[at]
    known = lesson.so_far.iloc[at]
    age = (lesson.moment - known["begin_ts"]).dt.total_seconds().to_numpy(np.float64)
    days = (known[head.target] - known["begin_ts"]).dt.total_seconds().to_numpy(np.float64)
    span = horizon(task, head.target).total_seconds()
    taught = with_young(days, age, span, chunked(matured, X), lesson.weight()[at])
    times = lesson.decisions.cases["as_of"].iloc[at].iloc[taught.rows]
    model = _unfitted(task, head, X, seed)
    model.fit(X.iloc[taught.rows], taught.y, times=times, sample_weight=taught.weight)
    model.held_out_proba_ = model.held_out_proba_[: len(old)]  # of the rows with a label
    return model


def _check_outcomes(y: NDArray[np.float64], head: Head, times: "pd.Series[pd.Timestamp]") -> None:
    """Refuse to calibrate on a handful of outcomes."""
    bad = int((y == 1).sum())
    if min(bad, y.size - bad) < FEWEST_OUTCOMES:
        first, last = (f"{moment:%Y-%m-%d}" for moment in (times.min(), times.max()))
        raise ContractError(
            f"{bad} of {y.size} matured cases of {head.target} are bad; {FEWEST_OUTCOMES} of each "
            "outcome are needed to calibrate on",
            where=f"{head.target} at {head.stage}, cases {first} to {last}",
            fix="give a longer history, a later first fold, or look at the label",
        )


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


def unseen_risks(task: Task, lesson: Lesson, risk: Mapping[str, RiskModel]) -> pd.DataFrame:
    """`request_risks` of the rows that taught the models, as if they had not.

    Trees know the outcome of a row they were fitted on; what is learnt from their predictions
    about losses and scans would not hold for the next request.
    """
    risks = request_risks(risk, lesson.decisions.X)
    for name, head in REQUEST_HEADS.items():
        rows = np.flatnonzero(lesson.usable(task, head.target))
        held_out = risk[head.name].held_out_proba_
        unseen = np.isfinite(held_out)
        risks.loc[rows[unseen], name] = held_out[unseen]
    return risks


def request_risks(risk: Mapping[str, RiskModel], X: pd.DataFrame) -> pd.DataFrame:
    """`p_claw` and `p_abuse` of requests."""
    columns = {name: chunked(risk[head.name], X) for name, head in REQUEST_HEADS.items()}
    return pd.DataFrame(columns, index=X.index)


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


def chunked(model: Any, X: pd.DataFrame, rows: int = 100_000) -> NDArray[np.float64]:
    """Probabilities of the bad outcome, a block of rows at a time."""
    parts = [model.predict_proba(X.iloc[at : at + rows])[:, 1] for at in range(0, len(X), rows)]
    return np.concatenate(parts) if parts else np.empty(0)
