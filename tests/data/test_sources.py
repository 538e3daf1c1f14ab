"""One bad file among many, and files that change while they are read: named, nothing written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.check import check
from data.errors import ContractError
from data.ingest import append_ledger, build_ledger
from data.store import read_ledger


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def damaged(path: Path) -> None:
    """The footer is whole, the pages are not."""
    columns = pq.read_metadata(path).row_group(0)
    raw = bytearray(path.read_bytes())
    for column in (columns.column(n) for n in range(columns.num_columns)):
        start = column.dictionary_page_offset or column.data_page_offset
        for at in range(start, start + min(30, column.total_compressed_size)):
            raw[at] ^= 0xFF
    path.write_bytes(raw)


def retyped(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def poison(path: Path) -> None:
        table = pq.read_table(path)
        at = table.column_names.index(name)
        pq.write_table(table.set_column(at, name, change(table[name])), path)

    return poison


UTC, SHANGHAI, NAIVE = (pa.timestamp("us", tz) for tz in ("UTC", "Asia/Shanghai", None))
POISONS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no Parquet": (lambda p: p.write_bytes(b"none" * 9), "Parquet magic bytes not found"),
    "empty": (lambda p: p.write_bytes(b""), "size is 0 bytes"),
    "cut": (cut, "unreadable"),
    "damaged": (damaged, "unreadable"),
    "other zone": (retyped("event_ts", lambda c: c.cast(SHANGHAI)), "tz=Asia/Shanghai] here"),
    "no zone": (retyped("known_ts", lambda c: c.cast(UTC).cast(NAIVE)), "timestamp[us] here"),
    "other type": (retyped("amount_cents", lambda c: c.cast(pa.string())), "is string here"),
}


@pytest.fixture
def source(frame: pd.DataFrame, tmp_path: Path) -> Path:
    """A folder of four files."""
    (tmp_path / "days").mkdir()
    for day in range(4):
        rows = frame.assign(event_id=frame["event_id"] + f"-{day}")
        rows.to_parquet(tmp_path / "days" / f"day-{day}.parquet")
    return tmp_path / "days"


def mapped(source: Path, frame: pd.DataFrame) -> Path:
    fields = "".join(f'{c} = "{c}"\n' for c in frame.columns)
    path = source.with_name("shop.toml")
    path.write_text(
        f'[source.s]\npath = "{source.name}"\n[[event]]\nsource = "s"\n[event.fields]\n{fields}'
    )
    return path


@pytest.mark.parametrize("as_mapping", [False, True])
@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_file_is_named_and_nothing_is_written(
    frame: pd.DataFrame, source: Path, poison: str, as_mapping: bool
) -> None:
    build_ledger(frame, ledger := source.with_name("ledger"))
    before = sorted(ledger.rglob("*"))
    spoil, said = POISONS[poison]
    spoil(bad := source / "day-2.parquet")
    given = mapped(source, frame) if as_mapping else source
    for write, target in ((append_ledger, ledger), (build_ledger, source.with_name("new"))):
        with pytest.raises(ContractError) as error:
            write(given, target)
        assert str(bad) in str(error.value)
        assert said in str(error.value)
        assert error.value.fix
    assert sorted(ledger.rglob("*")) == before
    assert not source.with_name("new").exists()


@pytest.mark.parametrize("as_mapping", [False, True])
def test_a_csv_that_grows_while_it_is_read_is_refused(
    frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_mapping: bool
) -> None:
    path = tmp_path / "events.csv"
    frame.to_csv(path, index=False)
    read_csv = pa.csv.read_csv

    def read_while_it_grows(*args: Any) -> Any:
        half = read_csv(*args)
        with path.open("a") as f:
            f.write(path.read_text().splitlines()[-1].replace("e5", "e6") + "\n")
        return half

    monkeypatch.setattr("pyarrow.csv.read_csv", read_while_it_grows)
    given = mapped(path, frame) if as_mapping else path
    uses: list[Callable[[], Any]] = [
        lambda: check(given),
        lambda: build_ledger(given, tmp_path / "l"),
        lambda: append_ledger(given, tmp_path / "l"),
        lambda: read_ledger(path),
    ]
    for use in uses:
        with pytest.raises(ContractError, match=r"events\.csv: the file changed while it was read"):
            use()
    assert not (tmp_path / "l").exists()
    monkeypatch.undo()
    assert check(given).rows == len(path.read_text().splitlines()) - 1


@pytest.mark.parametrize("change", ["added", "removed", "rewritten"])
def test_a_folder_that_changes_while_it_is_read_is_refused(
    source: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    from data.staging import whole

    def whole_while_it_changes(found: Any) -> Any:
        batch, path = whole(found), source / "day-3.parquet"
        if change == "removed":
            path.unlink()
        else:
            name = "day-4.parquet" if change == "added" else path.name
            path.with_name(name).write_bytes(path.read_bytes())
        return batch

    monkeypatch.setattr("data.check.whole", whole_while_it_changes)
    with pytest.raises(ContractError, match=r"day-\d\.parquet: the file changed"):
        build_ledger(source, source.with_name("ledger"))
    assert not source.with_name("ledger").exists()


TIMES = {
    "1970-01-01T00:00:00Z": "1970-01-01 00:00:00",
    "2262-04-10T23:59:59.999999Z": "2262-04-10 23:59:59.999999",
    "2026-03-29 01:59:59": "2026-03-29 00:59:59",  # Berlin, the second before summer time
    "2026-03-29 02:30:00": "2026-03-29 01:30:00",  # a time that does not exist
    "2026-03-29 03:00:00": "2026-03-29 01:00:00",
    "2026-10-25 02:30:00": "2026-10-25 01:30:00",  # it occurs twice: the later one
    "2026-10-25T02:30:00+02:00": "2026-10-25 00:30:00",
}
NO_TIMES = {
    "2016-12-31T23:59:60Z": "unparseable",  # a leap second has no place in microseconds since 1970
    "1969-12-31T23:59:59Z": "range",
    "2262-04-11T00:00:00Z": "range",
    "2263-01-01T00:00:00Z": "range",
}


def test_times_at_the_edges_of_clocks(tmp_path: Path) -> None:
    """Night by night they stand where they belong; what is no time is set aside and named."""
    path = tmp_path / "night.toml"
    path.write_text(
        '[source.s]\npath = "night.csv"\nzone = "Europe/Berlin"\n[[event]]\nsource = "s"\n'
        'type = "order_paid"\n[event.fields]\nevent_id = "t"\nuser_id = "t"\n'
        'event_ts = "t"\nknown_ts = "t"\n'
    )
    for text in sorted(TIMES, key=TIMES.__getitem__):
        (tmp_path / "night.csv").write_text("t\n" + "\n".join([text, *NO_TIMES]) + "\n")
        report = append_ledger(path, tmp_path / "l", max_quarantine=0.9)
        assert (report.kept, report.quarantined) == (1, len(NO_TIMES))
        rules = report.reasons.loc[report.reasons["rule"].str.startswith("event_ts")]
        assert [r.removeprefix("event_ts.") for r in rules["rule"]] == list(NO_TIMES.values())
    known = pd.to_datetime(read_ledger(tmp_path / "l").known_us, unit="us")
    assert [str(t) for t in known] == sorted(TIMES.values())
