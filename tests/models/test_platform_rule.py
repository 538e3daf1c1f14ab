from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError
from models.platform_rule import PlatformRule, platform_rule

GOOD = {
    "amount_cents": 10_000,
    "open_cents": 0,
    "orders_90d": 10,
    "refunds_90d": 2,
    "disputes_90d": 0,
    "complaints_90d": 0,
    "unpaid_orders_90d": 0,
}


def action(**changes: Any) -> Any:
    return platform_rule(pd.DataFrame([GOOD | changes])).iloc[0]


@pytest.mark.parametrize(
    ("column", "most", "more"),
    [
        ("amount_cents", 200_000, 200_001),
        ("open_cents", 190_000, 190_001),
        ("refunds_90d", 4, 5),
        ("disputes_90d", 1, 2),
        ("complaints_90d", 1, 2),
        ("unpaid_orders_90d", 2, 3),
        ("coupon_cents", 0, 1),
        ("payment_method", "card", "instalment"),
    ],
)
def test_each_number_holds_just_above_its_maximum(column: str, most: Any, more: Any) -> None:
    assert action(**{column: most}) == "instant"
    assert action(**{column: more}) == "after_inspection"


def test_few_orders_have_no_rate_and_nulls_count_as_none() -> None:
    assert action(orders_90d=2, refunds_90d=2) == "instant"
    assert action(orders_90d=np.nan, refunds_90d=np.nan, coupon_cents=None) == "instant"


def test_the_numbers_are_the_platforms() -> None:
    table = pd.DataFrame([GOOD | {"coupon_cents": 5}])
    assert platform_rule(table, PlatformRule(pays_coupons=True)).tolist() == ["instant"]
    assert platform_rule(table, PlatformRule(limit_cents=1)).tolist() == ["after_inspection"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ContractError, match="'open_cents' is missing"):
        platform_rule(pd.DataFrame([GOOD]).drop(columns="open_cents"))
