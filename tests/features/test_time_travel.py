"""What becomes known at or after a decision reaches no feature; two mutants show it bites."""

import inspect
from types import ModuleType

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.ledger import ledger_of
from features import sorting
from features.declarations import Window, days
from features.engine import features


@given(data=st.data())
def test_no_cell_depends_on_the_future(
    data: st.DataObject, worlds: ModuleType, time_travel: ModuleType
) -> None:
    definitions = data.draw(worlds.declarations())
    events = worlds.typed(data.draw(worlds.events()), worlds.event_columns)
    cases = worlds.frame(data.draw(worlds.cases()))
    cut = pd.Timestamp(worlds.ORIGIN + days(data.draw(st.integers(0, 14))))
    drawn = worlds.typed(data.draw(worlds.events()), worlds.event_columns)
    other = drawn[drawn["known_ts"] >= cut]
    other = other.assign(event_id=other["event_id"] + "-other")
    time_travel.check(definitions, events, cases, cut, [other])


def late_news(worlds: ModuleType) -> tuple[list[Window], pd.DataFrame, pd.DataFrame, pd.Timestamp]:
    """An event of day 1 that became known at day 3, when the decision is taken."""
    told = worlds.ORIGIN_EVENT | {
        "event_ts": worlds.ORIGIN + days(1),
        "known_ts": worlds.ORIGIN + days(3),
    }
    cases = worlds.frame([worlds.ORIGIN_CASE | {"as_of": worlds.ORIGIN + days(3)}])
    events = worlds.typed(worlds.numbered([told]), worlds.event_columns)
    count = Window("user_id", worlds.SETS[0], "count")
    return [count], events, cases, pd.Timestamp(worlds.ORIGIN + days(3))


def test_cutting_on_the_time_of_the_event_breaks_the_law(
    worlds: ModuleType, time_travel: ModuleType
) -> None:
    world = late_news(worlds)
    time_travel.check(*world)
    with pytest.raises(AssertionError):
        time_travel.check(*world, clock="event_ts")


def test_a_cut_that_is_not_strict_breaks_the_law(
    worlds: ModuleType, time_travel: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = (sorting.bounds, sorting._known)
    source = "\n".join(inspect.getsource(f.py_func) for f in functions)
    source = source.replace("@njit(cache=True, nogil=True)\n", "")
    assert source.count("< stop") == 1
    mutant = dict(vars(sorting))
    exec(source.replace("< stop", "<= stop"), mutant)  # noqa: S102
    monkeypatch.setattr(sorting, "bounds", mutant["bounds"])
    with pytest.raises(AssertionError):
        time_travel.check(*late_news(worlds))


def test_a_window_begins_at_its_edge_and_not_before(worlds: ModuleType) -> None:
    rows = [worlds.ORIGIN_EVENT | {"known_ts": worlds.ORIGIN - days(0), "quantity": 1}]
    ledger = ledger_of(worlds.typed(worlds.numbered(rows), worlds.event_columns))
    as_of = pd.Timestamp(worlds.ORIGIN) + days(2)
    cases = worlds.frame(
        [worlds.ORIGIN_CASE | {"as_of": t} for t in (as_of, as_of + pd.Timedelta("1us"))]
    )
    X = features([Window("user_id", worlds.SETS[0], "count", over=days(2))], ledger, cases)
    assert X.iloc[:, 0].tolist() == [1.0, 0.0]
