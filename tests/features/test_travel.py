"""The audit's time travel: it is silent about windows and finds what looks ahead."""

from functools import partial
from itertools import pairwise
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ContractError
from data.ledger import Ledger, ledger_of
from features.declarations import Events, Window
from features.engine import features
from features.travel import changed_cells, groups, travel

REQUESTS = Events("requests", "refund_requested")
COUNT = Window("user_id", REQUESTS, "count")
START = pd.Timestamp("2026-01-01", tz="UTC")


@given(data=st.data())
def test_no_window_of_any_ledger_is_suspected(data: st.DataObject, worlds: ModuleType) -> None:
    definitions = data.draw(worlds.declarations())
    events = worlds.typed(data.draw(worlds.events()), worlds.event_columns)
    cases = worlds.frame(data.draw(worlds.cases()))
    sample = groups(cases, 4, 2, seed=0)
    compute = partial(_computed, definitions)
    assert travel(compute, ledger_of(events), sample).empty


def test_what_looks_ahead_is_found_in_each_way(shop: tuple[Ledger, pd.DataFrame]) -> None:
    ledger, cases = shop
    sample = groups(cases, 60, 10, seed=1)
    n = sum(map(len, sample))
    assert travel(partial(_computed, [COUNT]), ledger, sample).empty
    assert len(travel(_all_time, ledger, sample)) > n / 2
    assert len(travel(_until_itself, ledger, sample)) >= len(sample)
    assert not travel(_by_event_time, ledger, sample).empty


def test_a_changed_cell_is_told_with_its_case_and_both_values(
    shop: tuple[Ledger, pd.DataFrame],
) -> None:
    ledger, cases = shop
    cells = travel(_all_time, ledger, groups(cases, 60, 10, seed=1))
    assert list(cells) == ["column", "case_id", "user_id", "as_of", "now", "then"]
    assert (cells["now"].astype(int) > cells["then"].astype(int)).all()


@pytest.mark.parametrize(("size", "moments"), [(300, 20), (1, 20), (20, 20), (1000, 3), (7, 40)])
def test_groups_are_spread_over_all_decisions(
    size: int, moments: int, shop: tuple[Ledger, pd.DataFrame]
) -> None:
    _, cases = shop
    found = groups(cases, size, moments, seed=0)
    assert len(found) == min(size, moments)
    assert all(g["user_id"].is_unique and len(g) for g in found)
    assert sum(map(len, found)) <= -(-size // len(found)) * len(found)
    for before, after in pairwise(found):
        assert before["as_of"].max() <= after["as_of"].min()
    everyone = pd.concat(found)
    assert everyone["case_id"].is_unique
    again = groups(cases, size, moments, seed=0)
    assert [g["case_id"].tolist() for g in found] == [g["case_id"].tolist() for g in again]


def test_tables_that_do_not_match_are_refused() -> None:
    cases = pd.DataFrame({"case_id": [1], "as_of": [START]})
    one = pd.DataFrame({"a": [1.0]})
    with pytest.raises(ContractError, match="columns or rows differ"):
        changed_cells(cases, one, one.rename(columns={"a": "b"}))


def test_two_nulls_are_the_same_cell_and_a_null_and_a_value_are_not() -> None:
    cases = pd.DataFrame({"case_id": [1, 2, 3], "as_of": START})
    now = pd.DataFrame({"a": [np.nan, np.nan, 1.0], "b": ["x", None, "y"]})
    then = pd.DataFrame({"a": [np.nan, 0.0, 1.0], "b": ["x", None, "z"]})
    cells = changed_cells(cases, now, then)
    assert cells[["column", "case_id"]].to_numpy().tolist() == [["a", 2], ["b", 3]]


@pytest.fixture(scope="module")
def shop() -> tuple[Ledger, pd.DataFrame]:
    """400 requests of 40 users, each known up to two days later."""
    rng = np.random.default_rng(0)
    n = 400
    event = START + pd.to_timedelta(np.sort(rng.uniform(0, 100, n)), "D")
    table = pd.DataFrame(
        {
            "event_id": np.arange(n),
            "event_type": "refund_requested",
            "event_ts": event.as_unit("us"),
            "known_ts": (event + pd.to_timedelta(rng.uniform(0, 2, n), "D")).as_unit("us"),
            "user_id": rng.integers(0, 40, n),
            "case_id": np.arange(n),
        }
    )
    cases = table.rename(columns={"known_ts": "as_of"})[["case_id", "user_id", "as_of"]]
    return ledger_of(table), cases.sort_values("as_of", ignore_index=True)


def _computed(definitions: list[Window], ledger: Ledger, cases: pd.DataFrame) -> pd.DataFrame:
    return features(definitions, ledger, cases)


def _all_time(ledger: Ledger, cases: pd.DataFrame) -> pd.DataFrame:
    users = ledger["user_id"].decode(ledger["user_id"].values).astype(int)
    return pd.DataFrame({"requests": cases["user_id"].map(users.value_counts()).fillna(0)})


def _until_itself(ledger: Ledger, cases: pd.DataFrame) -> pd.DataFrame:
    return features([COUNT], ledger, cases.assign(as_of=cases["as_of"] + pd.Timedelta("1us")))


def _by_event_time(ledger: Ledger, cases: pd.DataFrame) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "event_type": "refund_requested",
            "user_id": ledger["user_id"].decode(ledger["user_id"].values).astype(int),
            "event_ts": pd.to_datetime(ledger["event_ts"].values, unit="us", utc=True),
        }
    )
    return features([COUNT], ledger_of(frame.assign(known_ts=frame["event_ts"])), cases)
