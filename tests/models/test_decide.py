from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ContractError
from models.actions import ACTIONS, BINDING_REASONS
from models.decide import decide
from models.limits import LimitState
from models.policy import load_policy
from models.policy_sections import Cap, Caps, DayCap, Rule

Build = Callable[..., Any]

SEEDS = st.integers(0, 10_000)
RANK = {"after_inspection": 0, "at_first_scan": 1, "instant": 2}
WIDE = Caps(DayCap(10**14, 10**9, 10**14), Cap(10**14, 10**9), Cap(10**14, 10**9))


def one(table: Any, policy: Any, limits: Any = None) -> Any:
    decisions, _ = decide(table, policy, limits or LimitState())
    return decisions[["action", "binding"]].astype(str).iloc[-1].tolist()


@pytest.mark.parametrize(
    "column",
    [
        "points",
        "amount_cents",
        "loss_instant_cents",
        "clawcost_instant_cents",
        "hours_instant",
        "open_cents",
    ],
)
def test_a_missing_number_takes_the_normal_track(
    requests_of: Build, policy_of: Build, column: str
) -> None:
    table = requests_of(2, **{column: [np.nan, 1.0]})
    decisions, book = decide(table, policy_of(), LimitState())
    row = decisions.iloc[0]
    assert (row["action"], row["binding"]) == ("after_inspection", "missing_score")
    assert row["prob_after_inspection"] == row["act_prob"] == row["keep_prob"] == 1.0
    assert decisions["binding"][1] != "missing_score"
    assert book.users["open_cents"].min() >= 0


def test_a_stale_ledger_takes_the_normal_track(requests_of: Build, policy_of: Build) -> None:
    table = requests_of(3, ledger_age_hours=[48.0, 48.01, np.nan])
    decisions, _ = decide(table, policy_of(), LimitState())
    assert decisions["binding"].tolist() == ["value", "stale_ledger", "stale_ledger"]
    assert decisions["action"].tolist() == ["instant", "after_inspection", "after_inspection"]


def test_nullable_numbers_are_numbers(requests_of: Build, policy_of: Build) -> None:
    kinds = {"points": "Float64", "amount_cents": "Int64", "clean_advances": "Int64"}
    table = requests_of(3).astype(kinds)
    table.loc[1, list(kinds)] = pd.NA
    table.loc[2, "clean_advances"] = pd.NA
    decisions, _ = decide(table, policy_of(), LimitState())
    assert decisions["binding"].tolist() == ["value", "missing_score", "value"]


def test_the_kill_switch_holds_everybody(random_requests: Build) -> None:
    rule = Rule("user_id", "in", "allow_list", ("u1",), force="instant", until=date(2099, 1, 1))
    policy = replace(load_policy(), kill_switch=True, rule=(rule,))
    decisions, book = decide(random_requests(1), policy, LimitState())
    assert set(decisions["action"]) == {"after_inspection"}
    assert set(decisions["binding"]) == {"kill_switch"}
    assert (decisions["prob_after_inspection"] == 1.0).all()
    assert book.users["open_cents"].sum() == 0


def test_eligibility_binds_before_value(requests_of: Build, policy_of: Build) -> None:
    rule = Rule("coupon_cents", "gt", "coupon_order", 0, allow=("at_first_scan",))
    policy = policy_of(rule=(rule,))
    assert one(requests_of(coupon_cents=1), policy) == ["at_first_scan", "coupon_order"]
    assert one(requests_of(coupon_cents=1, q_scan=0.0), policy) == [
        "after_inspection",
        "coupon_order",
    ]
    assert one(requests_of(coupon_cents=0), policy) == ["instant", "value"]
    # a rule that closes what nobody wanted does not bind
    dear = requests_of(coupon_cents=1, loss_instant_cents=1e4, q_scan=0.0)
    assert one(dear, policy) == ["after_inspection", "value"]


def test_lists_force_until_they_end_and_never_over_the_limit(
    requests_of: Build, policy_of: Build
) -> None:
    def listed(force: Any, reason: str) -> Any:
        until = date(2026, 3, 2)
        return policy_of(rule=(Rule("user_id", "in", reason, ("u1",), force=force, until=until),))

    dear = requests_of(loss_instant_cents=1e5, q_scan=0.0)
    tomorrow = {"as_of": dear["as_of"] + pd.Timedelta(days=1)}
    allow, hold = listed("instant", "allow_list"), listed("after_inspection", "hold_list")
    assert one(dear, allow) == ["instant", "allow_list"]
    assert one(dear.assign(**tomorrow), allow) == ["after_inspection", "value"]
    assert one(dear.assign(amount_cents=300_001), allow) == ["after_inspection", "limit_reached"]
    assert one(requests_of(), hold) == ["after_inspection", "hold_list"]
    assert one(requests_of(**tomorrow), hold) == ["instant", "value"]
    assert one(requests_of(), listed("review", "hold_list")) == ["review", "hold_list"]
    scan = listed("at_first_scan", "allow_list")
    assert one(requests_of(q_scan=0.0), scan) == ["after_inspection", "allow_list"]


