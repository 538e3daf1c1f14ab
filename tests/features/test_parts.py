"""Shares of the ids, one after the other, give the bits that all of them give at once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.errors import ContractError, UsageError
from data.ingest import write_ledger_table
from data.market import World, simulate
from data.slices import LedgerFolder, open_folder
from data.store import read_ledger
from features import parts
from features.declarations import Events, Request, Window, days, windows
from features.engine import features
from features.parts import BASE, feature_blocks
from features.plan import compile_plan
from features.ring_parts import sharers
from features.rings import met
from features.spine import spine
from features.task import load_task

TASK = load_task("advance_refund")
MIB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> LedgerFolder:
    path = tmp_path_factory.mktemp("parts") / "ledger"
    write_ledger_table(simulate(World(n_orders=12_000, seed=4)).events, path)
    return open_folder(path)


@pytest.fixture(scope="module")
def cases(folder: LedgerFolder) -> pd.DataFrame:
    """The decisions of the task, shuffled; some of nobody, some of somebody unknown."""
    table = spine(TASK, read_ledger(folder.path, TASK.columns_needed()))
    table["user_id"] = table["user_id"].astype(object)
    table.loc[::50, "user_id"] = None
    table.loc[1::50, "user_id"] = "nobody has this id"
    table["merchant_id"] = table["merchant_id"].astype(object)
    table.loc[::30, "merchant_id"] = None
    return table.sample(frac=1.0, random_state=1)


def computed(
    folder: LedgerFolder, cases: pd.DataFrame, scratch: Path, room: int
) -> tuple[pd.DataFrame, list[tuple[int, int]]]:
    told: list[tuple[int, int]] = []
    blocks = feature_blocks(
        TASK.declarations,
        folder,
        cases,
        memory=BASE + room,
        scratch=scratch,
        told=lambda done, whole: told.append((done, whole)),
    )
    return pd.concat([X for _, X in blocks]), told


@pytest.mark.parametrize("block", [1 << 17, 700])
def test_the_columns_are_those_of_the_engine(
    folder: LedgerFolder,
    cases: pd.DataFrame,
    tmp_path: Path,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts, "BLOCK", block)
    whole = features(TASK.declarations, read_ledger(folder.path), cases)
    X, told = computed(folder, cases, tmp_path, 5 * MIB)
    assert len(told) > 10  # two rings and seven entities, some in several shares
    assert told[-1][0] == told[-1][1]
    pd.testing.assert_frame_equal(X, whole, check_exact=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", ["standing", "tracking", "first_scan", "delivered"])
def test_every_stage_and_the_own_case_left_out(
    folder: LedgerFolder, tmp_path: Path, stage: str
) -> None:
    ledger = read_ledger(folder.path)
    rows, columns = spine(TASK, ledger, stage), TASK.at_stage(stage)
    whole = features(columns, ledger, rows)
    room = BASE + 6 * MIB
    blocks = feature_blocks(columns, folder, rows, memory=room, scratch=tmp_path)
    pd.testing.assert_frame_equal(pd.concat([X for _, X in blocks]), whole, check_exact=True)


def test_memory_decides_the_number_of_shares_alone(
    folder: LedgerFolder, cases: pd.DataFrame, tmp_path: Path
) -> None:
    few, told_few = computed(folder, cases, tmp_path, 1024 * MIB)
    many, told_many = computed(folder, cases, tmp_path, 5 * MIB)
    assert len(told_few) < len(told_many)
    pd.testing.assert_frame_equal(few, many, check_exact=True)


def test_ids_that_cannot_be_split_say_how_much_memory_they_need(
    folder: LedgerFolder, cases: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="cannot be split") as caught:
        computed(folder, cases, tmp_path, MIB)
    assert "GiB more" in str(caught.value)


def test_decisions_of_nobody_and_no_decisions(
    folder: LedgerFolder, cases: pd.DataFrame, tmp_path: Path
) -> None:
    some = [Window("user_id", Events("orders", "order_paid"), "count", over=days(30))]
    nobody = cases.assign(user_id=pd.Series([None] * len(cases), cases.index, dtype=object))
    (_, X), *_ = feature_blocks(some, folder, nobody, memory=2 * BASE, scratch=tmp_path)
    assert X.isna().all(axis=None)
    none = feature_blocks(some, folder, cases.iloc[:0], memory=2 * BASE, scratch=tmp_path)
    assert [len(X) for _, X in none] == [0]


def test_requests_need_no_events(folder: LedgerFolder, cases: pd.DataFrame, tmp_path: Path) -> None:
    blocks = feature_blocks(
        [Request("amount_cents"), Request("reason")], folder, cases, memory=2 * BASE,
        scratch=tmp_path,
    )  # fmt: skip
    (_, X), *_ = blocks
    assert np.array_equal(X["request_amount_cents"], cases["request_amount_cents"])


def test_a_type_that_the_ledger_never_held_and_a_column_it_lacks(
    folder: LedgerFolder, cases: pd.DataFrame, tmp_path: Path
) -> None:
    never = windows("user_id", Events("never", "never_seen"), ["count", "age"])
    (_, X), *_ = feature_blocks(never, folder, cases, memory=2 * BASE, scratch=tmp_path)
    known = cases["user_id"].notna()
    assert (X.loc[known, "user_never_count_life"] == 0).all()
    assert X["user_never_age_life"].isna().all()
    lacks = windows("user_id", Events("paid", "order_paid"), ["sum:no_such_column"])
    with pytest.raises(ContractError, match="no column 'no_such_column'"):
        list(feature_blocks(lacks, folder, cases, memory=2 * BASE, scratch=tmp_path))


def test_contract_columns_that_a_ledger_lacks_are_null(tmp_path: Path) -> None:
    events = simulate(World(n_orders=2_000, seed=4)).events
    lacks = ["payout_id", "item_id", "weight_g", "member_level", "payment_method", "act_prob"]
    assert set(lacks) <= set(events.column_names)
    write_ledger_table(events.drop_columns(lacks), tmp_path / "lacks")
    for name in lacks:
        at = events.schema.get_field_index(name)
        null = pa.nulls(len(events), events.schema.field(at).type)
        events = events.set_column(at, name, null)
    write_ledger_table(events, tmp_path / "null")
    tables = []
    for name in ("lacks", "null"):
        ledger = read_ledger(tmp_path / name, TASK.columns_needed())
        rows = spine(TASK, ledger, "first_scan")
        columns = TASK.at_stage("first_scan")
        tables.append(features(columns, ledger, rows))
        blocks = feature_blocks(
            columns, open_folder(tmp_path / name), rows, memory=2 * BASE, scratch=tmp_path
        )
        tables.append(pd.concat([X for _, X in blocks]))
    assert tables[0]["user_orders_count_life"].max() > 0
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_exact=True, check_categorical=False)


def test_rings_ask_for_no_fewer_links_than_there_are(folder: LedgerFolder) -> None:
    """What is asked for is an upper bound, and not one link for every event."""
    ledger = read_ledger(folder.path)
    user = ledger["user_id"].values
    for plan in compile_plan(TASK.at_stage("request")).rings:
        found, links, linked = sharers(plan, folder), 0, set()
        for column, cap in plan.links.caps.items():
            _, a, b, _ = met(ledger, column, cap).links
            links += len(a)
            linked |= {*a.tolist(), *b.tolist()}
        assert links <= found.links < len(ledger) / 2
        assert 0 < len(linked) <= found.users
        assert np.isin(user, list(linked)).sum() <= found.events <= len(ledger)
