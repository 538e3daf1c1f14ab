from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from data.errors import ContractError
from models.decide import decide
from models.limits import LimitState
from models.policy import load_policy

Build = Callable[..., Any]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"amount_cents": -1}, "'amount_cents' has 2 values"),
        ({"amount_cents": 1.5}, "whole cents"),
        ({"amount_cents": 1e16}, "1e15"),
        ({"amount_cents": "ten"}, "give numbers"),
        ({"loss_scan_cents": -0.1}, "'loss_scan_cents'"),
        ({"q_scan": 1.1}, "probability"),
        ({"row_id": 3}, "each row_id once"),
        ({"user_id": None}, "a value in every row"),
        ({"as_of": "2026-03-01"}, "with a zone"),
        ({"as_of": pd.Timestamp("2026-03-01")}, "with a zone"),
        ({"stage": "delivered"}, "one of: request"),
    ],
)
def test_what_cannot_be_meant_is_refused(requests_of: Build, columns: Any, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        decide(requests_of(2, **columns), load_policy(), LimitState())


def test_a_missing_column_is_named_with_its_nearest(requests_of: Build) -> None:
    table = requests_of().rename(columns={"q_scan": "q_scans"})
    with pytest.raises(ContractError, match="did you mean 'q_scans'"):
        decide(table, load_policy(), LimitState())
