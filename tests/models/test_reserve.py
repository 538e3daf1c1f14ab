from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decide import decide
from models.limits import LimitState
from models.policy import load_policy
from models.policy_sections import Cap, Caps, DayCap

Build = Callable[..., Any]

SEEDS = st.integers(0, 10_000)
WIDE = Caps(DayCap(10**14, 10**9, 10**14), Cap(10**14, 10**9), Cap(10**14, 10**9))


def one(table: Any, policy: Any, limits: Any = None) -> Any:
    decisions, _ = decide(table, policy, limits or LimitState())
    return decisions[["action", "binding"]].astype(str).iloc[-1].tolist()


def test_the_limit_is_filled_and_not_passed(requests_of: Build, policy_of: Build) -> None:
    # points 620: base 300,000
    costless = {"loss_instant_cents": 0.0, "clawcost_instant_cents": 0.0}
    amounts = [200_000, 100_001, 100_000, 1]
    table = requests_of(4, amount_cents=amounts, **costless)
    policy = policy_of(value={"capital_per_day": 0.0})
    decisions, book = decide(table, policy, LimitState())
    assert decisions["action"].tolist() == [
        "instant",
        "after_inspection",
        "instant",
        "after_inspection",
    ]
    assert decisions["binding"].tolist() == ["value", "limit_reached", "value", "limit_reached"]
    assert decisions["open_cents"].tolist() == [0, 200_000, 200_000, 300_000]
    assert list(book.users[["open_cents", "limit_cents"]].iloc[0]) == [300_000, 300_000]


def test_a_score_below_the_last_tier_has_no_limit(requests_of: Build, policy_of: Build) -> None:
    assert one(requests_of(points=549.0), policy_of()) == ["after_inspection", "no_limit"]


def test_exposure_of_the_ledger_counts_where_the_book_has_less(
    requests_of: Build, policy_of: Build
) -> None:
    policy = policy_of()
    assert one(requests_of(open_cents=290_001), policy) == ["after_inspection", "limit_reached"]
    assert one(requests_of(open_cents=290_000), policy) == ["instant", "value"]
    _, book = decide(requests_of(open_cents=290_000), policy, LimitState())
    assert one(requests_of(row_id=9), policy, book) == ["after_inspection", "limit_reached"]


def test_a_replay_gives_the_money_back_when_it_settles(
    requests_of: Build, policy_of: Build
) -> None:
    table = requests_of(4, amount_cents=200_000, loss_instant_cents=0.0, clawcost_instant_cents=0.0)
    times = table["as_of"].tolist()
    # the first settles when the third asks (too late for it), before the fourth
    table["settled_ts"] = pd.to_datetime(pd.Series([times[2], None, None, None]), utc=True)
    decisions, book = decide(table, policy_of(value={"capital_per_day": 0.0}), LimitState())
    assert (decisions["action"] == "instant").tolist() == [True, False, False, True]
    assert book.users.loc["u1", "open_cents"] == 200_000


@pytest.mark.parametrize(
    ("caps", "table", "reason"),
    [
        ({"day": DayCap(25_000, 9, 9**9)}, {}, "daily_cap"),
        ({"day": DayCap(9**9, 2, 9**9)}, {}, "daily_cap"),
        ({"day": DayCap(9**9, 9, 100)}, {"q_scan": 0.0}, "loss_budget"),
        ({"merchant": Cap(20_000, 9)}, {}, "merchant_cap"),
        ({"merchant": Cap(9**9, 2)}, {"merchant_id": None}, "merchant_cap"),
        ({"category": Cap(20_000, 9)}, {}, "category_cap"),
        ({"category": Cap(9**9, 2)}, {"category": None}, "category_cap"),
    ],
)
def test_caps_are_exact_and_hold_across_batches(
    requests_of: Build, policy_of: Build, caps: Any, table: Any, reason: str
) -> None:
    policy = policy_of(caps=replace(WIDE, **caps))
    rows = requests_of(5, user_id=[f"u{i}" for i in range(5)], **table)
    decisions, _ = decide(rows, policy, LimitState())
    assert (decisions["action"] == "instant").tolist() == [True, True, False, False, False]
    assert decisions["binding"].tolist()[2:] == [reason] * 3
    _, book = decide(rows[:2], policy, LimitState())
    assert one(rows[2:3], policy, book) == ["after_inspection", reason]
    tomorrow = rows[2:3].assign(as_of=rows["as_of"] + pd.Timedelta(days=1))
    assert one(tomorrow, policy, book) == ["instant", "value"]


def test_a_spent_loss_budget_may_leave_the_scan(requests_of: Build, policy_of: Build) -> None:
    policy = policy_of(caps=replace(WIDE, day=DayCap(10**9, 9, 70)))
    decisions, _ = decide(requests_of(3), policy, LimitState())
    assert decisions["action"].tolist() == ["instant", "at_first_scan", "after_inspection"]
    assert decisions["binding"].tolist() == ["value", "loss_budget", "loss_budget"]