def test_a_review_is_no_advance(requests_of: Build, policy_of: Build) -> None:
    rule = Rule("category", "in", "category", ("shoes",), force="review")
    decisions, book = decide(requests_of(), policy_of(rule=(rule,)), LimitState())
    assert decisions["prob_review"].tolist() == [1.0]
    assert decisions["act_prob"].tolist() == [1.0]
    assert decisions["prob_after_inspection"].tolist() == [0.0]
    assert book.users["open_cents"].tolist() == [0]


def test_a_rerun_gives_the_same_bytes_and_leaves_the_book_alone(random_requests: Build) -> None:
    _, book = decide(random_requests(1), load_policy(), LimitState())
    kept = (book.users.copy(), book.spent.copy())
    table = random_requests(2).assign(row_id=np.arange(1000, 1200))
    runs = [decide(table, load_policy(), book)[0].to_csv() for _ in range(2)]
    assert runs[0] == runs[1]
    pd.testing.assert_frame_equal(book.users, kept[0])
    pd.testing.assert_frame_equal(book.spent, kept[1])


DEARER = {
    "a dearer claw-back": (["clawcost_instant_cents", "clawcost_scan_cents"], {}),
    "a larger loss": (["loss_instant_cents", "loss_scan_cents"], {}),
    "a cheaper hour": ([], {"hour_cents": 1.0}),
    "dearer capital": ([], {"capital_per_day": 0.003}),
    "fewer hours that count": ([], {"hours_cap": 30.0}),
}


@pytest.mark.parametrize("change", DEARER.values(), ids=DEARER.keys())
@settings(max_examples=8)
@given(SEEDS, st.floats(1.0, 20.0))
def test_a_dearer_mistake_never_loosens_the_policy(
    random_requests: Build, policy_of: Build, change: Any, seed: int, factor: float
) -> None:
    columns, value = change
    policy = policy_of(caps=WIDE)
    # one request a user, so that no row's limit hangs on another row
    table = random_requests(seed).assign(user_id=np.arange(200))
    before, _ = decide(table, policy, LimitState())
    dearer = table.assign(**{c: table[c] * factor for c in columns})
    after, _ = decide(dearer, replace(policy, value=replace(policy.value, **value)), LimitState())
    looser = after["action"].astype(str).map(RANK) > before["action"].astype(str).map(RANK)
    assert not looser.any()


def test_dearer_mistakes_do_tighten_something(random_requests: Build, policy_of: Build) -> None:
    table = random_requests(3).assign(user_id=np.arange(200))
    dear = table.assign(clawcost_instant_cents=table["clawcost_instant_cents"] * 10)
    counts = [
        (decide(t, policy_of(), LimitState())[0]["action"] == "instant").sum()
        for t in (table, dear)
    ]
    assert counts[1] < counts[0]


@given(SEEDS)
def test_every_reason_is_listed_and_every_probability_is_one(
    random_requests: Build, seed: int
) -> None:
    decisions, _ = decide(random_requests(seed), load_policy(), LimitState())
    assert set(decisions["binding"]) <= set(BINDING_REASONS)
    assert set(decisions["action"]) <= set(ACTIONS)
    probs = decisions[[f"prob_{a}" for a in ACTIONS]].to_numpy()
    assert probs.min() >= 0.0
    assert probs.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    taken = probs[np.arange(len(probs)), decisions["action"].cat.codes]
    assert (taken == decisions["act_prob"]).all()
    assert (decisions["act_prob"] > 0.0).all()


def test_every_decision_names_its_policy(requests_of: Build) -> None:
    decisions, _ = decide(requests_of(), load_policy(), LimitState())
    assert decisions["policy_version"].tolist() == [load_policy().version]
    assert decisions["policy_id"].tolist() == ["default"]


def test_no_rows_are_decided_to_no_rows(requests_of: Build) -> None:
    decisions, book = decide(requests_of()[:0], load_policy(), LimitState())
    full, _ = decide(requests_of(), load_policy(), LimitState())
    assert decisions.columns.tolist() == full.columns.tolist()
    assert len(decisions) == len(book.users) == 0


def test_categorical_and_integer_users_are_the_same_as_plain_ones(random_requests: Build) -> None:
    table = random_requests(5)
    plain, book = decide(table, load_policy(), LimitState())
    coded = table.astype({"user_id": "category", "merchant_id": "category"})
    same, same_book = decide(coded, load_policy(), LimitState())
    assert plain["action"].tolist() == same["action"].tolist()
    pd.testing.assert_frame_equal(book.users, same_book.users)
    numbers = table.assign(user_id=table["user_id"].str[1:].astype(int))
    assert (
        decide(numbers, load_policy(), LimitState())[0]["action"].tolist()
        == plain["action"].tolist()
    )
    with pytest.raises(ContractError, match="in the book it is string"):
        decide(numbers.assign(row_id=numbers["row_id"] + 500), load_policy(), book)
