from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from models.actions import ACTIONS
from models.decide import decide
from models.limits import LimitState
from models.policy import load_policy
from models.policy_sections import Cap, Caps, DayCap, Rule

Build = Callable[..., Any]

WIDE = Caps(DayCap(10**14, 10**9, 10**14), Cap(10**14, 10**9), Cap(10**14, 10**9))
PROBS = [f"prob_{a}" for a in ACTIONS]
EARLY = {"after_inspection": 0, "at_first_scan": 1, "instant": 2}


@pytest.fixture(scope="module")
def exploring(policy_of: Build) -> Any:
    def build(**changes: Any) -> Any:
        free = {"share": 0.3, "max_loss_cents": 10**9, "day_loss_cents": 10**9, "seed": 1}
        caps = changes.pop("caps", WIDE)
        return policy_of(exploration=free | changes, caps=caps)

    return build


def crowd(requests_of: Build, n: int, **columns: Any) -> Any:
    return requests_of(n, user_id=np.arange(n), **columns)


def test_the_band_is_as_wide_as_the_policy_says_and_logs_it(
    requests_of: Build, exploring: Build
) -> None:
    decisions, _ = decide(crowd(requests_of, 4000), exploring(), LimitState())
    assert decisions[PROBS].drop_duplicates().to_numpy().tolist() == [[0.15, 0.15, 0.7, 0.0, 0.0]]
    assert (decisions["keep_prob"] == 0.7).all()
    explored = decisions["explored"]
    assert binomtest(int(explored.sum()), 4000, 0.3).pvalue > 1e-4
    assert (decisions["binding"] == "exploration").equals(explored)
    assert decisions.loc[explored, "act_prob"].unique().tolist() == [0.15]
    counts = decisions["action"].value_counts()
    assert binomtest(int(counts["at_first_scan"]), 4000, 0.15).pvalue > 1e-4


def test_over_many_seeds_actions_come_as_often_as_logged(
    random_requests: Build, exploring: Build
) -> None:
    """Each row's logged propensities, given its past, are the frequencies over seeds.

    Under limits the propensities differ from seed to seed; what must agree is the sum of actions
    taken with the sum of propensities logged (a martingale), within 4.5 standard deviations.
    """
    table = random_requests(11, n=60)
    caps = replace(WIDE, day=DayCap(300_000, 12, 10**14))
    taken, logged, spread = np.zeros(3), np.zeros(3), np.zeros(3)
    for seed in range(150):
        decisions, _ = decide(table, exploring(seed=seed, caps=caps), LimitState())
        prob = decisions[PROBS[:3]].to_numpy()
        taken += np.bincount(decisions["action"].cat.codes, minlength=3)
        logged += prob.sum(axis=0)
        spread += (prob * (1 - prob)).sum(axis=0)
    assert (np.abs(taken - logged) < 4.5 * np.sqrt(spread)).all()
    assert (spread > 50).all()


def test_another_seed_or_policy_draws_afresh_and_the_same_draws_the_same(
    requests_of: Build, exploring: Build
) -> None:
    table = crowd(requests_of, 500)
    explored = [
        decide(table, policy, LimitState())[0]["explored"]
        for policy in (exploring(), exploring(), exploring(seed=2), exploring(share=0.31))
    ]
    assert explored[0].equals(explored[1])
    assert (explored[0] != explored[2]).sum() > 100
    assert (explored[0] != explored[3]).sum() > 100


def test_a_share_of_nothing_explores_nothing(random_requests: Build, exploring: Build) -> None:
    decisions, _ = decide(random_requests(3), exploring(share=0.0), LimitState())
    assert not decisions["explored"].any()
    assert set(decisions[PROBS].to_numpy().ravel()) == {0.0, 1.0}


def test_nobody_is_paid_earlier_for_learning_above_the_loss_cap(
    requests_of: Build, exploring: Build
) -> None:
    dear = {"loss_instant_cents": 1000.0, "clawcost_instant_cents": 0.0, "q_scan": 0.0}
    # 1000 lost and 12.5 of capital
    for cap, paid in ((1012, False), (1013, True)):
        table = crowd(requests_of, 300, **dear)
        decisions, _ = decide(table, exploring(max_loss_cents=cap), LimitState())
        assert (decisions["action"] == "instant").any() == paid
        assert (decisions["prob_instant"] == (0.3 if paid else 0.0)).all()


