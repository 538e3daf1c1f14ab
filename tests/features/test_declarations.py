"""Declarations: names by rule, checks when built, arithmetic."""

from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from typing import Any

import pytest

from data.errors import UsageError
from features.declarations import (
    LIFE,
    Events,
    Rate,
    Request,
    Window,
    days,
    hours,
    rate,
    unique,
    windows,
)
from features.spans import parse_span, span_text

ASKS = Events("asks", "refund_requested")
BADS = Events("bads", ["clawback_opened"], where={"fault": "buyer", "cause": ["audit", "late"]})


def asks(**about: Any) -> Window:
    return Window("user_id", ASKS, "count", **about)


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        (asks(over=days(30)), "user_asks_count_30d"),
        (asks(over=hours(1)), "user_asks_count_1h"),
        (asks(over=hours(48), delay=days(60)), "user_asks_count_2d_lag60d"),
        (Window("category", ASKS, "max", "amount_cents"), "category_asks_max_amount_cents_life"),
        (
            Window(("user_id", "merchant_id"), ASKS, "age", over=days(7)),
            "user_merchant_asks_age_7d",
        ),
        (Window("user_id", ASKS, "streak", breaker=BADS), "user_asks_streak_bads_life"),
        (asks() / asks(over=days(1)), "user_asks_count_life_per_user_asks_count_1d"),
        (Request("amount_cents") - asks(), "request_amount_cents_less_user_asks_count_life"),
        (Request("gift", equals=True), "request_gift_is_true"),
    ],
)
def test_a_name_follows_from_the_declaration(definition: Window, name: str) -> None:
    assert definition.name == name


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"over": days(0)}, "the window is not positive"),
        ({"over": days(-1)}, "the window is not positive"),
        ({"over": timedelta(microseconds=1)}, "not whole seconds"),
        ({"delay": days(-1)}, "the delay is negative or endless"),
        ({"delay": LIFE}, "the delay is negative or endless"),
        ({"aggregate": "cuont"}, "did you mean 'count'"),
        ({"aggregate": "sum"}, "sum needs a column"),
        ({"column": "amount_cents"}, "count takes no column"),
        ({"aggregate": "streak"}, "breaker is missing"),
        ({"breaker": BADS}, "breaker is missing or not allowed"),
        ({"entity": ()}, "the entity is"),
        ({"entity": ("user_id", "user_id")}, "the entity is"),
        ({"sign": {"y_abuse": 2}}, "a sign is -1, 0 or 1"),
        ({"stage": "requests"}, "did you mean 'request'"),
        ({"entity": "merchant_id", "stage": "standing"}, "only the user is known"),
        ({"role": "modle"}, "unknown role"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(arguments: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        replace(asks(), **arguments)


def test_other_declarations_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(UsageError, match="name at least one event type"):
        Events("none", [])
    with pytest.raises(UsageError, match="letters, digits and underscores"):
        Events("two words", "x")
    with pytest.raises(UsageError, match="weight above 0"):
        rate(asks(), asks(over=days(1)), prior=(0.1, 0))
    with pytest.raises(UsageError, match="only the user is known"):
        Rate(Request("amount_cents"), asks(), (0.1, 1), stage="standing")
    with pytest.raises(UsageError, match="is not a feature"):
        asks() / 3  # type: ignore[operator]
    with pytest.raises(UsageError, match="declared twice"):
        unique([asks(), asks(reason="another")])


def test_declarations_are_frozen_and_comparable() -> None:
    assert asks() == Window("user_id", Events("asks", ["refund_requested"]), "count")
    assert BADS.where == {"cause": ("audit", "late"), "fault": ("buyer",)}
    assert len({asks(), asks(), asks(delay=days(1))}) == 2
    with pytest.raises(FrozenInstanceError):
        asks().reason = "x"  # type: ignore[misc]


def test_an_operand_keeps_only_what_it_computes() -> None:
    told = asks(sign={"y_abuse": 1}, reason="many", stage="standing", source="U2")
    share = told / asks(over=days(7), stage="standing")
    assert share.a == asks()
    assert share.stage == "standing"
    assert (told / Request("amount_cents")).stage == "request"


def test_windows_expand_aggregates_by_lengths() -> None:
    found = windows(
        "user_id", ASKS, ["count", "sum:amount_cents"], over=[days(7), LIFE], source="U2"
    )
    assert [w.name for w in found] == [
        "user_asks_count_7d",
        "user_asks_count_life",
        "user_asks_sum_amount_cents_7d",
        "user_asks_sum_amount_cents_life",
    ]
    assert {w.source for w in found} == {"U2"}


@pytest.mark.parametrize("text", ["7d", "1h", "90s", "15m", "life", "0d", "36h"])
def test_a_length_of_time_survives_its_text(text: str) -> None:
    assert span_text(parse_span(text)) == text
