"""Clusters are those of a graph built anew, have the rings' sizes, and see no future."""

from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from data.ledger import ledger_of
from data.market import World, simulate
from data.market.calendar import calendar
from data.market.parties import users
from features.clusters import cluster_names, cluster_of, clusters
from features.declarations import Links, Ring
from features.engine import features
from features.task import load_task

COLUMNS = {
    "event_id": "str", "event_type": "str", "event_ts": "time", "known_ts": "time",
    "user_id": "str", "device_id": "str", "address_id": "str",
}  # fmt: skip
WAYS = (Links("devices", {"device_id": 3}), Links("homes", {"address_id": 4}))


def drawn(seed: int, worlds: ModuleType) -> tuple[list[dict[str, Any]], Any]:
    rng = Random(seed)  # noqa: S311
    users = [*(f"u{n}" for n in range(rng.choice([3, 6, 12]))), None]
    places = [*(f"p{n}" for n in range(rng.choice([2, 6, 12]))), None]
    events = []
    for _ in range(rng.choice([1, 10, 40])):
        at = worlds.at({"day": rng.randrange(9), "beside": rng.choice(worlds.BESIDE)})
        keys = {"user_id": rng.choice(users), "device_id": rng.choice(places)}
        keys["address_id"] = rng.choice(places)
        events.append({"event_type": "ask", "known_ts": at, "event_ts": at, **keys})
    moment = worlds.at({"day": rng.randrange(10), "beside": rng.choice(worlds.BESIDE)})
    return worlds.numbered(events), moment


def naive(events: list[dict[str, Any]], moment: Any) -> list[set[str]]:
    """Merge users that share an identity of no more users than its cap, until nothing changes."""
    known = [e for e in events if e["known_ts"] < moment and e["user_id"] is not None]
    found = [{e["user_id"]} for e in events if e["user_id"] is not None]
    for way in WAYS:
        for column, cap in way.caps.items():
            for key in {e[column] for e in known if e[column] is not None}:
                met = {e["user_id"] for e in known if e[column] == key}
                found += [met] if len(met) <= cap else []
    merged: list[set[str]] = []
    for group in found:
        touching = [m for m in merged if m & group]
        merged = [m for m in merged if not m & group] + [group.union(*touching)]
    return merged


@given(seed=st.integers(0, 10**6))
@settings(max_examples=60)
def test_clusters_are_those_of_a_graph_built_anew(worlds: ModuleType, seed: int) -> None:
    events, moment = drawn(seed, worlds)
    ledger = ledger_of(worlds.typed(events, COLUMNS))
    codes = clusters(ledger, WAYS, moment)
    names = sorted({e["user_id"] for e in events if e["user_id"] is not None})
    if not names:
        return
    of = dict(zip(names, cluster_of(ledger, codes, pd.Series(names)), strict=True))
    ours = {frozenset(n for n in names if of[n] == of[m]) for m in names}
    assert ours == {frozenset(group) for group in naive(events, moment)}


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30)
def test_a_cluster_has_the_size_that_its_rings_count(worlds: ModuleType, seed: int) -> None:
    events, moment = drawn(seed, worlds)
    ledger = ledger_of(worlds.typed(events, COLUMNS))
    names = sorted({e["user_id"] for e in events if e["user_id"] is not None})
    if not names:
        return
    cases = pd.DataFrame({"user_id": names, "as_of": moment})
    of = cluster_of(ledger, clusters(ledger, WAYS[:1], moment), cases["user_id"])
    size = features([Ring(WAYS[0], "size")], ledger, cases).iloc[:, 0]
    assert (np.bincount(of)[of] == size).all()


def test_a_link_stands_until_the_event_that_makes_a_hub_is_known(worlds: ModuleType) -> None:
    days = [worlds.at({"day": n, "beside": 0}) for n in range(5)]
    who = ["u0", "u1", "u2", "u3"]  # one more than the cap of 3
    events = [
        {"event_type": "ask", "known_ts": at, "event_ts": at, "user_id": u, "device_id": "d"}
        | {"address_id": None}
        for at, u in zip(days, who, strict=False)
    ]
    ledger = ledger_of(worlds.typed(worlds.numbered(events), COLUMNS))
    sizes = [int(np.bincount(clusters(ledger, WAYS, day)).max()) for day in days]
    assert sizes == [1, 1, 2, 3, 1]  # at the moment of the fourth user's event it is not known yet


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30)
def test_a_name_is_that_of_the_first_member_however_the_ledger_grew(
    worlds: ModuleType, seed: int
) -> None:
    events, moment = drawn(seed, worlds)
    later = [{**e, "user_id": f"a{n}"} for n, e in enumerate(events) if e["known_ts"] >= moment]
    names = sorted({e["user_id"] for e in events if e["user_id"] is not None})
    if not names:
        return
    group = {name: min(g) for g in naive(events, moment) for name in g}
    for some in (events, [*worlds.numbered([*events, *later])]):
        ledger = ledger_of(worlds.typed(some, COLUMNS))
        who = pd.Series([*names, None, "stranger"], dtype=object)
        told = cluster_names(ledger, clusters(ledger, WAYS, moment), who)
        assert told.tolist() == [*(group[name] for name in names), None, None]


def test_strangers_and_nobody_are_clusters_of_their_own(worlds: ModuleType) -> None:
    events, moment = drawn(3, worlds)
    ledger = ledger_of(worlds.typed(events, COLUMNS))
    codes = clusters(ledger, WAYS, moment)
    of = cluster_of(ledger, codes, pd.Series(["stranger", None, "stranger"]))
    assert len(set(of)) == 3
    assert not set(of) & set(codes)


def test_the_rings_of_a_market_are_in_one_cluster_each_and_halls_in_none() -> None:
    task, world = load_task(), World(n_orders=20_000, seed=5)
    table = simulate(world).events
    names = [c for c in table.column_names if c in {"event_id", *task.columns_needed()}]
    ledger = ledger_of(table.select(names).to_pandas())
    people = users(world, calendar(world))
    known = np.asarray(ledger["user_id"].dictionary).astype(int)
    codes = clusters(ledger, task.links.values(), "2025-07-01")
    ring = people["ring"].to_numpy()[known]
    together = [len(set(codes[ring == r])) for r in set(ring[ring >= 0])]
    assert np.mean(np.array(together) == 1) > 0.9  # whoever ordered twice has shown the address
    assert np.bincount(codes).max() < 0.01 * codes.size
