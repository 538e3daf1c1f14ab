"""Small random worlds: events, decisions and declarations, drawn so that edges and ties happen.

Times lie on whole days (with a microsecond beside some), windows and delays are whole days, few
users: events fall exactly on both edges of windows, and on each other.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

import pandas as pd
from hypothesis import strategies as st

from data.ledger import Ledger, ledger_of
from features.declarations import (
    LIFE,
    Declaration,
    Events,
    Links,
    Request,
    Ring,
    Window,
    days,
    hours,
    rate,
)  # fmt: skip

Row = dict[str, Any]
Made = TypeVar("Made")

ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)
SETS = [
    Events("all", ["ask", "pay", "bad"]),
    Events("asks", "ask"),
    Events("food", "ask", where={"category": "food"}),
    Events("pays", ["pay", "never_happened"]),
    Events("bads", "bad", where={"category": ["food", "toys", "unheard_of"]}),
    Events("threes", ["ask", "bad"], where={"quantity": 3}),
]
ENTITIES: list[str | tuple[str, ...]] = [
    "user_id", "merchant_id", "category", ("user_id", "merchant_id"),
    ("merchant_id", "category", "user_id"),
]  # fmt: skip


BESIDE = [0, 0, 0, 0, -1, 1]  # microseconds from midnight
EVENT: dict[str, list[Any]] = {
    "event_type": ["ask", "pay", "bad"],
    "day": list(range(7)),
    "beside": BESIDE,
    "told_after": [0, 1, 3],
    "user_id": ["ann", "bob", "ann", "bob", None],
    "merchant_id": [7, 8, 7, None],
    "category": ["food", "toys", "food", None],
    "amount_cents": [0, 1, 20, 50, None],
    "quantity": [-3, 0, 1, 3, 3],
    "weight": [-1.5, 0.25, 3.0, 0.0, None],
}
CASE: dict[str, list[Any]] = {
    "day": list(range(8)),
    "beside": BESIDE,
    "user_id": ["ann", "bob", "ann", "stranger", None],
    "merchant_id": [7, 8, 99, None],
    "category": ["food", "toys", "rope", None],
    "request_amount_cents": [0, 30, None],
    "request_reason": ["size", "late", None],
}


def row(rng: Random, choices: dict[str, list[Any]]) -> Row:
    return {name: rng.choice(values) for name, values in choices.items()}


def event(rng: Random) -> Row:
    found = row(rng, EVENT)
    known = at(found)
    return found | {"known_ts": known, "event_ts": known - timedelta(days=found["told_after"])}


def case(rng: Random) -> Row:
    found = row(rng, CASE)
    return found | {"as_of": at(found)}


def at(found: Row) -> datetime:
    return ORIGIN + timedelta(days=found["day"], microseconds=found["beside"])


NUMBERS = ["amount_cents", "quantity", "weight"]
AGGREGATES: list[tuple[str, str | None]] = [
    ("count", None), ("count", None), ("age", None), ("tenure", None), ("streak", None),
    *((a, c) for a in ("sum", "mean", "max") for c in NUMBERS),
    *(("distinct", c) for c in ("merchant_id", "category", "user_id")),
]  # fmt: skip
WINDOW: dict[str, list[Any]] = {
    "entity": ENTITIES,
    "events": SETS,
    "aggregate": AGGREGATES,
    "over": [hours(1), days(1), days(2), days(3), days(7), LIFE],
    "delay": [days(0), days(0), days(1), days(2)],
    "breaker": SETS,
}


def window_of(found: Row) -> Window:
    aggregate, column = found["aggregate"]
    breaker = found["breaker"] if aggregate == "streak" else None
    about = {k: found[k] for k in ("over", "delay")}
    return Window(found["entity"], found["events"], aggregate, column, **about, breaker=breaker)


def declarations() -> st.SearchStrategy[list[Declaration]]:
    """Every aggregate twice, over few entities, sets and lengths that they share; arithmetic."""
    return drawn(_declarations)


def _declarations(rng: Random) -> list[Declaration]:
    most = {"entity": 2, "events": 3, "over": 3, "delay": 2, "breaker": 2}
    choices = {name: rng.sample(WINDOW[name], rng.randint(1, n)) for name, n in most.items()}
    found = [window_of(row(rng, choices | {"aggregate": [kind]})) for kind in 2 * AGGREGATES]
    a, b, c, d = rng.sample(found, 4)
    composites: list[Declaration] = [
        a / b,
        Request("amount_cents") - c,
        rate(c, d, prior=(rng.choice([0.0, 0.25]), 4.0)),
        (d - a) / Request("amount_cents"),
    ]
    different: dict[str, Declaration] = {x.name: x for x in [*found, *composites, *RINGS]}
    return [*different.values(), *REQUESTS]


TRADE = Links("trade", {"merchant_id": 2, "category": 2})
RINGS: list[Declaration] = [
    Ring(TRADE, "size"),
    Ring(TRADE, "count", SETS[0], over=days(2)) - Ring(TRADE, "sum", SETS[1], "amount_cents"),
]
REQUESTS: list[Declaration] = [
    Request("amount_cents"), Request("reason", equals="late"), Request("reason"),
]  # fmt: skip


def events() -> st.SearchStrategy[list[Row]]:
    """Mostly many, so that they meet; now and then few or none."""
    return drawn(lambda rng: numbered([event(rng) for _ in range(rng.choice([0, 3, 30, 40, 50]))]))


def numbered(rows: list[Row]) -> list[Row]:
    return [row | {"event_id": f"e{n:04d}"} for n, row in enumerate(rows)]


def cases() -> st.SearchStrategy[list[Row]]:
    return drawn(lambda rng: [case(rng) for _ in range(rng.choice([0, 1, 8, 16, 24]))])


def drawn(make: Callable[[Random], Made]) -> st.SearchStrategy[Made]:
    """A world made by a seeded generator: Hypothesis' own draws are far too sparse for one."""
    return st.randoms(use_true_random=True).map(make)


