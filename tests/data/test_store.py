"""A ledger folder gives back what went in, only what is asked for, and appears whole."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.check import check
from data.errors import ContractError, StorageError, UserError
from data.folder import read_manifest
from data.ingest import build_ledger, write_ledger_table
from data.ledger import Ledger, ledger_of
from data.part import read_columns
from data.store import read_ledger

START = pd.Timestamp("2026-01-01", tz="UTC")


def events(draws: list[tuple[int, int, Any, Any, Any, Any]], ids: str) -> pd.DataFrame:
    """Few days and few users, so that times tie and keys repeat."""
    table = pd.DataFrame(draws, columns=["day", "late", "user", "item", "cents", "proven"])
    event = START + pd.to_timedelta(table["day"], unit="D")
    user = table["user"] if ids == "int" else "u" + table["user"].astype("str")
    item = table["item"].astype("Int64")
    return pd.DataFrame(
        {
            "event_id": np.arange(len(table))[::-1],
            "event_type": "order_paid",
            "event_ts": event.dt.as_unit("us"),
            "known_ts": (event + pd.to_timedelta(table["late"], unit="D")).dt.as_unit("us"),
            "user_id": user,
            "item_id": item if ids == "int" else "i" + item.astype("str"),
            "amount_cents": table["cents"].astype("Int64"),
            "act_prob": table["cents"].astype("float64") / 100,
            "proven": table["proven"].astype("boolean"),
            "deadline_ts": event.where(table["day"] != 1).dt.as_unit("us"),
        }
    )


def assert_same(one: Ledger, other: Ledger) -> None:
    assert set(one.columns) == set(other.columns)
    for name, column in one.columns.items():
        twin = other.columns[name]
        assert column.kind == twin.kind, name
        np.testing.assert_array_equal(column.values, twin.values, err_msg=name)
        assert column.values.dtype == twin.values.dtype
        if column.valid is None or twin.valid is None:
            assert column.valid is twin.valid, name
        else:
            np.testing.assert_array_equal(column.valid, twin.valid)
        if column.dictionary is not None and twin.dictionary is not None:
            assert column.dictionary.tolist() == twin.dictionary.tolist(), name


draws = st.tuples(
    st.integers(0, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.none() | st.integers(1, 3),
    st.none() | st.integers(0, 100),
    st.none() | st.booleans(),
)


@given(st.lists(draws, min_size=1, max_size=15), st.sampled_from(["int", "text"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_folder_gives_back_the_frame(
    tmp_path: Path, drawn: list[tuple[int, int, Any, Any, Any, Any]], ids: str
) -> None:
    frame = events(drawn, ids)
    write_ledger_table(frame, tmp_path / "ledger")
    assert_same(read_ledger(tmp_path / "ledger"), ledger_of(frame))
    assert_same(read_ledger(frame), ledger_of(frame))
    assert check(tmp_path / "ledger").ok


def test_rows_known_together_stand_in_the_order_they_happened(frame: pd.DataFrame) -> None:
    known = pd.Series([START + pd.Timedelta(days=9)] * 5).dt.as_unit("us")
    late_first = frame.assign(known_ts=known, event_ts=frame["event_ts"].array[::-1])
    assert (np.diff(read_ledger(late_first)["event_ts"].values) > 0).all()


def test_only_the_columns_asked_for_are_read(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_ledger_table(frame, tmp_path / "ledger")
    ledger = read_ledger(tmp_path / "ledger", ["amount_cents"])
    assert set(ledger.columns) == {"event_type", "known_ts", "user_id", "amount_cents"}
    with pytest.raises(ContractError, match="did you mean 'amount_cents'"):
        read_ledger(tmp_path / "ledger", ["amount_cent"])


def test_the_same_rows_in_any_order_give_the_same_bytes(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    write_ledger_table(frame, tmp_path / "one")
    write_ledger_table(frame.iloc[::-1], tmp_path / "two")
    write_ledger_table(frame, tmp_path / "two")
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")


def test_one_changed_cent_changes_the_fingerprint(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_ledger_table(frame, tmp_path / "one")
    before = read_ledger(tmp_path / "one").fingerprint
    in_memory = read_ledger(frame).fingerprint
    frame.loc[4, "amount_cents"] = 1001
    write_ledger_table(frame, tmp_path / "one")
    assert read_ledger(tmp_path / "one").fingerprint != before
    assert read_ledger(frame).fingerprint != in_memory


def test_a_changed_byte_is_found_by_the_read_and_by_the_check(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    write_ledger_table(frame, tmp_path / "ledger")
    part = tmp_path / "ledger" / "part-1.parquet"
    chunk = pq.read_metadata(part).row_group(0).column(0)
    raw = bytearray(part.read_bytes())
    raw[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
    part.write_bytes(raw)
    with pytest.raises(ContractError, match="hash differs"):
        check(tmp_path / "ledger")
    with pytest.raises(ContractError, match="unreadable"):
        read_ledger(tmp_path / "ledger")


@pytest.mark.parametrize("name", ["part-1.parquet", "dict/user_id-1.parquet"])
def test_a_missing_or_cut_file_is_named(frame: pd.DataFrame, tmp_path: Path, name: str) -> None:
    write_ledger_table(frame, tmp_path / "ledger")
    path = tmp_path / "ledger" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ContractError, match=f"file {name} has"):
        read_ledger(tmp_path / "ledger")
    path.unlink()
    with pytest.raises(ContractError, match=f"file {name} is missing"):
        check(tmp_path / "ledger")


@pytest.mark.parametrize(
    "text", ["", "{", '{"format": 1}', '{"format": 9}', '{"format": 3}', "[]", "3", "\xff" * 10_000]
)
def test_a_damaged_manifest_is_a_clear_error(
    frame: pd.DataFrame, tmp_path: Path, text: str
) -> None:
    write_ledger_table(frame, tmp_path / "ledger")
    (tmp_path / "ledger" / "manifest.json").write_text(text, "latin-1")
    with pytest.raises(ContractError, match=r"is no (JSON|ledger)|in format [19]") as error:
        read_ledger(tmp_path / "ledger")
    assert len(error.value.what) < 80


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ('"rows": 5', '"rows": 4'),
        ('"currency": "CNY"', '"currency": "USD"'),
        ('"watermark": ', '"watermark": 1'),
        ('"type": "int"', '"type": "key"'),
        ('"files": {', '"files": {}, "file": {'),
    ],
)
def test_an_edited_manifest_is_refused(
    frame: pd.DataFrame, tmp_path: Path, said: str, instead: str
) -> None:
    write_ledger_table(frame, tmp_path / "l")
    path = tmp_path / "l" / "manifest.json"
    assert said in path.read_text()
    path.write_text(path.read_text().replace(said, instead))
    for look in (check, read_ledger):
        with pytest.raises(ContractError, match=r"was changed after|is no (JSON|ledger)"):
            look(tmp_path / "l")


def test_a_ledger_without_its_manifest_says_so(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_ledger_table(frame, tmp_path / "l")
    (tmp_path / "l" / "manifest.json").unlink()
    with pytest.raises(ContractError, match=r"no manifest\s+fix: build the ledger again"):
        check(tmp_path / "l")


def test_a_folder_that_is_no_ledger_is_never_replaced(frame: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("ten years of work")
    with pytest.raises(StorageError, match="which is no ledger's"):
        write_ledger_table(frame, tmp_path / "home")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="is a file"):
        write_ledger_table(frame, tmp_path / "file")


@pytest.mark.parametrize("beside", ["nothing", "a manifest of theirs", "a ledger"])
@pytest.mark.parametrize("name", ["part-00000-1.snappy.parquet", "dict/words.txt", "deep/er/x"])
def test_nothing_of_somebody_else_is_replaced(
    frame: pd.DataFrame, tmp_path: Path, name: str, beside: str
) -> None:
    theirs = tmp_path / "l" / name
    if beside == "a ledger":
        write_ledger_table(frame, tmp_path / "l")
    theirs.parent.mkdir(parents=True, exist_ok=True)
    theirs.write_text("theirs")
    if beside == "a manifest of theirs":
        (tmp_path / "l" / "manifest.json").write_text(json.dumps({"files": {name: {}}}))
    with pytest.raises(StorageError, match="which is no ledger's"):
        write_ledger_table(frame, tmp_path / "l")
    assert theirs.read_text() == "theirs"


def test_a_ledger_never_replaces_its_own_source(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_ledger_table(frame, tmp_path / "l")
    before = _bytes(tmp_path / "l")
    for source in (tmp_path / "l", tmp_path / "l" / "part-1.parquet"):
        with pytest.raises(UserError):
            build_ledger(source, tmp_path / "l")
    assert _bytes(tmp_path / "l") == before


def test_a_link_to_a_ledger_is_followed(frame: pd.DataFrame, tmp_path: Path) -> None:
    write_ledger_table(frame, tmp_path / "l")
    (tmp_path / "link").symlink_to("l")
    write_ledger_table(frame.iloc[:2], tmp_path / "link")
    assert len(read_ledger(tmp_path / "l")) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["l", "link"]
    assert (tmp_path / "link").is_symlink()


def test_a_ledger_is_replaced_as_a_whole(frame: pd.DataFrame, tmp_path: Path) -> None:
    build_ledger(frame.assign(amount_cents=[-1, 0, 1, 1, 1]), tmp_path / "l", max_quarantine=1)
    assert (tmp_path / "l" / "quarantine").exists()
    write_ledger_table(frame, tmp_path / "l")
    assert not (tmp_path / "l" / "quarantine").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["l"]


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    for name in (".l.7.tmp", ".l.8.tmp", ".other.7.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part-1.parquet").touch()
    handle = os.open(tmp_path / ".l.8.tmp", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    write_ledger_table(frame, tmp_path / "l")
    os.close(handle)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".l.8.tmp", ".other.7.tmp", "l"]


def test_without_an_atomic_exchange_two_renames_do(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.durable.exchange", lambda *_: False)
    write_ledger_table(frame, tmp_path / "l")
    write_ledger_table(frame.iloc[:2], tmp_path / "l")
    assert len(read_ledger(tmp_path / "l")) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["l"]


def test_a_ledger_swapped_while_it_is_read_is_read_again(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "ledger", frame.copy()
    other.loc[1, "amount_cents"] = 2501  # a file of the same size
    write_ledger_table(frame, path)
    swaps = [lambda: write_ledger_table(other, path)]

    def read_late(*args: Any) -> Any:
        if swaps:
            swaps.pop()()
        return read_columns(*args)

    monkeypatch.setattr("data.store.read_columns", read_late)
    ledger = read_ledger(path)
    assert ledger["amount_cents"].values[1] == 2501
    assert ledger.fingerprint == read_manifest(path).fingerprint


def test_a_reader_beside_a_writer_never_mixes_two_ledgers(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    """Two ledgers swapped in turn by another process: each read is one or the other."""
    path = tmp_path / "ledger"
    write_ledger_table(frame, path)
    frame.to_parquet(tmp_path / "frame.parquet")
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "frame.parquet"), str(path)]
    writer = subprocess.Popen(command)
    seen = set()
    try:
        while writer.poll() is None:
            try:
                ledger = read_ledger(path, ["amount_cents"])
            except ContractError as e:
                assert "faster than it is read" in str(e)  # noqa: PT017
                continue
            amounts = ledger["amount_cents"].values.tolist()
            seen.add((len(ledger), amounts[0], len(set(ledger["user_id"].values))))
    finally:
        writer.wait()
    assert writer.returncode == 0
    assert seen
    assert seen <= {(5, 1000, 2), (2, 7, 1)}


_WRITER = """
import sys
import pandas as pd
from data.ingest import write_ledger_table
big, path = pd.read_parquet(sys.argv[1]), sys.argv[2]
small = big.iloc[:2].assign(amount_cents=[7, 7], user_id="u9")
for turn in range(30):
    write_ledger_table(big if turn % 2 else small, path)
"""


def _bytes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }
