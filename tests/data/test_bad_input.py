"""Bad input: one message that says what, where and how to fix it; nothing lost."""

import datetime as dt
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.check import check
from data.contract import load_contract
from data.errors import ContractError, QuarantineLimitError, UsageError, UserError
from data.ingest import build_ledger, write_ledger_table
from data.sources import open_file, open_frame
from data.store import read_ledger


def refused(source: Any, said: str, kind: type[UserError] = ContractError) -> str:
    """The message of the refusal, which has the three parts."""
    with pytest.raises(kind, match=said) as error:
        check(source)
    e = error.value
    assert e.what
    assert e.where
    assert e.fix
    return str(e)


def found(frame: pd.DataFrame, *rules: str) -> None:
    assert {f.rule for f in check(frame).faults} == set(rules)


def test_an_empty_ledger(frame: pd.DataFrame, tmp_path: Path) -> None:
    refused(frame.iloc[:0], "the ledger is empty")
    frame.iloc[:0].to_csv(tmp_path / "empty.csv", index=False)
    refused(tmp_path / "empty.csv", "the ledger is empty")


def test_a_missing_or_misnamed_column(frame: pd.DataFrame) -> None:
    refused(frame.drop(columns="user_id"), "column 'user_id' is missing")
    refused(frame.rename(columns={"user_id": "user"}), "rename it from 'user'")
    refused(frame.rename(columns={"amount_cents": "amount_cts"}), "did you mean 'amount_cents'")
    refused(pd.concat([frame, frame[["user_id"]]], axis=1), "'user_id' stands twice")


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("event_ts", 1767225600, "'event_ts' is int64, not time"),
        ("amount_cents", True, "'amount_cents' is bool, not int"),
        ("user_id", dt.date(2026, 1, 1), r"'user_id' is date32\[day\], not key"),
        ("cause", 1.5, "'cause' is double, not text"),
        ("proven", dt.time(1), "'proven' is time64"),
    ],
)
def test_a_wrong_type(frame: pd.DataFrame, column: str, value: Any, said: str) -> None:
    refused(frame.assign(**{column: value}), said)


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("amount_cents", pa.array([1, 2, 3, 4, 5]).cast(pa.decimal256(40, 0)), "is decimal256"),
        ("act_prob", pa.array([0, 1, 0, 1, 0], pa.float16()), "'act_prob' is halffloat, not float"),
        ("event_ts", pa.array([2**62] * 5, pa.timestamp("ms", tz="UTC")), "a value does not fit"),
        ("event_ts", pa.array([2**50] * 5, pa.timestamp("s", tz="UTC")), "a value does not fit"),
    ],
)
def test_a_type_or_a_time_that_the_engine_cannot_hold(
    frame: pd.DataFrame, column: str, values: Any, said: str
) -> None:
    table = open_frame(frame.drop(columns=column, errors="ignore")).table
    refused(table.append_column(column, values), said)


@pytest.mark.parametrize("source", [None, [1], pd.Series([1]), 7])
def test_what_is_no_table_at_all(source: Any) -> None:
    refused(source, "is no source", UsageError)


def test_unparseable_naive_and_out_of_range_times(frame: pd.DataFrame) -> None:
    naive = frame["event_ts"].dt.tz_localize(None)
    refused(frame.assign(event_ts=naive), "the times of column 'event_ts' are naive")
    texts: Any = ["2026-01-01T00:00:00Z", "2026-01-01 00:00", "soon", "0001-01-01T00:00:00Z", None]
    report = check(frame.assign(event_ts=texts))
    assert {(f.rule, f.row) for f in report.faults} == {
        ("event_ts.missing", 5),
        ("event_ts.unparseable", 3),
        ("event_ts.naive", 2),
        ("event_ts.range", 4),
    }


def test_the_year_one_in_a_time_column(frame: pd.DataFrame) -> None:
    first = dt.datetime(1, 1, 1, tzinfo=dt.UTC)
    table = pa.table(
        {c: pa.array(frame[c].astype(object).where(frame[c].notna(), None)) for c in frame}
        | {"event_ts": pa.array([first] * 5, pa.timestamp("us", tz="UTC"))}
    )
    assert {f.rule for f in check(table).faults} == {"event_ts.range"}


def test_a_row_known_before_it_happened(frame: pd.DataFrame) -> None:
    found(frame.assign(known_ts=frame["event_ts"] - pd.Timedelta("1s")), "known_ts.before_event")


