"""What a fitted model is worth on later, matured decisions that it has not seen.

Three readings of each head: on all rows with a label; propensity-weighted on the rows that
exploration gave a label, with the share of requests that no exploration reaches; in money.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from features.task import Task
from models.figures import report
from models.metrics import (
    calibration_error,
    calibration_in_the_large,
    loss_captured,
    propensity_weights,
)
from models.policy import Policy
from pipelines.lessons import Lesson
from pipelines.modelling import Models
from pipelines.plan import AT_REQUEST, MONEY, REPORT, Head, has_money, heads
from pipelines.pricing import instant_costs, segment_table
from pipelines.risk_heads import chunked, request_risks

Floats = NDArray[np.float64]
FEWEST_BAD = 30  # bad cases, below which a figure or a comparison says nothing


@dataclass(frozen=True)
class Verdict:
    """One head on its evaluation rows: outcomes, probabilities, whose they are, what was lost."""

    y: Floats
    p: Floats
    users: "pd.Series[str]"
    loss: Floats | None
    metrics: Mapping[str, float] = field(default_factory=dict)


def evaluation_rows(
    task: Task, lesson: Lesson, head: Head, start: pd.Timestamp, known: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Matured rows from `start` on, without the users in `known` (a mask of rows to leave out)."""
    late = (lesson.decisions.cases["as_of"] >= start).to_numpy(bool)
    return late & lesson.usable(task, head.target) & ~known


def evaluate(
    task: Task, models: Models, taught: Mapping[str, Lesson], rows: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Verdict]:
    """Every head on its rows (masks by head name).

    Raises
    ------
    ContractError : the main head has no row, or one class only.
    """
    verdicts: dict[str, Verdict] = {}
    for head in heads(task):
        at, lesson = rows[head.name], taught[head.stage]
        y = lesson.labels[head.target].to_numpy(np.float64)[at]
        if len(np.unique(y)) < 2:
            if not verdicts:
                raise ContractError(
                    f"the evaluation period holds one class of {head.target} in {y.size} rows",
                    where="evaluation",
                    fix="give a longer history or a larger --evaluate-share",
                )
            continue
        part = lesson.decisions.take(at)
        p = chunked(models.risk[head.name], part.X)
        users, loss = part.cases["user_id"], _loss(lesson, at)
        verdicts[head.name] = Verdict(y, p, users, loss, report(y, p))
    return verdicts


def band(lesson: Lesson, rows: NDArray[np.bool_], p: Floats, y: Floats) -> dict[str, float]:
    """Calibration where chance decided, and the share of requests that chance never pays.

    Each row that was paid with a probability below 1 stands for 1/probability requests. What they
    and the rows paid for certain leave of the period's requests could not have been paid at once:
    of those no figure here says anything.
    """
    logged = lesson.labels
    if "act_prob" not in logged:
        return {}
    prob = logged["act_prob"].to_numpy(np.float64)[rows]
    weight, _ = propensity_weights(np.nan_to_num(prob), np.isfinite(prob))
    as_of = lesson.decisions.cases["as_of"]
    every = (as_of >= as_of[rows].min()) & (as_of <= as_of[rows].max())
    decided = int((every & logged["act_prob"].notna()).sum())
    outside = float(np.clip(1.0 - weight.sum() / max(decided, 1), 0.0, 1.0))
    by_chance = prob < 1.0
    figures = {"outside_support": outside, "rows": float(by_chance.sum())}
    if y[by_chance].sum() > 0:
        given = y[by_chance], p[by_chance], weight[by_chance]
        figures["calibration_error"] = calibration_error(*given)
        figures["calibration_in_the_large"] = calibration_in_the_large(*given)
    return figures


def money_figures(
    models: Models, lesson: Lesson, rows: NDArray[np.bool_], policy: Policy
) -> dict[str, float]:
    """Expected against realised loss of the rows whose loss is known."""
    rows = rows & lesson.labels[f"{REPORT}_matured"].to_numpy(bool)
    if models.money is None or not rows.any():
        return {}
    part = lesson.decisions.take(rows)
    risks, table = request_risks(models.risk, part.X), segment_table(part.cases)
    told = instant_costs(models.money, table, risks, policy)["loss_instant_cents"]
    seen = lesson.labels["loss_cents"].to_numpy(np.float64)[rows]
    weight = lesson.weight()[rows]
    figures = {"loss_captured_10": loss_captured(seen, risks["p_claw"])}
    if seen.sum() > 0:
        figures["expected_over_realised"] = float(weight @ told.to_numpy() / (weight @ seen))
    return figures


def all_metrics(
    task: Task,
    models: Models,
    taught: Mapping[str, Lesson],
    rows: Mapping[str, NDArray[np.bool_]],
    verdicts: Mapping[str, Verdict],
    policy: Policy | None,
) -> dict[str, float]:
    """Every figure by `<head>.<figure>`."""
    named = {f"{h}.{k}": v for h, verdict in verdicts.items() for k, v in verdict.metrics.items()}
    named |= {f"{h}.rows": float(v.y.size) for h, v in verdicts.items()}
    named |= {f"{h}.bad": float(v.y.sum()) for h, v in verdicts.items()}
    if has_money(task) and policy is not None:
        lesson, verdict = taught["request"], verdicts[AT_REQUEST.name]
        found = band(lesson, rows[AT_REQUEST.name], verdict.p, verdict.y)
        named |= {f"exploration.{k}": v for k, v in found.items()}
        money = money_figures(models, lesson, rows[AT_REQUEST.name], policy)
        named |= {f"money.{k}": v for k, v in money.items()}
    return named


def _loss(lesson: Lesson, at: NDArray[np.bool_]) -> Floats | None:
    """Money lost; where it is too early to know, the claw-back x the share usually lost."""
    known = lesson.labels[at]
    if "loss_cents" not in known:
        return None
    lost = known["loss_cents"].to_numpy(np.float64)
    clawed = (known[MONEY].to_numpy(np.float64) == 1) * known["paid_cents"].to_numpy(np.float64)
    old = known[f"{REPORT}_matured"].to_numpy(bool)
    share = lost[old].sum() / clawed[old].sum() if clawed[old].sum() > 0 else 1.0
    return np.where(old, lost, clawed * share)
