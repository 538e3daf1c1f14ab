from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ContractError
from models.decide import decide
from models.limits import (
    MICROS_PER_DAY,
    NEVER,
    LimitState,
    grown,
    growth_target,
    limits_now,
    release,
    tier_bases,
)
from models.policy import load_policy

Build = Callable[..., Any]


def test_tiers_follow_the_points() -> None:
    policy = load_policy()
    points = [np.inf, 640.0, 639.9, 580.0, 549.9, -np.inf, np.nan]
    tier, base = tier_bases(points, policy)
    assert tier.tolist() == [0, 0, 1, 2, -1, -1, -1]
    assert base.tolist() == [500_000, 500_000, 300_000, 150_000, 0, 0, 0]


def test_growth_counts_clean_advances_up_to_its_maximum() -> None:
    # 5 % an advance, at most 3 times the base
    assert growth_target([0, 1, 10, 40, 41, np.nan, -1], load_policy()) == pytest.approx(
        [1.0, 1.05, 1.5, 3.0, 3.0, 1.0, 1.0]
    )


def test_a_user_without_a_past_rises_once() -> None:
    assert grown(3.0, 1.0, NEVER, 0, 0.25) == 1.25
    assert grown(1.1, 1.0, NEVER, 0, 0.25) == 1.1


def test_growth_falls_at_once_and_rises_by_the_day() -> None:
    month = 30 * MICROS_PER_DAY
    assert grown(1.0, 2.0, 0, 0, 0.25) == 1.0
    assert grown(3.0, 2.0, 0, month, 0.25) == 2.5
    assert grown(3.0, 2.0, 0, -month, 0.25) == 2.0


@given(st.lists(st.tuples(st.integers(0, 20 * MICROS_PER_DAY), st.floats(1.0, 50.0)), max_size=12))
def test_no_path_rises_faster_than_the_policy_says(steps: Any) -> None:
    now, growth, path = 0, 1.0, [(0, 1.0)]
    for wait, target in steps:
        growth = grown(target, growth, now, now + wait, 0.25)
        now += wait
        path.append((now, growth))
    for i, (early, low) in enumerate(path):
        for late, high in path[i:]:
            days = (late - early) / MICROS_PER_DAY
            assert high <= low * 1.25 ** (days / 30) * (1 + 1e-12)


def test_the_standing_limit_is_the_one_a_decision_meets(
    requests_of: Build, policy_of: Build
) -> None:
    policy = policy_of()
    first = requests_of(clean_advances=30)
    _, book = decide(first, policy, LimitState())
    later = first.assign(as_of=first["as_of"] + pd.Timedelta(days=10), row_id=1)
    decisions, _ = decide(later, policy, book)
    _, base = tier_bases(later["points"], policy)
    growth = growth_target(later["clean_advances"], policy)
    now = later["as_of"].dt.as_unit("us").astype("int64").to_numpy()
    limit, booked = limits_now(later["user_id"], base, growth, now, policy, book)
    assert limit.tolist() == decisions["limit_cents"].tolist()
    assert limit.tolist() == [round(300_000 * 1.25 * 1.25 ** (10 / 30))]
    assert booked.tolist() == decisions["open_cents"].tolist() == [10_000]


def test_release_frees_what_was_reserved(requests_of: Build, policy_of: Build) -> None:
    _, book = decide(requests_of(2, amount_cents=[100, 30]), policy_of(), LimitState())
    free = release(book, pd.DataFrame({"user_id": ["u1", "u1"], "amount_cents": [100, 5]}))
    assert free.users.loc["u1", "open_cents"] == 25
    assert book.users.loc["u1", "open_cents"] == 130


@pytest.mark.parametrize(
    ("user", "cents", "says"),
    [("u1", 101, "more than is open"), ("u2", 1, "more than is open"), ("u1", -1, "negative")],
)
def test_release_refuses_what_was_not_reserved(
    requests_of: Build, policy_of: Build, user: Any, cents: Any, says: str
) -> None:
    _, book = decide(requests_of(amount_cents=100), policy_of(), LimitState())
    with pytest.raises(ContractError, match=says):
        release(book, pd.DataFrame({"user_id": [user], "amount_cents": [cents]}))
