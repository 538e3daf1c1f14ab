"""A ledger that grows by the night: only what is new, nothing rewritten, as if built at once."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.check import check
from data.errors import (
    BusyError,
    ContractError,
    NothingToDoError,
    QuarantineLimitError,
    StorageError,
)
from data.folder import read_manifest
from data.ids import hashes
from data.ingest import append_ledger, build_ledger, write_ledger_table
from data.ledger import Ledger
from data.lock import locked
from data.mapping import load_mapping
from data.sources import open_frame
from data.store import read_ledger

START = pd.Timestamp("2026-01-01", tz="UTC")
DRAW = st.tuples(
    st.integers(0, 5),
    st.integers(0, 2),
    st.integers(1, 4),
    st.none() | st.integers(1, 3),
    st.none() | st.integers(0, 100),
    st.none() | st.booleans(),
    st.sampled_from(["order_paid", "order_shipped", "order_cancelled"]),
)


def events(draws: list[Any], ids: str = "text") -> pd.DataFrame:
    """Few days, users and words, so that each night ties, repeats some and sees some first."""
    names = ["day", "late", "user", "item", "cents", "proven", "event_type"]
    table = pd.DataFrame(draws, columns=names)
    event = START + pd.to_timedelta(table["day"], unit="D")
    item = table["item"].astype("Int64")
    text = ids == "text"
    return pd.DataFrame(
        {
            "event_id": [f"e{n}" if text else n for n in range(len(table))][::-1],
            "event_type": table["event_type"],
            "event_ts": event.dt.as_unit("us"),
            "known_ts": (event + pd.to_timedelta(table["late"], unit="D")).dt.as_unit("us"),
            "user_id": "u" + (9 - table["user"]).astype("str") if text else 9 - table["user"],
            "item_id": "i" + item.astype("str") if text else item,
            "amount_cents": table["cents"].astype("Int64"),
            "act_prob": table["cents"].astype("float64") / 100,
            "proven": table["proven"].astype("boolean"),
            "deadline_ts": event.where(table["day"] != 1).dt.as_unit("us"),
        }
    )


def nights(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The events as they became known, a column that is all null left out."""
    for _, night in frame.groupby("known_ts"):
        yield night.dropna(axis=1, how="all")


def values(ledger: Ledger) -> dict[str, Any]:
    """What the ledger says, whatever its codes."""
    return {
        n: list(c.decode(c.values).astype(object).where(c.values >= 0, None))
        if c.kind == "code"
        else (c.values.tobytes(), None if c.valid is None else c.valid.tobytes())
        for n, c in ledger.columns.items()
    }


def digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@given(st.lists(DRAW, min_size=1, max_size=20), st.sampled_from(["int", "text"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_grown_night_by_night_is_built_at_once(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Any], ids: str
) -> None:
    place, frame = tmp_path_factory.mktemp("grown"), events(drawn, ids)
    build_ledger(frame.dropna(axis=1, how="all"), place / "once")
    for night in nights(frame):
        append_ledger(night, place / "grown")
    once, grown = read_ledger(place / "once"), read_ledger(place / "grown")
    texts = [n for n in ("event_type", "proven") if n in once]
    assert values(grown) == values(once)
    for name in texts:
        np.testing.assert_array_equal(grown[name].values, once[name].values)
        assert list(grown[name].dictionary) == list(once[name].dictionary)  # type: ignore[arg-type]
    told, built = read_manifest(place / "grown"), read_manifest(place / "once")
    for fact in ("rows", "watermark", "first_known", "columns", "key_types"):
        assert getattr(told, fact) == getattr(built, fact), fact
    assert check(place / "grown").ok
    for again in (frame, frame.iloc[::-1]):
        for ledger in ("once", "grown"):
            with pytest.raises(NothingToDoError, match=f"{len(frame)} of {len(frame)} stand"):
                append_ledger(again, place / ledger)


@pytest.fixture
def grown(frame: pd.DataFrame, tmp_path: Path) -> Path:
    """The first four of five events."""
    append_ledger(frame.iloc[:4], tmp_path / "l")
    return tmp_path / "l"


def test_an_append_adds_files_and_touches_none(frame: pd.DataFrame, grown: Path) -> None:
    before = digests(grown)
    report = append_ledger(frame, grown)
    assert (report.rows, report.kept, report.held, report.quarantined) == (5, 1, 4, 0)
    after = digests(grown)
    assert {n: after[n] for n in before if n != "manifest.json"} == {
        n: h for n, h in before.items() if n != "manifest.json"
    }
    new = {"part-2.parquet", "ids-2.parquet", "dict/event_type-2.parquet"}
    assert set(after) - set(before) == new | {"dict/cause-2.parquet", "dict/proven-2.parquet"}
    assert set(after) == {"manifest.json", *read_manifest(grown).files}
    assert sorted(p.name for p in grown.parent.iterdir()) == ["l"]


def test_a_night_without_news_says_so_and_writes_nothing(frame: pd.DataFrame, grown: Path) -> None:
    before = digests(grown)
    with pytest.raises(NothingToDoError, match="no row is new: 4 of 4 stand in the ledger"):
        append_ledger(frame.iloc[:4].iloc[::-1], grown)
    with pytest.raises(NothingToDoError, match="no row is new: the source has none"):
        append_ledger(frame.iloc[:0], grown)
    assert digests(grown) == before


def test_what_the_ledger_can_no_longer_take_is_set_aside(frame: pd.DataFrame, grown: Path) -> None:
    late = frame.iloc[[0]].assign(event_id="e0", amount_cents=3)
    changed = frame.iloc[[1]].assign(amount_cents=2501)
    again = frame.iloc[[2]].assign(known_ts=frame["known_ts"][4])  # an old id in a new row
    night = pd.concat([frame, late, late, changed, again], ignore_index=True)
    with pytest.raises(QuarantineLimitError, match=r"event_id\.changed") as error:
        append_ledger(night.iloc[4:], grown)
    assert "an event_id of its own" in error.value.fix
    report = append_ledger(night.drop(index=[1, 2]), grown, max_quarantine=0.5)
    assert (report.kept, report.held, report.dropped, report.quarantined) == (1, 2, 1, 3)
    assert {(f.rule, f.rows) for f in report.faults} == {
        ("known_ts.late", 1),
        ("event_id.changed", 2),
    }
    aside = pd.read_parquet(grown / "quarantine" / "part-2.parquet")
    assert aside["event_id"].tolist() == ["e0", "e2", "e3"]
    assert aside["reasons"].tolist() == ["known_ts.late", "event_id.changed", "event_id.changed"]
    assert len(read_ledger(grown)) == 5
    assert read_manifest(grown).quarantined == 3


def test_a_row_known_at_the_last_moment_is_late(frame: pd.DataFrame, grown: Path) -> None:
    last = frame["known_ts"][3]
    at, after = (frame.iloc[[4]].assign(known_ts=t, event_ts=last) for t in (last, last + US))
    with pytest.raises(QuarantineLimitError, match=r"known_ts\.late"):
        append_ledger(at, grown)
    assert append_ledger(after, grown).kept == 1


US = pd.Timedelta("1us")


def test_each_file_of_a_ledger_is_opened_a_few_times_however_many_nights_repeat(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(1, 5):
        append_ledger(frame.iloc[:n], tmp_path / "l")
    opened: list[Path] = []
    init = pq.ParquetFile.__init__

    def count(self: pq.ParquetFile, source: Path, *args: Any, **named: Any) -> None:
        opened.append(source)
        init(self, source, *args, **named)

    monkeypatch.setattr(pq.ParquetFile, "__init__", count)
    assert append_ledger(frame, tmp_path / "l").held == 4
    assert max(opened.count(path) for path in opened) <= 3


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
@pytest.mark.parametrize("first", [True, False])
def test_however_arrow_holds_a_text_it_is_the_same_row(
    frame: pd.DataFrame, tmp_path: Path, kind: pa.DataType, first: bool
) -> None:
    plain = open_frame(frame.iloc[[2, 0, 3, 1, 4]]).table
    texts = [n for n in plain.column_names if isinstance(frame[n].iloc[-1], str)]
    other = plain.cast(
        pa.schema([f.with_type(kind) if f.name in texts else f for f in plain.schema])
    )
    one, two = (other, plain) if first else (plain, other)
    append_ledger(one.slice(0, 4), tmp_path / "l")
    report = append_ledger(two, tmp_path / "l")
    assert (report.held, report.kept) == (4, 1)


def test_only_the_ids_themselves_say_that_an_id_is_known(
    frame: pd.DataFrame, grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every hash is found: the rows are looked at, and are new all the same."""
    monkeypatch.setattr("data.known.present", lambda _path, asked: np.ones(len(asked), bool))
    assert append_ledger(frame.iloc[4:], grown).kept == 1


def test_ids_that_differ_by_a_character_have_other_hashes() -> None:
    texts = [f"{n}" for n in range(50_000)] + ["", "a", "b", "ab", "ba", "中", "国"]
    table = pa.chunked_array([texts[:9], texts[9:]])
    assert len(np.unique(hashes(table))) == len(texts)
    np.testing.assert_array_equal(hashes(table), hashes(table.dictionary_encode()))
    assert hex(hashes(pa.chunked_array([["a"]]))[0]) == "0xaf63dc4c8601ec8c"  # FNV-1a, published


def test_a_column_may_come_later_or_stay_away(frame: pd.DataFrame, tmp_path: Path) -> None:
    first = frame.iloc[:3].drop(columns=["cause", "proven", "case_id"])
    contract = {"order_paid", "refund_requested"}
    first = first[first["event_type"].isin(contract - {"refund_requested"})]
    append_ledger(first, tmp_path / "l")
    append_ledger(frame.iloc[2:].drop(columns="proven"), tmp_path / "l")
    ledger = read_ledger(tmp_path / "l")
    assert "proven" not in ledger
    case = ledger["case_id"]
    assert case.decode(case.values).astype(object).where(case.values >= 0, "").tolist() == [
        *("", ""),
        *("c1", "c1", "c1"),
    ]
    assert check(tmp_path / "l").ok


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user_id": 7}, "the ids of column 'user_id' are int, in the ledger they are text"),
        ({"event_id": 7}, "the ids of column 'event_id' are int"),
        ({"case_id": [3]}, "the ids of column 'case_id' are int"),
        ({"cause": 1.5}, "column 'cause' is double, not text"),
        ({"amount_cents": 2**53 - 1}, "the sum of column 'amount_cents' does not fit 64 bits"),
    ],
)
def test_a_night_of_another_kind_is_refused(
    frame: pd.DataFrame, grown: Path, changes: dict[str, Any], said: str
) -> None:
    if "amount_cents" in changes:
        many = pd.concat([frame.iloc[[4]].assign(**changes)] * 1023, ignore_index=True)
        ids = {"event_id": [f"m{n}" for n in range(1023)]}
        append_ledger(many.assign(**ids), grown)
        later = many["known_ts"] + US
        night = many.assign(known_ts=later, event_id=[f"n{n}" for n in range(1023)])
    else:
        night = frame.iloc[[4]].assign(**changes)
    before = digests(grown)
    with pytest.raises(ContractError, match=said) as error:
        append_ledger(night, grown)
    assert error.value.fix
    assert digests(grown) == before


def test_another_currency_or_another_declared_type_is_refused(
    frame: pd.DataFrame, grown: Path
) -> None:
    with pytest.raises(ContractError, match="the currency is USD, the ledger's is CNY"):
        append_ledger(frame, grown, currency="USD")
    with pytest.raises(ContractError, match="the currency is USD"):
        append_ledger(mapping(frame, grown, 'currency = "USD"'), grown)
    append_ledger(mapping(frame.iloc[4:], grown, 'columns = { weight = "int" }'), grown)
    assert read_ledger(grown)["weight"].values.tolist() == [0, 0, 0, 0, 1]
    night = mapping(frame.iloc[4:], grown, 'columns = { weight = "float" }')
    with pytest.raises(ContractError, match="column 'weight' is float, in the ledger it is int"):
        append_ledger(load_mapping(night), grown)


def mapping(frame: pd.DataFrame, beside: Path, line: str) -> Path:
    """A mapping of a CSV file with one column more, if the line declares it."""
    path = beside.with_name("night.toml")
    frame.to_csv(path.with_suffix(".csv"), index=False)
    fields = "".join(f'{c} = "{c}"\n' for c in frame.columns if c != "amount_cents")
    fields += 'weight = "1"\n' if "weight" in line else ""
    path.write_text(
        f"{line}\n[source.s]\npath = 'night.csv'\n[[event]]\nsource = 's'\n"
        f"[event.fields]\namount_cents = 'amount_cents'\n{fields}"
    )
    return path


FILES = ["part-1.parquet", "ids-1.parquet", "dict/user_id-1.parquet"]


@pytest.mark.parametrize(
    ("name", "damage"),
    # An old part's columns are not read again: `clawback check` finds a bit there.
    [*((f, d) for f in FILES for d in ("cut", "lost")), *((f, "a bit") for f in FILES[1:])],
)
def test_a_damaged_file_is_named_before_anything_is_written(
    frame: pd.DataFrame, grown: Path, name: str, damage: str
) -> None:
    path, said = grown / name, f"file {name} "
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "lost":
        path.unlink()
    else:
        chunk = pq.read_metadata(path).row_group(0).column(0)
        raw = bytearray(path.read_bytes())
        raw[chunk.data_page_offset + chunk.total_compressed_size - 1] ^= 1
        path.write_bytes(raw)
        said = f"{name}: unreadable"
    before = digests(grown)
    with pytest.raises(ContractError, match=said):
        append_ledger(frame, grown)
    assert digests(grown) == before


def test_a_ledger_of_another_format_is_refused(frame: pd.DataFrame, grown: Path) -> None:
    path = grown / "manifest.json"
    other = json.loads(path.read_text()) | {"format": 2, "a_fact": "that only it has"}
    del other["seal"]
    path.write_text(json.dumps(other))
    for use in (read_ledger, lambda at: append_ledger(frame, at)):
        with pytest.raises(ContractError, match="format 2, this version reads format 3"):
            use(grown)


def test_a_manifest_says_the_same_in_any_order(frame: pd.DataFrame, tmp_path: Path) -> None:
    many = pd.concat([frame] * 3, ignore_index=True)
    many["event_id"] = [f"e{n}" for n in range(15)]
    many["user_id"] = [f"u{n}" for n in range(15, 0, -1)]
    many["known_ts"] = many["known_ts"].max() + pd.to_timedelta(np.arange(15), "D")
    many["known_ts"] = many["known_ts"].dt.as_unit("us")
    for n in range(15):
        append_ledger(many.iloc[[n]], tmp_path / "l")
    before = values(read_ledger(tmp_path / "l"))
    path = tmp_path / "l" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True))
    assert values(read_ledger(tmp_path / "l")) == before


@pytest.mark.parametrize("name", ["part-2.parquet", "dict/cause-2.parquet", "notes.txt"])
def test_a_file_of_somebody_else_is_never_overwritten(
    frame: pd.DataFrame, grown: Path, name: str
) -> None:
    (grown / name).write_text("theirs")
    with pytest.raises(StorageError, match=f"holds {name}, which is no ledger's"):
        append_ledger(frame, grown)
    assert (grown / name).read_text() == "theirs"


def test_two_writers_at_once_one_is_told_to_wait(frame: pd.DataFrame, grown: Path) -> None:
    with locked(grown.with_name(".l.lock")):
        for write in (append_ledger, build_ledger, write_ledger_table):
            with pytest.raises(BusyError, match="another job is writing here"):
                write(frame, grown)
        assert len(read_ledger(grown)) == 4
    append_ledger(frame, grown)


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """Read, add one, write: no increment is lost, although the lock file comes and goes."""
    count = tmp_path / "count"
    count.write_text("0")

    def add(_turn: int) -> int:
        try:
            with locked(tmp_path / ".lock"):
                count.write_text(str(int(count.read_text()) + 1))
                return 1
        except BusyError:
            return 0

    with ThreadPoolExecutor(4) as pool:
        done = sum(pool.map(add, range(2000)))
    assert int(count.read_text()) == done > 0
    assert not (tmp_path / ".lock").exists()


def test_killed_at_any_step_a_night_is_invisible_and_is_redone(
    frame: pd.DataFrame, grown: Path
) -> None:
    """A copy of the ledger for every third call that reaches the disk, killed just before it."""
    frame.to_parquet(grown.with_name("night.parquet"))
    shutil.copytree(grown, grown.with_name("done"))
    append_ledger(frame, grown.with_name("done"))
    whole, old = digests(grown.with_name("done")), digests(grown)
    subprocess.run([sys.executable, "-c", _KILLED, str(grown.parent)], check=True)
    places = sorted(grown.parent.glob("killed-*"))
    assert len(places) > 8
    seen = set()
    for place in places:
        seen.add(len(read_ledger(place)))
        now = digests(place)
        assert {n: now[n] for n in old if n != "manifest.json"}.items() <= old.items()
        if len(read_ledger(place)) == 4:
            append_ledger(frame, place)
        else:
            with pytest.raises(NothingToDoError):
                append_ledger(frame, place)
            build_ledger(frame, place)  # sweeps what the other left
            append_ledger(frame.iloc[4:].assign(event_id="e6", known_ts=LATER), place)
            continue
        assert digests(place) == whole, place
    assert seen == {4, 5}
    assert not [p for p in grown.parent.rglob(".*") if p.name != ".l.lock"]


LATER = pd.Timestamp("2027-01-01", tz="UTC")
_KILLED = """
import os, shutil, signal, sys
from itertools import count
from pathlib import Path
from data.ingest import append_ledger

def steps(left):
    def counted(call):
        def run(*args, **kwargs):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)
        return run
    for name in ("fsync", "rename", "replace", "mkdir", "rmdir"):
        setattr(os, name, counted(getattr(os, name)))

place = Path(sys.argv[1])
for k in count(0, 3):
    target = place / f"killed-{k:02}"
    shutil.copytree(place / "l", target)
    if not (child := os.fork()):
        steps([k])
        append_ledger(place / "night.parquet", target)
        os._exit(0)
    if os.WIFEXITED(os.waitpid(child, 0)[1]):
        shutil.rmtree(target)
        break
"""
