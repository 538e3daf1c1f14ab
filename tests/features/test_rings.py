"""Rings equal a graph rebuilt for every decision, see no future, and do not depend on any order."""

import math
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import ContractError, UsageError
from data.ledger import Ledger, ledger_of
from data.market import World, simulate
from data.market.calendar import calendar
from data.market.parties import users
from features.declarations import LIFE, Declaration, Events, Links, Ring, days, rate
from features.engine import features
from features.spine import standing_spine
from features.task import dump_task, load_task

Row = dict[str, Any]
BADS, ASKS = Events("bads", "bad"), Events("asks", ["ask", "pay"])
COLUMNS = {
    "event_id": "str", "event_type": "str", "event_ts": "time", "known_ts": "time",
    "user_id": "str", "device_id": "str", "address_id": "str", "amount_cents": "Int64",
}  # fmt: skip


def rings(links: Links) -> list[Declaration]:
    """Every aggregate, with and without a window."""
    counted = [
        Ring(links, aggregate, events, column, over)
        for aggregate, column in (("count", None), ("joined", None), ("sum", "amount_cents"))
        for events in (BADS, ASKS)
        for over in (days(2), days(5), LIFE)
    ]
    bad = rate(Ring(links, "count", BADS), Ring(links, "count", ASKS, over=days(5)), (0.1, 4))
    return [Ring(links, "size"), Ring(links, "age", ASKS), *counted, bad]


def drawn(rng: Random, worlds: ModuleType) -> tuple[list[Row], list[Row]]:
    """Events and decisions of a few users who keep meeting, so that hubs form and rings part."""
    users = [*(f"u{n}" for n in range(rng.choice([3, 6, 12]))), None]
    places = [*(f"p{n}" for n in range(rng.choice([2, 6, 12]))), None]

    def moment() -> Any:
        return worlds.at({"day": rng.randrange(9), "beside": rng.choice(worlds.BESIDE)})

    events = [
        {"event_type": rng.choice(["ask", "pay", "bad"]), "user_id": rng.choice(users)}
        | {"device_id": rng.choice(places), "address_id": rng.choice(places)}
        | {"amount_cents": rng.choice([0, 1, 20, None])}
        | {"known_ts": (at := moment()), "event_ts": at}
        for _ in range(rng.choice([0, 5, 30, 60]))
    ]
    cases = [{"user_id": rng.choice([*users, "stranger"]), "as_of": moment()} for _ in range(20)]
    return worlds.numbered(events), cases


def ledger(rows: list[Row], worlds: ModuleType) -> Ledger:
    return ledger_of(worlds.typed(rows, COLUMNS))


def frame(rows: list[Row], worlds: ModuleType) -> pd.DataFrame:
    found: pd.DataFrame = worlds.typed(rows, {"as_of": "time", "user_id": "str"})
    return found


def ways() -> st.SearchStrategy[Links]:
    caps = [{"device_id": 2}, {"device_id": 2, "address_id": 3}, {"device_id": 3, "address_id": 2},
            {"device_id": 4, "address_id": 4}, {"address_id": 99}]  # fmt: skip
    return st.sampled_from([Links("way", found) for found in caps])


@settings(max_examples=4 * settings().max_examples)  # a cut in the midst of a swap is rare
@given(seed=st.randoms(use_true_random=True), links=ways())
def test_rings_equal_a_graph_built_anew_for_every_decision(
    seed: Random, links: Links, worlds: ModuleType, naive: ModuleType
) -> None:
    events, cases = drawn(seed, worlds)
    X = features(rings(links), ledger(events, worlds), frame(cases, worlds))
    expected = naive.naive_features(rings(links), events, cases)
    for name, values in expected.items():
        assert [None if pd.isna(v) else v for v in X[name]] == values, name


@given(seed=st.randoms(use_true_random=True), links=ways())
def test_the_future_and_the_order_of_decisions_change_no_answer(
    seed: Random, links: Links, worlds: ModuleType, time_travel: ModuleType
) -> None:
    events, cases = drawn(seed, worlds)
    table, asked = worlds.typed(events, COLUMNS), frame(cases, worlds)
    cut = pd.Timestamp(worlds.ORIGIN + days(seed.randrange(10)))
    time_travel.check(rings(links), table, asked, cut)
    whole = features(rings(links), ledger_of(table), asked)
    order = seed.sample(range(len(cases)), len(cases))
    again = features(rings(links)[::-1], ledger_of(table), asked.iloc[order], threads=1)
    pd.testing.assert_frame_equal(again[whole.columns], whole.iloc[order])


TOML = """
name = "linked"
[event_types]
extra = ["ask", "bad", "pay"]
[events.asks]
types = ["ask", "pay"]
[events.bads]
types = ["bad"]
[links.way]
device_id = 3
[spine]
trigger = "asks"
[[ring]]
links = "way"
aggregate = "size"
stage = "standing"
[[ring]]
links = "way"
events = "bads"
aggregate = ["count", "sum:amount_cents"]
over = ["2d", "life"]
sign = { y_bad = 1 }
[[rate]]
a = { links = "way", events = "bads", aggregate = "count" }
b = { links = "way", events = "asks", aggregate = "count" }
over = ["5d"]
prior = [0.03, 20]
"""