@pytest.mark.parametrize(
    ("value", "rules"),
    [
        (-1, ["amount_cents.negative"]),
        (12.5, ["amount_cents.fractional"]),
        (1e19, ["amount_cents.overflow"]),
        (2**53, ["amount_cents.high"]),
        ("12.50", ["amount_cents.fractional"]),
        ("99999999999999999999", ["amount_cents.overflow"]),
        ("4503599627370496.5", ["amount_cents.fractional"]),
        ("1.0000000000000001", ["amount_cents.fractional"]),
        ("1_0", ["amount_cents.unparseable", "amount_cents.required"]),
        ("1,000", ["amount_cents.unparseable", "amount_cents.required"]),
    ],
)
def test_money_that_is_no_amount_of_cents(
    frame: pd.DataFrame, value: Any, rules: list[str]
) -> None:
    amounts: Any = [value if row == 3 else type(value)(1) for row in range(5)]
    report = check(frame.assign(amount_cents=amounts))
    assert {f.rule for f in report.faults} >= {rules[0]}
    assert {f.rule for f in report.faults} <= {*rules, "amount_cents.required"}
    assert set(report.reasons["row"]) == {4}


def test_an_integer_beyond_64_bits(frame: pd.DataFrame) -> None:
    refused(frame.assign(amount_cents=[2**70] * 5), "'amount_cents' cannot be one type")


def test_unknown_event_types(frame: pd.DataFrame) -> None:
    found(frame.assign(event_type="order_payed"), "event_type.unknown")


def test_duplicate_ids(frame: pd.DataFrame) -> None:
    found(frame.assign(event_id="e1"), "event_id.conflict")


@pytest.mark.parametrize("users", [[1, 2, None, 4, 5], ["a", None, "c", "d", "e"]])
def test_a_nan_user(frame: pd.DataFrame, users: Any) -> None:
    report = check(frame.assign(user_id=users))
    assert [(f.rule, f.rows) for f in report.faults] == [("user_id.missing", 1)]
    assert report.kept == 4


@pytest.mark.parametrize(
    ("dtype", "user"), [("float64", 2**53 + 1), ("float64", -(2**53)), ("float32", 2**24 + 1)]
)
def test_an_id_that_a_float_cannot_hold(frame: pd.DataFrame, dtype: Any, user: int) -> None:
    ids = pd.Series([user, None, 3, 4, 5]).astype(dtype)
    report = check(frame.assign(user_id=ids))
    places = {(f.rule, f.row) for f in report.faults}
    assert places == {("user_id.missing", 2), ("user_id.inexact", 1)}


@pytest.mark.parametrize("user", ["007", "+7", "1_0", "7.0", " 7", "7e0", "-0", "x"])
def test_an_integer_id_in_a_text_is_plain(frame: pd.DataFrame, user: str) -> None:
    contract = load_contract().adding(key_types={"user_id": "int"})
    ids: Any = [user, "7", "-7", "0", "10"]
    report = check(frame.assign(user_id=ids), contract=contract)
    assert [(f.rule, f.rows, f.row) for f in report.faults] == [("user_id.unparseable", 1, 1)]


def test_mixed_integer_and_text_ids(frame: pd.DataFrame) -> None:
    mixed = pd.Series([1, "u2", 3, "u4", 5], dtype=object)
    message = refused(frame.assign(user_id=mixed), "'user_id' cannot be one type")
    assert "int, str" in message


def test_an_empty_or_truncated_parquet(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    path.touch()
    refused(path, "0 bytes")
    frame.to_parquet(path)
    raw = path.read_bytes()
    for size in (4, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:size])
        refused(path, "unreadable")
    path.write_bytes(raw[:40] + bytes(200) + raw[240:])
    refused(path, "unreadable")


def test_partitions_of_different_types(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "a.parquet")
    frame.assign(user_id=7).to_parquet(tmp_path / "b.parquet")
    frame.to_parquet(tmp_path / "c.parquet")
    message = refused(tmp_path, "column 'user_id' is int64 here and string elsewhere in the folder")
    assert message.startswith(str(tmp_path / "b.parquet"))


@pytest.mark.parametrize("odd", ["a", "z"])
def test_files_may_store_one_column_in_several_ways(
    frame: pd.DataFrame, tmp_path: Path, odd: str
) -> None:
    table = open_frame(frame.iloc[:3]).table
    pq.write_table(table, tmp_path / f"{odd}.parquet")
    others = table.schema
    for name, kind in (("cause", pa.large_string()), ("amount_cents", pa.float64())):
        others = others.set(others.get_field_index(name), pa.field(name, kind))
    coded = pa.dictionary(pa.int32(), pa.string())
    others = others.set(others.get_field_index("user_id"), pa.field("user_id", coded))
    pq.write_table(open_frame(frame.iloc[3:]).table.cast(others), tmp_path / "m.parquet")
    assert check(tmp_path).ok
    assert len(read_ledger(tmp_path)) == 5


