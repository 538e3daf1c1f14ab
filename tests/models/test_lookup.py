from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ContractError
from models.decide import decide
from models.limits import LimitState, release
from models.lookup import answer, answers
from models.policy_sections import Rule
from models.standing import COLUMNS, standing_rows

Build = Callable[..., Any]

NIGHT = pd.Timestamp("2026-03-01", tz="UTC")
NOON = NIGHT + pd.Timedelta(hours=12)
COUPON = Rule("coupon_cents", "gt", "coupon_order", 0, allow=("at_first_scan",))


def users_of(n: int = 1, **columns: Any) -> Any:
    table = pd.DataFrame(
        {
            "user_id": [f"u{i}" for i in range(n)],
            "as_of": NIGHT,
            "points": 620.0,
            "p_claw": 0.01,
            "lgd": 0.5,
            "hours_instant": 300.0,
            "clawcost_instant_cents": 15.0,
            "open_cents": 0,
            "clean_advances": 0,
        }
    )
    return table.assign(**columns)


def listed(reason: str, force: Any, until: Any = date(2027, 1, 1)) -> Any:
    return Rule("user_id", "in", reason, ("u0",), force=force, until=until)


def told(
    standing: Any, policy: Any, amount: Any = 1000, user: Any = "u0", at: Any = NOON, **more: Any
) -> Any:
    found = answer(standing, user, at, amount, policy=policy, **more)
    return [found.action, found.binding]


def test_a_standing_row_has_every_column_and_a_default_row_last(policy_of: Build) -> None:
    standing = standing_rows(users_of(2), policy_of())
    assert tuple(standing.columns) == COLUMNS
    assert standing["user_id"].isna().tolist() == [False, False, True]
    first = standing.iloc[0]
    assert (first["tier"], first["limit_cents"], first["eligible"]) == ("B", 300_000, True)
    assert first["valid_until"] == NIGHT + pd.Timedelta(hours=30)
    assert first["policy_version"] == policy_of().version
    stranger = standing.iloc[2]
    assert (stranger["tier"], stranger["limit_cents"]) == ("C", 150_000)
    assert (stranger["max_instant_cents"], stranger["eligible"]) == (20_000, True)


