"""What must hold of every simulated history, whatever its parameters."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.contract import load_contract
from data.ledger import ledger_of
from data.market import Market, World, altered, simulate
from data.market.world import ACTIONS
from data.money import money_balance
from data.store import read_ledger

# each pair: the first event of a case comes before the first of the second type, on the known clock
ORDER = [
    ("refund_requested", "advance_decided"),
    ("advance_decided", "advance_paid"),
    ("refund_requested", "merchant_agreed"),
    ("merchant_agreed", "tracking_submitted"),
    ("tracking_submitted", "first_scan"),
    ("first_scan", "return_delivered"),
    ("return_delivered", "receipt_confirmed"),
    ("return_delivered", "goods_refused"),
    ("goods_refused", "arbitration_opened"),
    ("arbitration_opened", "arbitration_ruled"),
    ("arbitration_ruled", "arbitration_overturned"),
    ("advance_paid", "clawback_opened"),
    ("advance_paid", "advance_settled"),
    ("clawback_opened", "clawback_recovered"),
    ("clawback_opened", "clawback_reversed"),
    ("clawback_opened", "clawback_written_off"),
    ("receipt_confirmed", "advance_settled"),
    ("audit_flagged", "clawback_opened"),
]


def first(events: pd.DataFrame, event_type: str) -> "pd.Series[pd.Timestamp]":
    rows = events[(events["event_type"] == event_type) & events["case_id"].notna()]
    return rows.groupby("case_id")["known_ts"].min()


def test_same_seed_same_bytes(world: World, market: Market) -> None:
    again = simulate(world)
    for ours, theirs in ((market.events, again.events), (market.truth, again.truth)):
        for name in ours.column_names:
            a, b = ours[name].combine_chunks(), theirs[name].combine_chunks()
            assert a.equals(b), name


def test_another_seed_is_another_history(market: Market) -> None:
    other = simulate(World(n_orders=60_000, seed=4))
    assert other.events.num_rows != market.events.num_rows


def test_another_policy_leaves_requests_and_truth_alone(world: World, market: Market) -> None:
    def never(seen: pd.DataFrame) -> np.ndarray:
        return np.tile([0.0, 0.0, 0.0, 1.0, 0.0], (len(seen), 1))

    held = simulate(World(n_orders=60_000, seed=3, policy=never, policy_id="never"))
    assert held.truth.equals(market.truth)
    kinds = set(held.events["event_type"].to_pylist())
    assert "advance_paid" not in kinds
    assert "clawback_opened" not in kinds


def test_money_balances_for_every_advance(events: pd.DataFrame) -> None:
    balance = money_balance(ledger_of(events))
    assert balance["balanced"].all()
    paid = balance["paid_cents"]
    parts = balance["settled_cents"] + balance["recovered_cents"] + balance["written_off_cents"]
    assert (paid == parts + balance["open_cents"]).all()
    assert (balance["open_cents"] >= 0).all()


def test_old_advances_have_all_ended(world: World, events: pd.DataFrame) -> None:
    balance = money_balance(ledger_of(events)).set_index("case_id")
    paid = events[events["event_type"] == "advance_paid"]
    end = pd.Timestamp(world.end_us, unit="us", tz="UTC")
    old = paid.loc[paid["known_ts"] < end - pd.Timedelta(days=230), "case_id"].astype("int64")
    assert len(old) > 1000
    assert (balance.loc[old, "open_cents"] == 0).all()


def test_nothing_is_known_before_it_happens_or_after_the_end(
    world: World, events: pd.DataFrame
) -> None:
    assert (events["known_ts"] >= events["event_ts"]).all()
    assert events["known_ts"].is_monotonic_increasing
    assert events["known_ts"].max() < pd.Timestamp(world.end_us, unit="us", tz="UTC")
    assert events["event_ts"].min() >= pd.Timestamp(world.start_us, unit="us", tz="UTC")


@pytest.mark.parametrize(("before", "after"), ORDER)
def test_life_cycle(events: pd.DataFrame, before: str, after: str) -> None:
    pair = pd.concat([first(events, before), first(events, after)], axis=1, keys=["a", "b"])
    pair = pair.dropna()
    assert len(pair) > 0
    assert (pair["a"] < pair["b"]).all()


def test_time_outs_are_kept(events: pd.DataFrame) -> None:
    asked, silent = first(events, "refund_requested"), first(events, "request_auto_agreed")
    assert ((silent - asked).dropna() == pd.Timedelta(hours=48)).all()
    agreed = pd.concat([first(events, "merchant_agreed"), silent]).groupby(level=0).min()
    slow = events.loc[events["event_type"] == "deadline_moved", "case_id"].unique()
    came = first(events, "return_delivered")
    for end, since, days in (
        ("request_expired", agreed, {7: False, 10: True}),
        ("receipt_auto_confirmed", came, {10: False, 12: True}),
    ):
        waited = (first(events, end) - since).dropna()
        for day, moved in days.items():
            mine = waited[waited.index.isin(slow) == moved]
            assert len(mine) > 0
            assert (mine == pd.Timedelta(days=day)).all()


def test_a_request_never_sees_its_own_decision(events: pd.DataFrame) -> None:
    gap = first(events, "advance_decided") - first(events, "refund_requested")
    assert (gap.dropna() == pd.Timedelta(seconds=1)).all()


def test_each_case_has_one_request_one_decision_and_at_most_one_advance(
    events: pd.DataFrame,
) -> None:
    for kind in ("refund_requested", "advance_decided", "advance_paid", "clawback_opened"):
        assert events.loc[events["event_type"] == kind, "case_id"].is_unique


def test_keys_agree_within_a_case_and_an_order(events: pd.DataFrame) -> None:
    keys = ["order_id", "user_id", "merchant_id", "device_id", "address_id", "category"]
    cases = events.dropna(subset="case_id")[["case_id", *keys]].drop_duplicates()
    assert cases["case_id"].is_unique
    assert events[keys].drop_duplicates()["order_id"].is_unique


def test_events_speak_the_ledgers_types(market: Market) -> None:
    schema = market.events.schema
    assert schema.field("event_id").type == pa.string()
    assert schema.field("known_ts").type == pa.timestamp("us", tz="UTC")
    assert schema.field("amount_cents").type == pa.int64()
    assert market.events["event_id"].to_pandas().is_unique


def test_the_ledger_takes_every_event(market: Market) -> None:
    assert len(read_ledger(market.events)) == market.events.num_rows  # it refuses broken rows


def test_no_truth_stands_in_the_events(market: Market) -> None:
    assert set(market.events.column_names) <= set(load_contract().columns)


def test_altered_parameters_change_only_what_they_name() -> None:
    book = altered(buyers__noise_sd=0.0)
    assert book["buyers"]["noise_sd"] == 0.0
    assert book["merchants"] == altered()["merchants"]


def test_a_tiny_market_has_a_history_too() -> None:
    market = simulate(World(n_orders=300, seed=1, months=2))
    assert market.truth.num_rows > 0
    assert market.events.num_rows > 600


def test_actions_are_those_of_the_contract(events: pd.DataFrame) -> None:
    assert set(events["action"].dropna()) == set(ACTIONS)
