"""The judge on a market and on bad input."""

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from data.market import World, altered, simulate
from data.market.judge import Costs, everybody, expected_against_true, judge, oracle

COSTS = Costs(
    hour_cents=2.0,
    hours_cap=480.0,
    capital_per_day=0.0001,
    clawback_cost_cents={
        "return_missing": 1500,
        "withdrawn": 800,
        "audit_abuse": 1500,
        "appeal_upheld": 2500,
    },
)


def test_advancing_nothing_is_worth_nothing_and_holds_every_good_buyer(truth: pd.DataFrame) -> None:
    verdict = judge(everybody(truth, "after_inspection"), truth, COSTS)
    assert verdict.net_value_cents == verdict.loss_cents == verdict.hours_saved_good == 0
    assert verdict.false_hold_rate == 1
    assert verdict.instant_share == 0


def test_advancing_all_loses_the_truths_whole_loss(truth: pd.DataFrame) -> None:
    verdict = judge(everybody(truth, "instant"), truth, COSTS)
    assert verdict.loss_cents == pytest.approx(truth["loss_cents_instant"].sum())
    assert verdict.advanced_cents == pytest.approx(truth["amount_cents"].sum())
    assert verdict.false_hold_rate == 0


def test_knowing_the_truth_beats_every_fixed_action(truth: pd.DataFrame) -> None:
    best = judge(oracle(truth, COSTS), truth, COSTS).net_value_cents
    for action in ("instant", "at_first_scan", "after_delivery", "after_inspection"):
        assert best > judge(everybody(truth, action), truth, COSTS).net_value_cents


def test_the_order_of_decisions_does_not_matter(truth: pd.DataFrame) -> None:
    decisions = oracle(truth, COSTS)
    turned = decisions.iloc[::-1].astype({"case_id": "str"})
    there, back = judge(decisions, truth, COSTS), judge(turned, truth, COSTS)
    assert there.net_value_cents == pytest.approx(back.net_value_cents)
    assert there.false_hold_rate == back.false_hold_rate


def test_a_dearer_hour_makes_speed_worth_more(truth: pd.DataFrame) -> None:
    dear = Costs(4.0, 480.0, 0.0001, COSTS.clawback_cost_cents)
    decisions = everybody(truth, "instant")
    assert (
        judge(decisions, truth, dear).net_value_cents
        > judge(decisions, truth, COSTS).net_value_cents
    )


def test_expected_against_true_is_one_for_the_truth_itself(truth: pd.DataFrame) -> None:
    decisions = oracle(truth, COSTS)
    own = np.select(
        [decisions["action"] == a for a in ("instant", "at_first_scan", "after_delivery")],
        [truth[f"loss_cents_{a}"] for a in ("instant", "at_first_scan", "after_delivery")],
        0.0,
    )
    table = expected_against_true(decisions.assign(expected_loss_cents=own), truth)
    assert table["ratio"].dropna().to_numpy() == pytest.approx(1.0)
    assert table.loc["all", "money_share"] == 1
    assert table["ratio"].isna().loc["after_inspection"]


def test_cases_of_another_market_and_unknown_actions_are_refused(truth: pd.DataFrame) -> None:
    with pytest.raises(ContractError, match="not in the truth"):
        judge(pd.DataFrame({"case_id": [-5], "action": ["instant"]}), truth, COSTS)
    with pytest.raises(ContractError, match="unknown actions"):
        everybody(truth, "deny")
    with pytest.raises(ContractError, match="unknown causes"):
        judge(everybody(truth, "instant"), truth, Costs(1.0, 1.0, 0.0, {"theft": 1.0}))


@pytest.mark.parametrize(("n_orders", "months", "seed"), [(5, 18, 1), (1000, 0, 1), (1000, 1, -1)])
def test_impossible_worlds_are_refused(n_orders: int, months: int, seed: int) -> None:
    with pytest.raises(UsageError):
        World(n_orders=n_orders, months=months, seed=seed)


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="buyers__noise_sd"):
        altered(buyers__noise=1.0)


def test_a_policy_must_return_probabilities() -> None:
    def short(seen: pd.DataFrame) -> np.ndarray:
        return np.ones((len(seen), 2)) / 2

    def wild(seen: pd.DataFrame) -> np.ndarray:
        return np.ones((len(seen), 5))

    for policy in (short, wild):
        with pytest.raises(ContractError):
            simulate(World(n_orders=1000, policy=policy, policy_id="wrong"))
