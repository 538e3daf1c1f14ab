"""Scores as tables: what `models.decide` and `models.standing` read. Pure, row by row.

A row's numbers do not depend on the other rows of its batch, so the batch job, the training path
and a notebook give a case the same bits.
"""

from typing import Any

import numpy as np
import pandas as pd

from data.errors import ModelError
from features.task import Task
from models.causes import clawback_cost
from models.points import points
from models.policy import Policy
from pipelines.bundle import Bundle
from pipelines.decisions import Decisions
from pipelines.modelling import Models
from pipelines.plan import AT_STANDING, POINTS
from pipelines.pricing import (
    Money,
    exposure,
    instant_costs,
    scan_costs,
    segment_table,
    unrecovered_share,
)
from pipelines.risk_heads import chunked, request_risks
from pipelines.tables import plain


def probabilities(bundle: Bundle, decisions: Decisions) -> pd.DataFrame:
    """Keys and `p_<head>` of every head at the request; all that a task without money asks."""
    cases = decisions.cases
    keys = [c for c in ("row_id", bundle.task.case, "user_id", "as_of") if c in cases]
    columns = {
        f"p_{head.target}": chunked(bundle.models.risk[head.name], decisions.X)
        for head in bundle.heads
        if head.stage == "request"
    }
    return plain(cases[keys]).assign(**columns)


def score_requests(
    task: Task, models: Models, decisions: Decisions, policy: Policy, ledger_age_hours: float
) -> pd.DataFrame:
    """Requests priced for `models.decide`; `points` are of the user as known at the request."""
    money, risk, cases = _money(models), models.risk, decisions.cases
    risks, table = request_risks(risk, decisions.X), segment_table(cases)
    costs = instant_costs(money, table, risks, policy)
    scan = scan_costs(money, table, risks, costs)
    replay = [c for c in ("settled_ts",) if c in cases]
    keys = plain(cases[["row_id", task.case, "as_of", *replay]])
    facts = {
        "points": points(chunked(risk[POINTS.name], decisions.X)),
        "ledger_age_hours": ledger_age_hours,
        **exposure(decisions.X),
    }
    parts = [keys, plain(table), risks, costs, scan]
    return pd.concat(parts, axis=1).assign(**facts).rename(columns={task.case: "case_id"})


def score_users(
    models: Models, decisions: Decisions, policy: Policy, ledger_age_hours: float
) -> pd.DataFrame:
    """Users priced for `models.standing`: what their next request, paid instantly, may cost."""
    money, risk = _money(models), models.risk
    p_abuse, p = (chunked(risk[head.name], decisions.X) for head in (POINTS, AT_STANDING))
    nobody = pd.DataFrame(index=decisions.cases.index)
    unknown = nobody.assign(**dict.fromkeys(_segments(money), None))
    hours = money.scan.hours_instant.overall if money.scan else np.nan
    facts: dict[str, Any] = {
        "points": points(p_abuse),
        "p_claw": p,
        "lgd": unrecovered_share(money, pd.DataFrame({"p_claw": p, "p_abuse": p_abuse})),
        "hours_instant": hours,
        "clawcost_instant_cents": clawback_cost(
            p, money.causes, unknown, policy.clawback_cost_cents
        ),
        "ledger_age_hours": ledger_age_hours,
        **exposure(decisions.X),
    }
    return plain(decisions.cases[["user_id", "as_of"]]).assign(**facts)


def _segments(money: Money) -> tuple[str, ...]:
    return next(iter(money.causes.values())).columns


def _money(models: Models) -> Money:
    if models.money is None:
        raise ModelError("the models have no money", where="scoring", fix="fit them with a policy")
    return models.money
