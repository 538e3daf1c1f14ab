"""The money of every advance balances, and what does not is found."""

from typing import Any

import pandas as pd
import pytest

from data.errors import ContractError
from data.ledger import Ledger, ledger_of
from data.money import money_balance

Move = tuple[str, str, int]


def moved(moves: list[Move], channels: dict[int, str] | None = None) -> Ledger:
    times = pd.date_range("2026-01-01", periods=len(moves), freq="h", tz="UTC")
    frame = pd.DataFrame(moves, columns=["case_id", "event_type", "amount_cents"])
    frame["channel"] = [(channels or {}).get(i) for i in range(len(moves))]
    frame["amount_cents"] = frame["amount_cents"].astype("Int64")
    return ledger_of(frame.assign(event_ts=times, known_ts=times, user_id="u"))


def balance_of(moves: list[Move]) -> "pd.Series[Any]":
    return money_balance(moved(moves)).iloc[0]


def test_an_advance_splits_into_who_bore_it_what_came_back_and_what_is_open() -> None:
    moves = [
        ("c", "advance_paid", 1000),
        ("c", "clawback_opened", 700),
        ("c", "advance_settled", 300),
        ("c", "clawback_recovered", 250),
        ("c", "clawback_recovered", 50),
        ("c", "clawback_written_off", 100),
        ("other", "order_paid", 99),
    ]
    table = money_balance(moved(moves, {3: "deduction", 4: "carrier"}))
    assert table.drop(columns="case_id").iloc[0].to_dict() == {
        "paid_cents": 1000,
        "settled_cents": 300,
        "recovered_cents": 300,
        "written_off_cents": 100,
        "clawed_cents": 700,
        "reversed_cents": 0,
        "recovered_carrier_cents": 50,
        "recovered_deduction_cents": 250,
        "open_cents": 300,
        "balanced": True,
    }
    assert table["case_id"].tolist() == ["c"]


def test_a_reversed_claw_back_leaves_room_for_the_settlement() -> None:
    moves = [("c", "advance_paid", 500), ("c", "clawback_opened", 500)]
    moves += [("c", "clawback_reversed", 500), ("c", "advance_settled", 500)]
    row = balance_of(moves)
    assert (row["open_cents"], row["balanced"]) == (0, True)


@pytest.mark.parametrize(
    "moves",
    [
        [("c", "advance_paid", 100), ("c", "advance_settled", 101)],
        [("c", "advance_settled", 100)],
        [("c", "advance_paid", 100), ("c", "clawback_recovered", 50)],
        [
            ("c", "advance_paid", 100),
            ("c", "clawback_opened", 50),
            ("c", "clawback_recovered", 60),
        ],
        [("c", "advance_paid", 100), ("c", "clawback_opened", 50), ("c", "clawback_opened", 50)],
        [
            ("c", "advance_paid", 100),
            ("c", "clawback_opened", 50),
            ("c", "clawback_reversed", 50),
            ("c", "clawback_written_off", 50),
        ],
    ],
)
def test_money_that_cannot_be_is_not_balanced(moves: list[Move]) -> None:
    assert not balance_of(moves)["balanced"]


def test_large_amounts_are_summed_exactly() -> None:
    row = balance_of([("c", "advance_paid", 2**52), ("c", "advance_settled", 2**52 - 1)])
    assert row["open_cents"] == 1


def test_an_amount_that_is_missing_is_an_error_even_if_pandas_made_it_a_float() -> None:
    frame = pd.DataFrame({"case_id": ["c", "c"], "amount_cents": [100.0, float("nan")]})
    times = pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True)
    frame = frame.assign(event_type="advance_paid", event_ts=times, known_ts=times, user_id="u")
    assert money_balance(ledger_of(frame.head(1)))["paid_cents"].tolist() == [100]
    with pytest.raises(ContractError, match="1 events move"):
        money_balance(ledger_of(frame))


def test_money_without_a_case_is_an_error() -> None:
    ledger = moved([("c", "advance_paid", 1), (None, "advance_paid", 1)])  # type: ignore[list-item]
    with pytest.raises(ContractError, match="1 events move an advance's money without case_id"):
        money_balance(ledger)