def test_paying_later_than_planned_needs_no_loss_cap(requests_of: Build, exploring: Build) -> None:
    table = crowd(requests_of, 300)
    decisions, _ = decide(table, exploring(max_loss_cents=0, day_loss_cents=0), LimitState())
    assert decisions[PROBS[:3]].drop_duplicates().to_numpy().tolist() == [[0.15, 0.15, 0.7]]


def test_a_days_learning_costs_no_more_than_its_cap(requests_of: Build, exploring: Build) -> None:
    dear = {"loss_instant_cents": 987.5, "clawcost_instant_cents": 0.0, "q_scan": 0.0}
    table = crowd(requests_of, 1000, **dear)
    policy = exploring(day_loss_cents=3999)
    first, book = decide(table[:500], policy, LimitState())
    second, book = decide(table[500:], policy, book)
    both = pd.concat([first, second])
    assert (both["action"] == "instant").sum() == 3
    assert book.spent["explored_cents"].max() == pytest.approx(3000.0)
    after = both["prob_instant"].to_numpy()
    last = np.flatnonzero(both["action"] == "instant")[-1]
    assert (after[: last + 1] == 0.3).all()
    assert (after[last + 1 :] == 0.0).all()


def test_rules_missing_scores_and_limits_are_never_explored(
    requests_of: Build, exploring: Build
) -> None:
    rule = Rule(
        "user_id", "in", "hold_list", (0, 1), force="after_inspection", until=date(2099, 1, 1)
    )
    closed = Rule("category", "in", "category", ("food",), allow=())
    n = 400
    table = crowd(
        requests_of,
        n,
        category=np.where(np.arange(n) % 4 == 0, "food", "shoes"),
        points=np.where(np.arange(n) % 4 == 1, np.nan, 620.0),
        open_cents=np.where(np.arange(n) % 4 == 2, 300_000, 0),
        amount_cents=np.where(np.arange(n) % 4 == 2, 1, 10_000),
    )
    decisions, _ = decide(table, replace(exploring(), rule=(rule, closed)), LimitState())
    free = np.arange(n) % 4 == 3
    assert decisions.loc[free, "explored"].any()
    assert not decisions.loc[~free, "explored"].any()
    assert (decisions.loc[~free, "prob_after_inspection"] == 1.0).all()
    reasons = decisions.groupby(np.arange(n) % 4)["binding"].unique()
    assert [set(r) for r in reasons[:3]] == [
        {"category", "hold_list"},
        {"missing_score"},
        {"limit_reached"},
    ]


@given(st.integers(0, 10_000))
def test_exploring_respects_every_bound(
    random_requests: Build, exploring: Build, seed: int
) -> None:
    policy = exploring(max_loss_cents=900, caps=replace(WIDE, day=DayCap(400_000, 20, 3_000)))
    table = random_requests(seed)
    decisions, book = decide(table, policy, LimitState())
    day = book.spent[book.spent["scope"] == "day"]
    assert (day["amount_cents"] <= 400_000).all()
    assert (day["count"] <= 20).all()
    assert (day["loss_cents"] <= 3_000).all()
    advanced = decisions["action"].isin(["instant", "at_first_scan"])
    room = decisions["limit_cents"] - decisions["open_cents"] - table["amount_cents"]
    assert (room[advanced] >= 0).all()
    quiet = replace(policy, exploration=replace(policy.exploration, share=0.0))
    wished, _ = decide(table, replace(quiet, caps=WIDE), LimitState())
    wish = wished["action"].astype(str).map(EARLY)
    up = decisions["explored"] & (decisions["action"].astype(str).map(EARLY) > wish)
    cost = decisions["expected_loss_cents"] + decisions["expected_clawcost_cents"]
    assert (cost[up] <= 900).all()


def test_the_default_band_is_small() -> None:
    exploration = load_policy().exploration
    assert 0.0 < exploration.share <= 0.02