def ledger(rows: list[Row]) -> Ledger:
    return ledger_of(typed(rows, event_columns))


def frame(rows: list[Row]) -> pd.DataFrame:
    found = typed(rows, case_columns)
    found.index = pd.Index([f"row {3 * n % 7}" for n in range(len(rows))], dtype=object)
    return found


event_columns = {
    "event_id": "str", "event_type": "str", "event_ts": "time", "known_ts": "time",
    "user_id": "str", "merchant_id": "Int64", "category": "str", "amount_cents": "Int64",
    "quantity": "int64", "weight": "float64",
}  # fmt: skip
case_columns = {
    "as_of": "time", "user_id": "str", "merchant_id": "Int64", "category": "str",
    "request_amount_cents": "Int64", "request_reason": "str",
}  # fmt: skip


def typed(rows: list[Row], columns: dict[str, str]) -> pd.DataFrame:
    made = {}
    for name, kind in columns.items():
        values = [row[name] for row in rows]
        made[name] = (
            pd.to_datetime(pd.Series(values, dtype=object), utc=True).dt.as_unit("us")
            if kind == "time"
            else pd.Series(values, dtype=kind)
        )
    return pd.DataFrame(made)


ORIGIN_EVENT: Row = {
    "event_type": "ask", "event_ts": ORIGIN, "known_ts": ORIGIN, "user_id": "ann",
    "merchant_id": 7, "category": "food", "amount_cents": 1, "quantity": 1, "weight": 1.0,
}  # fmt: skip
ORIGIN_CASE: Row = {
    "as_of": ORIGIN, "user_id": "ann", "merchant_id": 7, "category": "food",
    "request_amount_cents": 1, "request_reason": "late",
}  # fmt: skip
