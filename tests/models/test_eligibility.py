from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError
from models.actions import ACTIONS, HOLD, INSTANT, SCAN
from models.eligibility import eligibility
from models.policy_sections import Rule

Build = Callable[..., Any]

NO_SCAN = Rule("refund_type", "in", "refund_only", ("refund_only",), allow=("instant",))
NO_COUPON = Rule("coupon_cents", "gt", "coupon_order", 0, allow=("at_first_scan",))
HELD = Rule("user_id", "in", "hold_list", ("u9",), force="after_inspection", until=date(2026, 3, 2))
LIKED = Rule("user_id", "in", "allow_list", ("u1",), force="instant", until=date(2027, 1, 1))


def left(table: Any, *rules: Any) -> Any:
    found = eligibility(table, rules)
    return [{ACTIONS[a] for a in np.flatnonzero(row)} for row in found.allowed]


def test_rules_narrow_what_the_rules_above_left(requests_of: Build) -> None:
    table = requests_of(
        4, refund_type=["return_refund", "refund_only"] * 2, coupon_cents=[0, 0, 5, 5]
    )
    assert left(table, NO_SCAN, NO_COUPON) == [
        {"after_inspection", "at_first_scan", "instant"},
        {"after_inspection", "instant"},
        {"after_inspection", "at_first_scan"},
        {"after_inspection"},
    ]
    found = eligibility(table, (NO_SCAN, NO_COUPON))
    assert found.closed_by[3].tolist() == [-1, 0, 1]
    assert found.blocked_by.tolist() == [-1, 0, 1, 0]


def test_a_forced_row_is_not_read_by_the_rules_below(requests_of: Build) -> None:
    table = requests_of(2, user_id=["u1", "u2"], coupon_cents=5)
    found = eligibility(table, (LIKED, NO_COUPON))
    assert found.forced.tolist() == [INSTANT, -1]
    assert found.allowed[:, INSTANT].tolist() == [True, False]
    assert found.closed_by[:, SCAN].tolist() == [0, -1]


def test_the_first_force_wins(requests_of: Build) -> None:
    table = requests_of(user_id="u1")
    held = replace(LIKED, reason="hold_list", force="after_inspection")
    assert eligibility(table, (held, LIKED)).forced.tolist() == [HOLD]


def test_a_rule_ends_at_the_midnight_of_its_until(requests_of: Build) -> None:
    times = pd.to_datetime(["2026-03-01T23:59:59.999999Z", "2026-03-02T00:00:00.000000Z"])
    found = eligibility(requests_of(2, user_id="u9", as_of=times), (HELD,))
    assert found.forced.tolist() == [HOLD, -1]


@pytest.mark.parametrize(
    ("operator", "value", "hits"),
    [
        ("lt", 5, [True, False, False, False]),
        ("le", 5, [True, True, False, False]),
        ("gt", 5, [False, False, True, False]),
        ("ge", 5, [False, True, True, False]),
        ("in", (5, 6), [False, True, True, False]),
        ("not_in", (5,), [True, False, True, False]),
        ("is_null", (), [False, False, False, True]),
    ],
)
def test_operators_and_nulls(requests_of: Build, operator: str, value: Any, hits: Any) -> None:
    rule = Rule("weight", operator, "deposit", value, allow=())
    for weight in ([4, 5, 6, np.nan], pd.array([4, 5, 6, None], "Int64")):
        found = eligibility(requests_of(4, weight=weight), (rule,))
        assert (~found.allowed[:, INSTANT]).tolist() == hits


def test_text_may_be_a_category(requests_of: Build) -> None:
    kinds = pd.Categorical(["refund_only", None])
    assert eligibility(requests_of(2, refund_type=kinds), (NO_SCAN,)).blocked_by.tolist() == [0, -1]


def test_a_rule_on_a_column_that_is_not_there_is_an_error_unless_optional(
    requests_of: Build,
) -> None:
    with pytest.raises(ContractError, match="did you mean 'refund_typ'"):
        eligibility(requests_of().rename(columns={"category": "refund_typ"}), (NO_SCAN,))
    optional = Rule("refund_type", "is_null", "refund_only", allow=(), optional=True)
    assert eligibility(requests_of(), (optional,)).blocked_by.tolist() == [-1]


def test_a_list_in_the_wrong_type_would_hold_nobody_and_is_an_error(requests_of: Build) -> None:
    ids = replace(HELD, value=("17",))
    with pytest.raises(ContractError, match="holds numbers"):
        eligibility(requests_of(user_id=17), (ids,))
    with pytest.raises(ContractError, match="holds numbers"):
        eligibility(requests_of(user_id=pd.Categorical([17])), (ids,))
    with pytest.raises(ContractError, match="holds text"):
        eligibility(requests_of(), (Rule("category", "gt", "category", 3, allow=()),))