def test_a_task_file_declares_rings_and_survives_its_own_dump(
    tmp_path: Path, worlds: ModuleType, naive: ModuleType
) -> None:
    (tmp_path / "linked.toml").write_text(TOML)
    task = load_task(tmp_path / "linked.toml")
    assert [d.name for d in task.features] == [
        "ring_way_size",
        "ring_way_bads_count_2d",
        "ring_way_bads_count_life",
        "ring_way_bads_sum_amount_cents_2d",
        "ring_way_bads_sum_amount_cents_life",
        "ring_way_bads_count_5d_rate_ring_way_asks_count_5d",
    ]
    assert task.columns_needed() >= {"device_id", "amount_cents"}
    (tmp_path / "again.toml").write_text(dump_task(task))
    assert load_task(tmp_path / "again.toml") == task
    events, _ = drawn(Random(4), worlds)  # noqa: S311
    known = ledger(events, worlds)
    cases = [{"user_id": e["user_id"], "as_of": e["known_ts"]} for e in events]
    X = features(task.features, known, frame(cases, worlds).assign(stage="request"))
    expected = naive.naive_features(list(task.features), events, cases)
    assert {n: [None if pd.isna(v) else v for v in X[n]] for n in X} == expected


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("device_id = 3", "device_id = 1", "the cap of device_id is 1"),
        ("device_id = 3", "amount_cents = 3", "amount_cents is a int and no key"),
        ("device_id = 3", "", "it links by"),
        ('links = "way"\naggregate', 'links = "wey"\naggregate', "unknown way of linking 'wey'"),
        ('aggregate = "size"', 'aggregate = "sice"', "did you mean 'size'"),
        ('aggregate = "size"', 'aggregate = "count"', "count needs event set"),
        ('aggregate = "size"', 'aggregate = "size"\nover = "3d"', "its window is 3d"),
        ('aggregate = "size"', 'aggregate = "size"\nentity = "user_id"', "unknown key 'entity'"),
        ('"sum:amount_cents"', '"sum"', "sum needs column"),
    ],
)
def test_a_ring_that_cannot_be_meant_is_a_clear_error(
    old: str, new: str, what: str, tmp_path: Path
) -> None:
    (tmp_path / "wrong.toml").write_text(TOML.replace(old, new, 1))
    with pytest.raises(UsageError, match=what):
        load_task(tmp_path / "wrong.toml")


@pytest.mark.parametrize(
    ("column", "numbers", "says"),
    [
        ("weight", [1.0, math.nan, math.inf], "3.0"),  # what is not finite counts for nothing
        ("weight", [1.0, 2.5, 0.0], "sum of the float column 'weight'"),
        ("weight", [1.0, 1e19, 0.0], "sum of the float column 'weight'"),
        ("known_ts", [1.0, 2.0, 3.0], "sum of the time column 'known_ts'"),
        ("device_id", [1.0, 2.0, 3.0], "sum of the code column 'device_id'"),
    ],
)
def test_a_ring_sums_whole_numbers_and_nothing_else(
    column: str, numbers: list[float], says: str, worlds: ModuleType
) -> None:
    known = pd.date_range("2026-01-01", periods=4, tz="UTC", unit="us")
    events = pd.DataFrame({"event_type": "ask", "event_ts": known, "known_ts": known})
    events = events.assign(user_id=[*"abbb"], device_id="p", weight=[*numbers, 3.0])
    case = frame([{"user_id": "a", "as_of": "2027"}], worlds)
    total = Ring(Links("way", {"device_id": 2}), "sum", ASKS, column)
    try:
        found = str(features([total], ledger_of(events), case).iloc[0, 0])
    except ContractError as error:
        found = error.what
    assert found == says


def test_planted_rings_are_found_and_a_dormitory_is_none() -> None:
    """The market plants rings of 4 to 12 who share devices and addresses, and halls of about 40."""
    task, world = load_task(), World(n_orders=20_000, seed=5)
    table = simulate(world).events
    names = [c for c in table.column_names if c in {"event_id", *task.columns_needed()}]
    known = ledger_of(table.select(names).to_pandas())
    end = standing_spine(task, known, None)
    size = features([Ring(task.links["access"], "size", stage="standing")], known, end).iloc[:, 0]
    people = users(world, calendar(world))
    homes = 2 * len(people)  # addresses from here on are shared ones
    people = people.loc[end["user_id"].astype(int)].reset_index(drop=True)
    in_ring = people["ring"] >= 0
    seen = people[in_ring].groupby("ring")["ring"].transform("size")
    assert (size[in_ring] >= seen).all()
    assert len(seen) >= 8
    in_hall = ~in_ring & (people["address"] >= homes)
    assert people[in_hall].groupby("address").size().min() > task.links["access"].caps["address_id"]
    assert size[in_hall].max() <= 3  # with the family that shares a device
    assert (size[~in_ring] == 1).mean() > 0.85
