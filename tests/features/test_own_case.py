"""After the request the own case is nobody's history, and a column waits for its stage."""

from time import process_time
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ContractError, UsageError
from data.ledger import ledger_of
from features import engine
from features.declarations import (
    STAGES,
    Declaration,
    Events,
    Request,
    Window,
    days,
    hours,
    windows,
)
from features.engine import features
from features.own_case import Own


def staged(data: st.DataObject, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    stages = data.draw(st.lists(st.sampled_from(STAGES[1:]), min_size=24, max_size=24))
    return [c | {"stage": s} for c, s in zip(cases, stages, strict=False)]


def frame(worlds: ModuleType, cases: list[dict[str, Any]]) -> pd.DataFrame:
    found: pd.DataFrame = worlds.frame(cases)
    return found.assign(stage=[c["stage"] for c in cases])


@settings(max_examples=4 * settings().max_examples)  # many draws have no decision, or no event
@given(data=st.data())
def test_the_engine_leaves_the_own_case_out_as_the_plain_loop_does(
    data: st.DataObject, worlds: ModuleType, naive: ModuleType
) -> None:
    """Merchants stand for cases: few, so that own events meet every window and every aggregate."""
    definitions = data.draw(worlds.declarations())
    events, cases = data.draw(worlds.events()), staged(data, data.draw(worlds.cases()))
    X = features(definitions, worlds.ledger(events), frame(worlds, cases), case="merchant_id")
    expected = naive.naive_features(definitions, events, cases, case="merchant_id")
    for name, values in expected.items():
        found = [None if pd.isna(v) else v for v in X[name]]
        assert found == values, name


@given(data=st.data())
def test_the_future_of_a_later_stage_moves_nothing(data: st.DataObject, worlds: ModuleType) -> None:
    definitions = data.draw(worlds.declarations())
    events, cases = data.draw(worlds.events()), staged(data, data.draw(worlds.cases()))
    cut = worlds.ORIGIN + days(data.draw(st.integers(0, 9)))
    cases = [c for c in cases if c["as_of"] <= cut]
    other = [e for e in data.draw(worlds.events()) if e["known_ts"] >= cut]
    past = [e for e in events if e["known_ts"] < cut]
    found = [
        features(definitions, worlds.ledger(rows), frame(worlds, cases), case="merchant_id")
        for rows in (worlds.numbered([*past, *other]), past)
    ]
    pd.testing.assert_frame_equal(found[0], found[1], check_exact=True, check_categorical=False)


def test_a_forgotten_correction_would_be_found(
    worlds: ModuleType, naive: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = worlds.numbered([worlds.ORIGIN_EVENT, worlds.ORIGIN_EVENT | {"merchant_id": 8}])
    case = worlds.ORIGIN_CASE | {"as_of": worlds.ORIGIN + days(1), "stage": "first_scan"}
    count = Window("user_id", worlds.SETS[0], "count")

    def counted() -> float:
        table = features([count], worlds.ledger(rows), frame(worlds, [case]), case="merchant_id")
        return float(table[count.name].sum())

    assert counted() == 1.0
    nobody = Own("merchant_id", np.array([-1], np.int32))
    monkeypatch.setattr(engine, "own_cases", lambda *_: nobody)
    assert counted() == 2.0


def carrier(worlds: ModuleType, weights: list[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A parcel an hour, each of its own case (`merchant_id`), and a decision soon after each."""
    n = len(weights)
    known = pd.date_range(worlds.ORIGIN, periods=n, freq="h", unit="us")
    events = pd.DataFrame({"event_type": "ask", "event_ts": known, "known_ts": known})
    events = events.assign(category="post", weight=weights, merchant_id=np.arange(n))
    events = events.assign(event_id=[f"{k:06d}" for k in range(n)], user_id=np.arange(n) % 997)
    after = pd.Series(known + pd.Timedelta("1min")).dt.as_unit("us")
    keys = events[["merchant_id", "category", "user_id"]]
    return events, keys.assign(as_of=after, stage="delivered")


def test_nothing_is_left_of_the_own_weights_alone(worlds: ModuleType) -> None:
    events, cases = carrier(worlds, [0.1, 0.7, 0.2])
    total = [Window("category", worlds.SETS[0], "sum", "weight", hours(n)) for n in (1, 2)]
    found = features(total, ledger_of(events), cases, case="merchant_id")
    assert found.iloc[:, 0].tolist() == [0.0, 0.0, 0.0]
    assert found.iloc[:, 1].tolist() == pytest.approx([0.0, 0.1, 0.7])


@pytest.mark.parametrize("aggregate", ["mean:weight", "max:weight", "distinct:user_id"])
def test_a_carriers_whole_month_is_not_read_anew_for_each_of_its_parcels(
    worlds: ModuleType, aggregate: str
) -> None:
    (column,) = windows("category", worlds.SETS[0], [aggregate])

    def taken(n: int) -> float:
        events, cases = carrier(worlds, np.random.default_rng(1).random(n).tolist())
        ledger = ledger_of(events)
        start = process_time()
        features([column], ledger, cases, case="merchant_id")
        return process_time() - start

    taken(10)  # compiles
    few, many = np.min([(taken(6_000), taken(60_000)) for _ in range(3)], axis=0)
    assert many < 30 * few  # ten times the parcels; a window read again for each takes a hundred


def test_a_request_keeps_its_case_for_nothing_of_it_is_known(worlds: ModuleType) -> None:
    case = worlds.ORIGIN_CASE | {"as_of": worlds.ORIGIN + days(1)}
    ledger = worlds.ledger(worlds.numbered([worlds.ORIGIN_EVENT]))
    count = Window("user_id", worlds.SETS[0], "count")
    told = features([count], ledger, frame(worlds, [case | {"stage": "request"}]), case="nowhere")
    assert told.iloc[0, 0] == 1.0
    with pytest.raises(ContractError, match="no column 'nowhere'"):
        features([count], ledger, frame(worlds, [case | {"stage": "tracking"}]), case="nowhere")


@given(data=st.data())
def test_a_column_is_null_before_its_stage(
    data: st.DataObject, worlds: ModuleType, naive: ModuleType
) -> None:
    sets = worlds.SETS
    definitions: list[Declaration] = [
        *(Window("user_id", sets[0], "count", stage=s) for s in ["standing"]),
        *(Window("user_id", sets[n], "count", stage=s) for n, s in enumerate(STAGES[1:], 1)),
        Request("amount_cents") / Window("user_id", sets[0], "sum", "amount_cents"),
    ]
    events, cases = data.draw(worlds.events()), data.draw(worlds.cases())
    cases = staged(data, cases)
    X = features(definitions, worlds.ledger(events), frame(worlds, cases), case="merchant_id")
    expected = naive.naive_features(definitions, events, cases, case="merchant_id")
    for d in definitions:
        found = [None if pd.isna(v) else v for v in X[d.name]]
        assert found == expected[d.name], d.name


def test_what_says_no_stage_cannot_have_columns_of_a_later_one(worlds: ModuleType) -> None:
    late = Window("user_id", worlds.SETS[0], "count", stage="first_scan")
    ledger = worlds.ledger(worlds.numbered([worlds.ORIGIN_EVENT]))
    cases = worlds.frame([worlds.ORIGIN_CASE])
    with pytest.raises(ContractError, match="needs the column 'stage'"):
        features([late], ledger, cases)
    with pytest.raises(ContractError, match="unknown stage 'frist_scan'") as error:
        features([late], ledger, cases.assign(stage="frist_scan"))
    assert error.value.fix == "did you mean 'first_scan'?"


def test_a_composite_waits_for_its_attributes() -> None:
    asked = Window("user_id", Events("asks", "ask"), "count")
    weight = Request("weight_g", stage="first_scan")
    assert (weight / asked).stage == "first_scan"
    assert ((weight / asked) - asked).stage == "first_scan"
    with pytest.raises(UsageError, match="does not exist at stage 'request'") as error:
        type(weight / asked)(weight, asked, stage="request")
    assert error.value.fix == 'say stage = "first_scan"'