def test_a_partition_keeps_its_zeros_and_is_no_column_of_the_file(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    for user, rows in (("007", frame.iloc[:2]), ("12", frame.iloc[2:])):
        (tmp_path / f"user_id={user}").mkdir()
        rows.drop(columns="user_id").to_parquet(tmp_path / f"user_id={user}" / "p.parquet")
    users = read_ledger(tmp_path)["user_id"].dictionary
    assert users is not None
    assert users.tolist() == ["007", "12"]
    frame.to_parquet(tmp_path / "user_id=12" / "p.parquet")
    refused(tmp_path, "user_id=12/p.parquet: column 'user_id' stands in the file and in its folder")


def test_a_folder_of_parquet_files_is_one_ledger(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.iloc[:2].to_parquet(tmp_path / "a.parquet")
    frame.iloc[2:].to_parquet(tmp_path / "b.parquet")
    assert len(read_ledger(tmp_path)) == 5


def test_a_csv_is_read_in_its_encoding(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    frame = frame.assign(reason=["七天无理由", "质量问题", "", "", ""])
    frame.to_csv(path, index=False, encoding="utf-8-sig")
    ledger = read_ledger(path)
    assert ledger["reason"].dictionary is not None
    assert set(ledger["reason"].dictionary) == {"七天无理由", "质量问题"}
    frame.to_csv(path, index=False, encoding="gbk")
    message = refused(path, "encoding")
    assert "gbk" in message


def test_a_mapping_reads_gbk(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    frame.assign(reason="质量问题").to_csv(path, index=False, encoding="gbk")
    mapping = tmp_path / "shop.toml"
    text = """
    [source.s]
    path = "events.csv"
    encoding = "gbk"
    [[event]]
    source = "s"
    type = "order_paid"
    [event.fields]
    event_ts = "event_ts"
    known_ts = "known_ts"
    user_id = "user_id"
    reason = "reason"
    """
    mapping.write_text(text)
    build_ledger(mapping, tmp_path / "ledger")
    dictionary = read_ledger(tmp_path / "ledger", ["reason"])["reason"].dictionary
    assert dictionary is not None
    assert dictionary.tolist() == ["质量问题"]
    mapping.write_text(text.replace('"gbk"', '"gkb"'))
    refused(mapping, "unknown encoding 'gkb'", UsageError)


@pytest.mark.parametrize("text", ["a,b\n1,2,3\n", "event_id\n\x00\n", "\n\n"])
def test_a_damaged_csv(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.csv").write_text(text)
    refused(tmp_path / "e.csv", "unreadable|is missing|empty|the header 2")


@pytest.mark.parametrize("rows", [3, 200_000])
def test_a_row_of_too_many_values_is_named_by_its_number(tmp_path: Path, rows: int) -> None:
    text = "event_id,user_id\n" + "e,u\n" * (rows - 1) + "secret,u,9\ne,u\n"
    (tmp_path / "e.csv").write_text(text)
    message = refused(tmp_path / "e.csv", f"row {rows} has 3 values, the header 2")
    assert "secret" not in message
    assert "delimiter" in message


@pytest.mark.parametrize(("name", "encoding"), [("e.csv.gz", "utf-8"), ("e.csv", "utf-16")])
def test_a_packed_csv_is_read_and_utf_16_needs_its_name(
    frame: pd.DataFrame, tmp_path: Path, name: str, encoding: str
) -> None:
    frame.to_csv(tmp_path / name, index=False, encoding=encoding)
    assert len(open_file(tmp_path / name, encoding=encoding)) == 5
    if encoding != "utf-8":
        refused(tmp_path / name, "not in the expected encoding")


def test_no_such_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.parquet", "no such file")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "holds no Parquet file")


def test_too_many_broken_rows_leave_nothing_behind(frame: pd.DataFrame, tmp_path: Path) -> None:
    broken = frame.assign(amount_cents=[-1, 1, 1, 1, 1])
    with pytest.raises(QuarantineLimitError, match=r"1 of 5 rows \(20.0%\)") as error:
        build_ledger(broken, tmp_path / "ledger")
    assert error.value.exit_code == 4
    assert list(tmp_path.iterdir()) == []
    assert build_ledger(broken, tmp_path / "ledger", max_quarantine=0.2).kept == 4
    with pytest.raises(UsageError, match="a share from 0 to 1"):
        build_ledger(frame, tmp_path / "ledger", max_quarantine=20)


def test_nothing_but_broken_rows_is_no_ledger(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no row is left"):
        build_ledger(frame.assign(amount_cents=-1), tmp_path / "ledger", max_quarantine=1)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_row_in_a_plain_file_is_refused_with_the_way_on(
    frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.assign(amount_cents=-1).to_parquet(tmp_path / "e.parquet")
    with pytest.raises(ContractError, match="clawback check"):
        read_ledger(tmp_path / "e.parquet")
    with pytest.raises(ContractError, match="5 of 5 rows break the contract"):
        write_ledger_table(frame.assign(amount_cents=-1), tmp_path / "l")


PROGRAM = """
import os, resource, sys
import pandas as pd
from data.check import check
from data.errors import UserError
from data.ingest import append_ledger, build_ledger
if sys.argv[1] == "as a stranger" and os.geteuid() == 0:
    build_ledger(pd.read_parquet(sys.argv[2]), sys.argv[3])  # imports what only root may read
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
if "full disk" in sys.argv[1]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
source, target = sys.argv[4:]
try:
    write = append_ledger if "appended" in sys.argv[1] else build_ledger
    write(source, target) if target else check(source)
except UserError as e:
    print(f"error: {e}", file=sys.stderr)
    sys.exit(e.exit_code)
"""


def refused_elsewhere(how: str, good: Path, source: Path, target: Path | str = "") -> str:
    """What a process of its own says; `good` is a file that root's warm-up may use."""
    with tempfile.TemporaryDirectory() as warm:
        args = [str(a) for a in (how, good, f"{warm}/ledger", source, target)]
        command = [sys.executable, "-c", PROGRAM, *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def open_tmp() -> Iterator[Path]:
    """A folder that another user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("kind", ["file", "folder", "ledger", "part-1.parquet", "dict"])
def test_a_source_without_permission(frame: pd.DataFrame, open_tmp: Path, kind: str) -> None:
    good, closed = open_tmp / "events.parquet", open_tmp / "closed.parquet"
    frame.to_parquet(good)
    if kind not in ("file", "folder"):
        write_ledger_table(frame, closed)
    elif kind == "folder":
        closed.mkdir()
    else:
        frame.to_parquet(closed)
    shut = closed / kind if "part" in kind or "dict" in kind else closed
    shut.chmod(0)
    said = refused_elsewhere("as a stranger", good, closed)
    shut.chmod(0o755)
    assert said.startswith(f"error: {closed}")
    assert "permission denied" in said
    assert "fix: give this user the right to read it" in said


def test_a_target_without_permission(frame: pd.DataFrame, open_tmp: Path) -> None:
    good, target = open_tmp / "events.parquet", open_tmp / "locked" / "ledger"
    frame.to_parquet(good)
    target.parent.mkdir(mode=0o755)
    hidden = target.parent / "hidden" / "ledger"
    hidden.parent.mkdir(mode=0o700)
    for place in (hidden, target.with_name("x" * 300)):
        said = refused_elsewhere("as a stranger", good, good, place)
        assert f"error: {place}: cannot write" in said
    hidden.parent.rmdir()
    said = refused_elsewhere("as a stranger", good, good, target)
    assert f"error: {target}: cannot write: Permission denied" in said
    assert "fix: choose a place this user may write to" in said
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("how", ["on a full disk", "appended on a full disk"])
def test_a_full_disk_leaves_the_old_ledger(frame: pd.DataFrame, tmp_path: Path, how: str) -> None:
    """RLIMIT_FSIZE fails a write as a full disk does, in the middle of a file."""
    ledger = tmp_path / "ledger"
    write_ledger_table(frame, ledger)
    before = {p: p.read_bytes() for p in ledger.rglob("*") if p.is_file()}
    many = pd.concat([frame.iloc[[0]]] * 20_000, ignore_index=True)
    ids = pd.Series(range(20_000)).astype("str")
    later = frame["known_ts"].max() + pd.Timedelta("1s")
    many = many.assign(event_id="n" + ids, user_id="n" + ids, known_ts=later)
    many.to_parquet(tmp_path / "many.parquet")
    many_at = tmp_path / "many.parquet"
    said = refused_elsewhere(how, many_at, many_at, ledger)
    assert f"error: {ledger}: no space left to write the ledger; nothing was changed" in said
    assert "fix: free some space" in said
    assert {p: p.read_bytes() for p in ledger.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ledger", "many.parquet"]