def test_the_largest_instant_refund_is_where_its_value_ends(policy_of: Build) -> None:
    # (600 of speed - 15 of claw-back) over (0.005 lost + 0.00125 capital a cent): worth nothing
    standing = standing_rows(users_of(), policy_of())
    assert standing["max_instant_cents"][0] == 93_599
    assert told(standing, policy_of(), 93_599) == ["instant", "value"]
    assert told(standing, policy_of(), 93_600) == ["after_inspection", "value"]


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_the_look_up_agrees_with_the_decision_on_the_same_facts(
    policy_of: Build, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = 60
    p = rng.beta(1, 20, n)
    users = users_of(
        n,
        points=rng.uniform(520, 660, n),
        p_claw=p,
        lgd=rng.uniform(0, 1, n),
        hours_instant=rng.uniform(0, 600, n),
        clawcost_instant_cents=p * 1500,
        open_cents=rng.integers(0, 300_000, n),
        clean_advances=rng.integers(0, 20, n),
    )
    amount = rng.integers(0, 100_000, n)
    policy = policy_of()
    # at the standing's own time: later in the day a growth may have risen a little
    requests = users[["user_id"]].assign(at=NIGHT, amount_cents=amount)
    looked_up = answers(standing_rows(users, policy), requests, policy)
    scored = users.assign(
        row_id=np.arange(n),
        amount_cents=amount,
        loss_instant_cents=users["p_claw"] * users["lgd"] * amount,
        q_scan=0.0,
        loss_scan_cents=0.0,
        clawcost_scan_cents=0.0,
        hours_scan=0.0,
    )
    decided, _ = decide(scored, policy, LimitState())
    assert looked_up["action"].tolist() == decided["action"].tolist()
    assert looked_up["limit_cents"].tolist() == decided["limit_cents"].tolist()


def test_nullable_numbers_are_numbers(policy_of: Build) -> None:
    users = users_of(2).astype({"points": "Float64", "clean_advances": "Int64"})
    users.loc[1, ["points", "clean_advances"]] = pd.NA
    standing = standing_rows(users, policy_of())
    assert standing["binding"].tolist() == ["value", "missing_score", "unknown_user"]


def test_an_answer_ends_with_its_time(policy_of: Build) -> None:
    policy = policy_of()
    standing = standing_rows(users_of(), policy)
    end = NIGHT + pd.Timedelta(hours=30)
    assert told(standing, policy, at=end - pd.Timedelta(1, "us")) == ["instant", "value"]
    for at in (end, NIGHT - pd.Timedelta(1, "us")):
        assert told(standing, policy, at=at) == ["after_inspection", "expired_standing"]


def test_an_answer_ends_with_the_age_of_its_data(policy_of: Build) -> None:
    policy = policy_of()
    standing = standing_rows(users_of(ledger_age_hours=30.0), policy)
    at = NIGHT + pd.Timedelta(hours=18)
    assert told(standing, policy, at=at) == ["instant", "value"]
    late = at + pd.Timedelta(1, "us")
    assert told(standing, policy, at=late) == ["after_inspection", "stale_ledger"]
    old = standing_rows(users_of(2, ledger_age_hours=[48.1, np.nan]), policy)
    assert old["binding"].tolist()[:2] == ["stale_ledger"] * 2
    assert old["eligible"].tolist()[:2] == [False, False]
    assert told(old, policy, user="u1") == ["after_inspection", "stale_ledger"]


@pytest.mark.parametrize("column", ["points", "p_claw", "lgd", "hours_instant", "open_cents"])
def test_a_missing_number_is_no_answer(policy_of: Build, column: str) -> None:
    standing = standing_rows(users_of(2, **{column: [np.nan, 0.5]}), policy_of())
    assert list(standing[["binding", "max_instant_cents"]].iloc[0]) == ["missing_score", 0]
    assert not standing["eligible"][0]
    assert told(standing, policy_of()) == ["after_inspection", "missing_score"]


def test_a_user_nobody_has_seen_gets_the_default_row(policy_of: Build) -> None:
    policy = policy_of()
    standing = standing_rows(users_of(), policy)
    assert told(standing, policy, 20_000, user="new") == ["instant", "unknown_user"]
    assert told(standing, policy, 20_001, user="new") == ["after_inspection", "unknown_user"]
    assert told(standing, policy, 20_000, user=None) == ["instant", "unknown_user"]
    assert told(standing, policy, 1, "new", reserved_cents=150_000) == [
        "after_inspection",
        "limit_reached",
    ]


def test_what_was_reserved_since_the_night_counts(policy_of: Build) -> None:
    policy = policy_of()
    standing = standing_rows(users_of(open_cents=250_000), policy)
    assert standing["max_instant_cents"][0] == 50_000
    assert told(standing, policy, 50_000) == ["instant", "value"]
    assert told(standing, policy, 50_000, reserved_cents=1) == ["after_inspection", "limit_reached"]


def test_a_full_or_missing_limit_is_not_eligible(policy_of: Build) -> None:
    standing = standing_rows(users_of(2, points=[620, 540], open_cents=[300_000, 0]), policy_of())
    assert standing["binding"].tolist() == ["limit_reached", "no_limit", "unknown_user"]
    assert standing["tier"].tolist() == ["B", "none", "C"]
    assert told(standing, policy_of(), user="u1") == ["after_inspection", "no_limit"]


def test_the_book_adds_what_the_ledger_has_not_seen(requests_of: Build, policy_of: Build) -> None:
    policy = policy_of()
    _, book = decide(
        requests_of(user_id="u0", amount_cents=250_000, loss_instant_cents=0.0),
        policy,
        LimitState(),
    )
    later = users_of(as_of=NIGHT + pd.Timedelta(days=1))
    assert standing_rows(later, policy, book)["open_cents"][0] == 250_000
    free = release(book, pd.DataFrame({"user_id": ["u0"], "amount_cents": [250_000]}))
    assert standing_rows(later, policy, free)["open_cents"][0] == 0


def test_lists_hold_and_allow_in_standing_and_answer(policy_of: Build) -> None:
    held = policy_of(rule=(listed("hold_list", "after_inspection"),))
    standing = standing_rows(users_of(2), held)
    assert standing["eligible"].tolist() == [False, True, True]
    assert standing["binding"][0] == "hold_list"
    assert told(standing, held) == ["after_inspection", "hold_list"]
    # put on the list since the night: holds at once
    assert told(standing_rows(users_of(), policy_of()), held) == ["after_inspection", "hold_list"]
    expired = policy_of(rule=(listed("hold_list", "after_inspection", date(2026, 3, 1)),))
    assert told(standing_rows(users_of(), expired), expired) == ["instant", "value"]
    liked = policy_of(rule=(listed("allow_list", "instant"),))
    poor = standing_rows(users_of(p_claw=1.0, lgd=1.0), liked)
    assert list(poor[["max_instant_cents", "binding"]].iloc[0]) == [300_000, "allow_list"]
    assert told(poor, liked, 300_000) == ["instant", "allow_list"]
    assert told(poor, liked, 300_001) == ["after_inspection", "limit_reached"]
    checked = policy_of(rule=(listed("hold_list", "review"),))
    assert told(standing, checked) == ["review", "hold_list"]


def test_rules_on_the_request_are_read_at_the_request(policy_of: Build) -> None:
    policy = policy_of(rule=(COUPON,))
    standing = standing_rows(users_of(), policy)
    assert standing["eligible"][0]
    assert told(standing, policy, request={"coupon_cents": 0}) == ["instant", "value"]
    assert told(standing, policy, request={"coupon_cents": 1}) == [
        "after_inspection",
        "coupon_order",
    ]
    with pytest.raises(ContractError, match="coupon_cents"):
        told(standing, policy)


def test_the_kill_switch_holds_at_once(policy_of: Build) -> None:
    standing = standing_rows(users_of(), policy_of())
    off = replace(policy_of(), kill_switch=True)
    assert told(standing, off) == ["after_inspection", "kill_switch"]
    assert told(standing, off, user="new") == ["after_inspection", "kill_switch"]
    assert not standing_rows(users_of(), off)["eligible"].any()


def test_integer_users_keep_their_type_beside_the_default_row(policy_of: Build) -> None:
    standing = standing_rows(users_of(2, user_id=[7, 8]), policy_of())
    assert told(standing, policy_of(), user=8) == ["instant", "value"]
    assert told(standing, policy_of(), user=9) == ["instant", "unknown_user"]
    with pytest.raises(ContractError, match="own type"):
        told(standing, policy_of(), user="8")


def test_a_standing_survives_a_parquet_file(policy_of: Build, tmp_path: Path) -> None:
    standing = standing_rows(users_of(2, user_id=[7, 8]), policy_of())
    standing.to_parquet(tmp_path / "standing.parquet")
    again = pd.read_parquet(tmp_path / "standing.parquet")
    assert told(again, policy_of(), user=8) == ["instant", "value"]
    assert told(again, policy_of(), user=9) == ["instant", "unknown_user"]


@pytest.mark.parametrize("amount", [-1, None])
def test_an_amount_must_be_cents(policy_of: Build, amount: Any) -> None:
    with pytest.raises(ContractError, match="negative or null"):
        told(standing_rows(users_of(), policy_of()), policy_of(), amount)


def test_users_stand_once(policy_of: Build) -> None:
    for table in (users_of(2, user_id="u0"), users_of(user_id=None), users_of()[:0]):
        with pytest.raises(ContractError, match="each user once"):
            standing_rows(table, policy_of())
    with pytest.raises(ContractError, match="'points' is missing"):
        standing_rows(users_of().drop(columns="points"), policy_of())
    standing = standing_rows(users_of(), policy_of())
    with pytest.raises(ContractError, match="one default row"):
        told(standing[:1], policy_of())