def test_merchants_with_a_null_in_the_batch_keep_their_cap(
    requests_of: Build, policy_of: Build
) -> None:
    policy = policy_of(caps=replace(WIDE, merchant=Cap(10**9, 1)))
    _, book = decide(requests_of(merchant_id=5), policy, LimitState())
    table = requests_of(2, row_id=[7, 8], merchant_id=[5.0, np.nan])
    decisions, _ = decide(table, policy, book)
    assert decisions["binding"].tolist() == ["merchant_cap", "value"]


def naive_value(row: Any, name: Any, value: Any) -> Any:
    hours = row[f"hours_{name}"]
    capital = row["amount_cents"] * value.capital_per_day * hours / 24
    cost = row[f"loss_{name}_cents"] + row[f"clawcost_{name}_cents"] + capital
    return value.hour_cents * min(hours, value.hours_cap) - cost


def naive(table: Any, policy: Any) -> Any:
    """The limits and day caps, one request after the other, in plain Python."""
    book: dict[Any, int] = {}
    last: dict[Any, Any] = {}
    days: dict[Any, Any] = {}
    actions = {}
    for row in table.sort_values(["as_of", "row_id"]).to_dict("records"):
        values = {name: naive_value(row, name, policy.value) for name in ("instant", "scan")}
        v0, v2 = values["instant"], row["q_scan"] * values["scan"]
        wish = "instant" if v0 > max(v2, 0) else "at_first_scan" if v2 > 0 else "after_inspection"
        base = next((t.base_cents for t in policy.tier if row["points"] >= t.min_points), 0)
        earned = 1 + policy.growth.per_clean_advance * row["clean_advances"]
        target = min(earned, policy.growth.max_growth)
        growth, then = last.get(row["user_id"], (1.0, row["as_of"] - pd.Timedelta(days=30)))
        months = (row["as_of"] - then) / pd.Timedelta(days=30)
        growth = min(target, growth * (1 + policy.growth.max_rise_30d) ** months)
        last[row["user_id"]] = (growth, row["as_of"])
        limit, day = round(base * growth), row["as_of"].date()
        open_cents = book.get(row["user_id"], 0)
        cents, count = days.get(day, (0, 0))
        amount = row["amount_cents"]
        fits = open_cents + amount <= limit and cents + amount <= policy.caps.day.amount_cents
        if wish == "after_inspection" or not fits or count >= policy.caps.day.count:
            actions[row["row_id"]] = "after_inspection"
            continue
        book[row["user_id"]] = open_cents + amount
        days[day] = (cents + amount, count + 1)
        actions[row["row_id"]] = wish
    return actions, book


@given(SEEDS)
def test_decisions_equal_the_naive_loop(
    random_requests: Build, policy_of: Build, seed: int
) -> None:
    policy = policy_of(caps=replace(WIDE, day=DayCap(400_000, 25, 10**14)))
    table = random_requests(seed)
    decisions, book = decide(table, policy, LimitState())
    actions, opened = naive(table, policy)
    assert dict(zip(decisions["row_id"], decisions["action"], strict=True)) == actions
    booked = book.users["open_cents"]
    assert booked[booked > 0].to_dict() == {u: c for u, c in opened.items() if c}


@given(SEEDS, st.integers(1, 199))
def test_no_reservation_passes_the_limit_then_in_force(
    random_requests: Build, seed: int, cut: int
) -> None:
    table = random_requests(seed).sort_values(["as_of", "row_id"])
    default = load_policy()
    policy = replace(default, exploration=replace(default.exploration, share=0.3))
    first, book = decide(table[:cut], policy, LimitState())
    second, book = decide(table[cut:], policy, book)
    both = pd.concat([first, second]).assign(amount=table["amount_cents"])
    advanced = both[both["action"].isin(["instant", "at_first_scan"])]
    assert (advanced["open_cents"] + advanced["amount"] <= advanced["limit_cents"]).all()
    before = advanced.groupby("user_id")["amount"].cumsum() - advanced["amount"]
    assert (before == advanced["open_cents"]).all()
    whole, one_book = decide(table, policy, LimitState())
    pd.testing.assert_frame_equal(whole, both[whole.columns])
    pd.testing.assert_frame_equal(one_book.users, book.users.sort_index())


@given(SEEDS, SEEDS)
def test_the_order_of_the_rows_does_not_matter(
    random_requests: Build, seed: int, shuffle: int
) -> None:
    table = random_requests(seed)
    decisions, book = decide(table, load_policy(), LimitState())
    mixed = table.sample(frac=1.0, random_state=shuffle)
    again, same_book = decide(mixed, load_policy(), LimitState())
    pd.testing.assert_frame_equal(decisions, again.loc[decisions.index])
    pd.testing.assert_frame_equal(book.users, same_book.users)
    pd.testing.assert_frame_equal(book.spent, same_book.spent)
