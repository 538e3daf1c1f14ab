"""The engine equals the plain loop, whatever is declared, and however the work is cut."""

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ContractError, UsageError
from data.ledger import ledger_of
from features.declarations import LIFE, Events, Request, Window, days, windows
from features.engine import features


def as_object(values: Any) -> list[Any]:
    return [None if pd.isna(v) else v for v in values]


@given(data=st.data())
def test_engine_equals_the_plain_loop(
    data: st.DataObject, worlds: ModuleType, naive: ModuleType
) -> None:
    definitions = data.draw(worlds.declarations())
    events, cases = data.draw(worlds.events()), data.draw(worlds.cases())
    X = features(definitions, worlds.ledger(events), worlds.frame(cases))
    expected = naive.naive_features(definitions, events, cases)
    assert list(X.columns) == list(expected)
    for name, values in expected.items():
        assert as_object(X[name]) == values, name


@given(data=st.data())
def test_many_partitions_by_entity_give_what_one_gives(
    data: st.DataObject, worlds: ModuleType
) -> None:
    windows_of_users = [
        w
        for w in data.draw(worlds.declarations())
        if isinstance(w, Window) and w.keys == ("user_id",)
    ] + windows("user_id", worlds.SETS[0], ["count", "sum:weight"], over=[days(2)])
    definitions = list({w.name: w for w in windows_of_users}.values())
    events, cases = data.draw(worlds.events()), data.draw(worlds.cases())
    whole = features(definitions, worlds.ledger(events), worlds.frame(cases))
    for user in ("ann", "bob", "stranger"):
        mine = [n for n, c in enumerate(cases) if c["user_id"] == user]
        part = features(
            definitions,
            worlds.ledger([e for e in events if e["user_id"] == user]),
            worlds.frame([cases[n] for n in mine]),
        )
        np.testing.assert_array_equal(part.to_numpy(), whole.to_numpy()[mine])


@given(data=st.data())
def test_order_of_rows_and_number_of_threads_do_not_matter(
    data: st.DataObject, worlds: ModuleType
) -> None:
    definitions = data.draw(worlds.declarations())
    ledger, cases = (
        worlds.ledger(data.draw(worlds.events())),
        worlds.frame(data.draw(worlds.cases())),
    )
    order = data.draw(st.permutations(range(len(cases))))
    whole = features(definitions, ledger, cases, threads=2)
    shuffled = features(definitions[::-1], ledger, cases.iloc[order], threads=1)
    pd.testing.assert_frame_equal(shuffled[whole.columns], whole.iloc[order])


def test_more_event_sets_than_one_word_has_bits(worlds: ModuleType, naive: ModuleType) -> None:
    kinds = [f"kind_{n}" for n in range(70)]
    rows = worlds.numbered(
        [
            worlds.ORIGIN_EVENT
            | {"event_type": kind, "known_ts": worlds.ORIGIN + days(n % 5), "quantity": n}
            | {"user_id": user, "weight": 1e17 if user == "not asked for" else n / 3}
            for n, kind in enumerate(kinds)
            for user in ("ann", "not asked for")
        ]
    )
    definitions = [
        Window("user_id", Events(k, k), a, c, days(3), breaker=b)
        for k in kinds
        for a, c, b in (("count", None, None), ("sum", "quantity", None), ("max", "quantity", None),
                        ("mean", "weight", None), ("streak", None, Events("kind_69", "kind_69")))
    ]  # fmt: skip
    cases = [worlds.ORIGIN_CASE | {"as_of": worlds.ORIGIN + days(d)} for d in (0, 3, 5, 9)]
    X = features(definitions, worlds.ledger(rows), worlds.frame(cases))
    expected = naive.naive_features(definitions, rows, cases)
    assert {n: as_object(X[n]) for n in X} == expected


def test_a_decision_does_not_see_the_event_at_its_own_instant(worlds: ModuleType) -> None:
    at = [worlds.ORIGIN_EVENT | {"known_ts": worlds.ORIGIN + days(d)} for d in (0, 0, 0, 1, 2)]
    case = [worlds.ORIGIN_CASE | {"as_of": worlds.ORIGIN + days(2)}]
    asks = worlds.SETS[1]
    definitions = [Window("user_id", asks, "count", over=span) for span in (days(2), LIFE)]
    X = features(definitions, worlds.ledger(worlds.numbered(at)), worlds.frame(case))
    assert X.to_numpy().tolist() == [[4.0, 4.0]]  # the first edge is inside, the last is not


def test_money_beyond_the_exact_floats_is_summed_exactly() -> None:
    day = pd.Timestamp("2026-01-01", tz="UTC")
    cents = [2**53 + 1, 1, -(2**53)]
    frame = pd.DataFrame(
        {
            "event_type": "pay",
            "event_ts": day,
            "known_ts": day,
            "user_id": "u",
            "amount_cents": cents,
        }
    )
    cases = pd.DataFrame({"user_id": ["u"], "as_of": [day + days(1)]})
    pays = Events("pays", "pay")
    columns = windows("user_id", pays, ["count", "sum:amount_cents", "mean:amount_cents"])
    X = features(columns, ledger_of(frame), cases)
    assert X.iloc[0].tolist() == [3, 2, 2 / 3]


def test_no_cases_give_no_rows(worlds: ModuleType) -> None:
    X = features(worlds.REQUESTS, worlds.ledger([]), worlds.frame([]))
    assert X.shape == (0, 3)


@pytest.mark.parametrize(
    ("definition", "what"),
    [
        (Window("usr_id", Events("asks", "ask"), "count"), "did you mean 'user_id'"),
        (
            Window("user_id", Events("asks", "ask"), "sum", "amount_cent"),
            "did you mean 'amount_cents'",
        ),
        (Window("user_id", Events("asks", "ask", {"categry": "food"}), "count"), "'category'"),
        (Window("user_id", Events("asks", "ask"), "sum", "category"), "sum of the code column"),
        (Window("user_id", Events("asks", "ask"), "distinct", "quantity"), "distinct of the int"),
        (Window("quantity", Events("asks", "ask"), "count"), "not a key column"),
        (Window("user_id", Events("asks", "ask", {"known_ts": 3}), "count"), "a time cannot be"),
        (Request("amount"), "did you mean 'request_amount_cents'"),
    ],
)
def test_a_declaration_that_does_not_fit_the_ledger_is_a_clear_error(
    definition: Window, what: str, worlds: ModuleType
) -> None:
    rows, cases = worlds.numbered([worlds.ORIGIN_EVENT]), [worlds.ORIGIN_CASE]
    with pytest.raises((ContractError, UsageError), match=what):
        features([definition], worlds.ledger(rows), worlds.frame(cases))


def test_cases_without_a_clock_or_a_key_are_a_clear_error(worlds: ModuleType) -> None:
    ledger, cases = worlds.ledger([]), worlds.frame([worlds.ORIGIN_CASE])
    count = Window("user_id", worlds.SETS[0], "count", over=LIFE)
    with pytest.raises(ContractError, match="no column 'as_of'"):
        features([count], ledger, cases.drop(columns="as_of"))
    with pytest.raises(ContractError, match="has nulls"):
        features([count], ledger, cases.assign(as_of=cases["as_of"].dt.tz_localize(None)))
    with pytest.raises(ContractError, match="no column 'user_id'"):
        features([count], ledger, cases.drop(columns="user_id"))
    with pytest.raises(UsageError, match="declared twice"):
        features([count, count], ledger, cases)
    other = Window("user_id", Events("all", "ask"), "sum", "quantity")
    with pytest.raises(UsageError, match="means two event sets"):
        features([count, other], ledger, cases)
