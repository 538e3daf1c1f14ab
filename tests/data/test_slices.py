"""A slice is what the whole ledger holds of the rows asked for, in its order, and verified."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.errors import ContractError
from data.folder import read_manifest
from data.ingest import append_ledger, write_ledger_table
from data.ledger import Ledger
from data.market import World, simulate
from data.slices import NO_HAND, RESIDUES, LedgerFolder, open_folder
from data.store import read_ledger

COLUMNS = ("user_id", "case_id", "reason", "amount_cents", "event_ts", "proven", "act_prob")
TYPES = ("order_paid", "refund_requested", "no_such_type")


@pytest.fixture(params=["at once", "in three nights"])
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> LedgerFolder:
    monkeypatch.setattr("data.part._ROW_GROUP", 1000)
    events = simulate(World(n_orders=3_000, seed=4)).events
    if request.param == "at once":
        write_ledger_table(events, tmp_path / "ledger")
    else:
        frame = events.to_pandas().sort_values("known_ts")
        known = frame["known_ts"]
        for lo, hi in ((0.0, 0.3), (0.3, 0.31), (0.31, 1.0)):
            begin, end = known.quantile(lo), known.quantile(hi)
            night = frame[(known > begin) & (known <= end) if lo else known <= end]
            append_ledger(night, tmp_path / "ledger")
    return open_folder(tmp_path / "ledger")


def same(part: Ledger, whole: Ledger, rows: np.ndarray) -> None:
    expected = whole.take(rows)
    for name in COLUMNS:
        found, wanted = part[name], expected[name]
        assert found.kind == wanted.kind
        assert np.array_equal(found.values, wanted.values, equal_nan=found.kind == "float"), name
        all_valid = np.ones(len(part), bool)
        valid = all_valid if found.valid is None else found.valid
        assert np.array_equal(valid, all_valid if wanted.valid is None else wanted.valid)
        if wanted.dictionary is not None:
            assert wanted.dictionary.equals(found.dictionary)


def test_every_kind_of_slice(folder: LedgerFolder) -> None:
    whole = read_ledger(folder.path, COLUMNS)
    types = whole["event_type"].decode(whole["event_type"].values)
    mine = np.isin(types.to_numpy(object), TYPES)
    case = whole["case_id"].values
    hands = np.full(RESIDUES, NO_HAND, np.int16)
    hands[::7], hands[3::7] = 0, 1
    same(folder.read(COLUMNS), whole, np.ones(len(whole), bool))
    same(folder.read(COLUMNS, types=TYPES), whole, mine)
    same(folder.read(COLUMNS[:2], types=TYPES, seldom=COLUMNS[2:]), whole, mine)
    for asked, rows in ((None, np.ones(len(whole), bool)), (TYPES, mine)):
        theirs = [rows & (case >= 0) & (hands[case % RESIDUES] == hand) for hand in range(2)]
        sizes = [int(t.sum()) for t in theirs]
        for part, at in zip(
            folder.deal(COLUMNS, "case_id", hands, sizes, types=asked), theirs, strict=True
        ):
            same(part, whole, at)
    counted = np.bincount(case[mine & (case >= 0)] % RESIDUES, minlength=RESIDUES)
    assert np.array_equal(folder.census("case_id", TYPES), counted)
    assert len(folder.read(COLUMNS, types=["no_such_type"])) == 0


def test_events_of_a_slice_know_their_places(folder: LedgerFolder) -> None:
    whole = read_ledger(folder.path, COLUMNS)
    types = whole["event_type"].decode(whole["event_type"].values)
    mine = np.flatnonzero(np.isin(types.to_numpy(object), TYPES))
    part = folder.read(COLUMNS, types=TYPES, placed=True)
    assert mine.max() > 1000  # beyond the first row group
    assert np.array_equal(part.placed(np.arange(len(part))), mine)
    assert np.array_equal(part.take(np.arange(5, 9)).placed(np.array([0, 3])), mine[[5, 8]])


def test_slices_that_leave_out_some_ids(folder: LedgerFolder) -> None:
    whole = read_ledger(folder.path, COLUMNS)
    gone = np.unique(whole["case_id"].values)[3:9]
    others = ~np.isin(whole["case_id"].values, gone)
    assert (~others).sum() > 0
    same(folder.without("case_id", gone).read(COLUMNS), whole, others)


def test_hands_partition_the_events_of_a_key(folder: LedgerFolder) -> None:
    hands = np.arange(RESIDUES, dtype=np.int16)  # as many as there can be
    parts = folder.deal(["case_id"], "case_id", hands, folder.census("case_id").tolist())
    known = int((read_ledger(folder.path, ["case_id"])["case_id"].values >= 0).sum())
    assert sum(len(p) for p in parts) == known
    seen = [set(p["case_id"].values.tolist()) for p in parts]
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_columns_read_seldom_are_not_held(folder: LedgerFolder) -> None:
    part = folder.read(["user_id"], types=TYPES, seldom=["reason", "amount_cents"])
    assert list(part.columns) == ["event_type", "known_ts", "user_id", "reason", "amount_cents"]
    assert part["user_id"] is part["user_id"]
    assert part["reason"] is not part["reason"]
    assert "case_id" not in part
    with pytest.raises(ContractError, match="no column 'case_id'"):
        part["case_id"]
    with pytest.raises(ContractError, match="no column 'amount_cent'"):
        folder.read(["user_id"], seldom=["amount_cent"])


def test_damage_and_unknown_columns_are_named(folder: LedgerFolder) -> None:
    with pytest.raises(ContractError, match="no column 'amount_cent'") as caught:
        folder.read(["amount_cent"])
    assert "amount_cents" in str(caught.value)
    path = folder.path / folder.manifest.parts[0]
    chunk = pq.read_metadata(path).row_group(1).column(0)
    raw = bytearray(path.read_bytes())
    raw[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 255
    path.write_bytes(raw)
    with pytest.raises(ContractError):
        folder.read([chunk.path_in_schema])
    path.write_bytes(raw[:-1])
    with pytest.raises(ContractError, match=r"part-1\.parquet has"):
        folder.read(["user_id"])


@pytest.mark.parametrize("cents", [2000, None])
def test_a_ledger_that_is_built_again_meanwhile_is_not_mixed(
    frame: pd.DataFrame, tmp_path: Path, cents: int | None
) -> None:
    """Not even if all its files have the sizes they had."""
    write_ledger_table(frame, tmp_path / "l")
    opened = open_folder(tmp_path / "l")
    sizes = [f["bytes"] for f in opened.manifest.files.values()]
    frame.loc[1, "amount_cents"] = cents
    write_ledger_table(frame, tmp_path / "l")
    again = [f["bytes"] for f in read_manifest(tmp_path / "l").files.values()]
    assert (sizes == again) == (cents is not None)
    for use in (
        lambda: opened.read(["amount_cents"]),
        lambda: opened.census("user_id"),
        lambda: list(opened.streamed(["amount_cents"])),
        lambda: opened.dictionary("case_id"),
    ):
        with pytest.raises(ContractError, match="was replaced while it was read"):
            use()


def test_a_ledger_that_grows_meanwhile_is_read_as_it_was(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    write_ledger_table(frame.iloc[:4], tmp_path / "l")
    opened = open_folder(tmp_path / "l")
    append_ledger(frame, tmp_path / "l")
    assert opened.read(["amount_cents"])["amount_cents"].values.tolist() == [1000, 2500, 1000, 1000]
