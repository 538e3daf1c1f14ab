from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.decide import decide
from models.limits import LimitState

Build = Callable[..., Any]


def one(table: Any, policy: Any, limits: Any = None) -> Any:
    decisions, _ = decide(table, policy, limits or LimitState())
    return decisions[["action", "binding"]].astype(str).iloc[-1].tolist()


def test_values_are_the_designs(requests_of: Build, policy_of: Build) -> None:
    row, _ = decide(requests_of(), policy_of(), LimitState())
    # 2 cents x 300 h - 50 lost - 10 claw-back - 10,000 x 12.5 days x 1 bp
    assert row["value_instant_cents"][0] == pytest.approx(600 - 50 - 10 - 12.5)
    # 0.9 x (2 cents x 200 h - 20 lost - 5 claw-back - 10,000 x 8.33 days x 1 bp)
    assert row["value_scan_cents"][0] == pytest.approx(
        0.9 * (400 - 20 - 5 - 10_000 * 200 / 24 * 1e-4)
    )
    assert row[["action", "binding"]].astype(str).iloc[0].tolist() == ["instant", "value"]
    assert row["expected_loss_cents"][0] == 50.0
    assert row["expected_clawcost_cents"][0] == 10.0
    assert row["expected_hours"][0] == 300.0


def test_a_plan_for_the_scan_weighs_its_costs_by_q(requests_of: Build, policy_of: Build) -> None:
    table = requests_of(loss_instant_cents=500.0)
    row, book = decide(table, policy_of(), LimitState())
    assert row[["action", "binding"]].astype(str).iloc[0].tolist() == [
        "at_first_scan",
        "after_scan_better",
    ]
    assert row["expected_loss_cents"][0] == pytest.approx(0.9 * 20)
    assert row["expected_clawcost_cents"][0] == pytest.approx(0.9 * 5)
    assert book.users.loc["u1", "open_cents"] == 10_000


def test_at_the_scan_the_plan_is_priced_again_with_q_1(
    requests_of: Build, policy_of: Build
) -> None:
    table = requests_of(stage="first_scan", q_scan=np.nan)
    row, _ = decide(table, policy_of(), LimitState())
    assert row[["action", "binding"]].astype(str).iloc[0].tolist() == ["at_first_scan", "value"]
    assert row["expected_loss_cents"][0] == 20.0
    assert np.isnan(row["value_instant_cents"][0])
    worse = table.assign(loss_scan_cents=1000.0)
    assert one(worse, policy_of()) == ["after_inspection", "value"]


def test_without_gain_the_normal_track_stays(requests_of: Build, policy_of: Build) -> None:
    free = policy_of(value={"capital_per_day": 0.0})
    costs = {"loss_instant_cents": 600.0, "clawcost_instant_cents": 0.0, "q_scan": 0.0}
    assert one(requests_of(**costs), free) == ["after_inspection", "value"]
    assert one(requests_of(**(costs | {"loss_instant_cents": 599.9})), free) == ["instant", "value"]


@pytest.mark.parametrize("q", [0.0, np.nan])
def test_without_a_scan_there_is_no_plan_for_it(
    requests_of: Build, policy_of: Build, q: Any
) -> None:
    table = requests_of(q_scan=q, loss_instant_cents=5000.0)
    assert one(table, policy_of()) == ["after_inspection", "value"]
    eager = policy_of(exploration={"share": 0.5, "max_loss_cents": 10**9, "day_loss_cents": 10**9})
    many = requests_of(200, q_scan=q, loss_instant_cents=5000.0, amount_cents=0)
    decisions, _ = decide(many, eager, LimitState())
    assert set(decisions["action"]) == {"after_inspection", "instant"}
    assert (decisions["prob_at_first_scan"] == 0.0).all()


def test_an_amount_of_nothing_is_decided_like_another(requests_of: Build, policy_of: Build) -> None:
    assert one(requests_of(amount_cents=0), policy_of()) == ["instant", "value"]
