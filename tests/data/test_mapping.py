"""A shop's own tables become ledger rows by a TOML file."""

import textwrap
from pathlib import Path

import pandas as pd
import pytest

from data.check import check
from data.errors import ContractError, UsageError
from data.ingest import build_ledger
from data.mapping import load_mapping
from data.store import read_ledger

SHOP = """
currency = "GBP"
event_types = ["line_purchased", "line_returned", "invoice_cancelled"]

[keys]
user_id = "text"

[columns]
quantity = "int"
basket_lines = "int"
basket_cents = "int"

[source.lines]
path = "lines.parquet"
zone = "Europe/London"
where = "Customer IS NOT NULL"
[source.lines.derive]
cents = "round(Price * Quantity * 100)"

[source.notes]
path = "notes.csv"
zone = "Europe/London"
types = { Amount = "float" }

[[event]]
source = "lines"
type = "line_purchased"
delay = "0s"
[event.fields]
event_ts = "Bought"
user_id = "Customer"
order_id = "Invoice"
case_id = "row_number() OVER (ORDER BY Bought, source_row)"
amount_cents = "cents"
quantity = "Quantity"
basket_lines = "count(*) OVER (PARTITION BY Invoice)"
basket_cents = "sum(cents) OVER (PARTITION BY Invoice)"

[[event]]
source = "lines"
type = "line_returned"
where = "Returned IS NOT NULL"
delay = "2h"
[event.fields]
event_ts = "Returned"
user_id = "Customer"
case_id = "row_number() OVER (ORDER BY Bought, source_row)"

[[event]]
source = "notes"
type = "invoice_cancelled"
where = "Kind = 'C'"
[event.fields]
event_id = "Note"
event_ts = "Written"
known_ts = "Booked"
user_id = "Customer"
amount_cents = "abs(round(Amount * 100))"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    lines = pd.DataFrame(
        {
            "Invoice": ["A", "B", "B", "C"],
            "Bought": pd.to_datetime(["2026-07-01", "2026-01-02", "2026-01-02", "2026-01-03"]),
            "Customer": pd.array([7, None, 8, 8], "Int64"),
            "Price": [0.29, 1.0, 1.15, 2.5],
            "Quantity": [3, 1, 1, 2],
            "Returned": pd.to_datetime(pd.Series(["2026-07-05", None, None, "2026-01-09"])),
        }
    )
    lines.to_parquet(tmp_path / "lines.parquet")
    (tmp_path / "notes.csv").write_text(
        "Note,Kind,Written,Booked,Customer,Amount\n"
        "n1,C,2026-02-01 10:00,2026-02-01 11:00,007,-12.35\n"
        "n2,I,2026-02-02 10:00,2026-02-02 11:00,007,5\n"
    )
    return write(tmp_path, SHOP)


def write(folder: Path, text: str) -> Path:
    (folder / "shop.toml").write_text(textwrap.dedent(text))
    return folder / "shop.toml"


def frame_of(path: Path, mapping: Path) -> pd.DataFrame:
    build_ledger(mapping, path / "ledger")
    ledger = read_ledger(path / "ledger")
    assert ledger.currency == "GBP"
    columns = ledger.columns.items()
    return pd.DataFrame(
        {n: c.decode(c.values).astype(object) if c.kind == "code" else c.values for n, c in columns}
    )


def test_two_sources_and_three_events_make_one_ledger(shop: Path, tmp_path: Path) -> None:
    table = frame_of(tmp_path, shop)
    assert table["event_type"].tolist() == [
        "line_purchased",
        "line_purchased",
        "line_returned",
        "invoice_cancelled",
        "line_purchased",
        "line_returned",
    ]
    assert table["user_id"].tolist() == ["8", "8", "8", "007", "7", "7"]


def test_a_window_sees_the_rows_the_source_keeps_and_agrees_between_events(
    shop: Path, tmp_path: Path
) -> None:
    table = frame_of(tmp_path, shop)
    bought = table[table["event_type"] == "line_purchased"]
    returned = table[table["event_type"] == "line_returned"]
    assert bought["case_id"].tolist() == [1, 2, 3]
    assert returned["case_id"].tolist() == [2, 3]
    assert bought["basket_lines"].tolist() == [1, 1, 1]
    assert bought["basket_cents"].tolist() == [115, 500, 87]


def test_a_naive_time_takes_the_sources_zone_and_its_summer_time(
    shop: Path, tmp_path: Path
) -> None:
    table = frame_of(tmp_path, shop)
    event = pd.to_datetime(table["event_ts"], unit="us").astype(str).tolist()
    assert event[0] == "2026-01-02 00:00:00"
    assert event[4] == "2026-06-30 23:00:00"


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-01-02T10:00:00Z ", "2026-01-02 10:00:00"),
        (" 2026-01-02 10:00+08", "2026-01-02 02:00:00"),
        ("2026-01-02 10:00:00 GMT", "2026-01-02 10:00:00"),
        ("2026-07-02 10:00 ", "2026-07-02 09:00:00"),
        ("2026-03-29 01:30", "2026-03-29 01:30:00"),  # skipped in London
        ("2026-10-25 01:30", "2026-10-25 01:30:00"),  # twice in London
        ("2026-01-02 10:00:00 Asia/Tokyo", None),
        ("2026-01-02T10:00:00+25:00", None),
        ("2026-01-02T10:00:00-99:99", None),
    ],
)
def test_an_offset_outranks_the_zone_and_other_endings_are_no_time(
    shop: Path, tmp_path: Path, written: str, instant: str | None
) -> None:
    notes = f"Note,Kind,Written,Booked,Customer,Amount\nn1,C,{written},2027-01-01,007,1\n"
    (tmp_path / "notes.csv").write_text(notes)
    report = build_ledger(shop, tmp_path / "ledger", max_quarantine=0.5)
    assert [f.rule for f in report.faults] == ["event_ts.unparseable"] * (instant is None)
    event = pd.to_datetime(read_ledger(tmp_path / "ledger")["event_ts"].values, unit="us")
    assert instant is None or instant in event.astype(str)


def test_one_clock_is_delayed_and_the_report_says_so(shop: Path, tmp_path: Path) -> None:
    table = frame_of(tmp_path, shop)
    late = table["known_ts"].to_numpy(int) - table["event_ts"].to_numpy(int)
    assert (late // 3_600_000_000).tolist() == [0, 0, 2, 1, 0, 2]
    text = check(shop).text()
    assert "lines/line_returned: one clock, known_ts = event_ts + 7200 s" in text
    assert "notes" not in "".join(check(shop).one_clock)
    assert "one clock" in check(tmp_path / "ledger").text()


def test_what_a_where_leaves_out_is_counted(shop: Path) -> None:
    text = check(shop).text()
    assert "read lines/line_purchased: 3 of 4 rows" in text
    assert "read notes/invoice_cancelled: 1 of 2 rows" in text


def test_decimal_prices_become_cents(shop: Path, tmp_path: Path) -> None:
    table = frame_of(tmp_path, shop)
    amounts = table.loc[table["amount_cents"] != 0, "amount_cents"]
    assert amounts.tolist() == [115, 500, 1235, 87]


def test_a_broken_row_is_led_back_to_its_file_and_row(shop: Path, tmp_path: Path) -> None:
    with (tmp_path / "notes.csv").open("a") as f:
        f.write("n3,C,2026-02-03 10:00,2026-02-03 09:00,007,1\n")
        f.write("n4,C,2026-02-30 10:00,2026-02-03 09:00,007,1\n")
        f.write("n5,C,2026-02-03 10:00,2026-02-03 11:00,007,one\n")
    report = check(shop)
    reasons = report.reasons
    assert (report.rows, report.kept, report.quarantined) == (9, 6, 3)
    assert reasons["row"].tolist() == [3, 4, 5]
    assert reasons["rule"].tolist() == [
        "known_ts.before_event",
        "event_ts.unparseable",
        "Amount.untyped",
    ]
    assert set(reasons["file"]) == {str(tmp_path / "notes.csv")}


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("[source.lines.derive]", "[source.lines.drive]", "did you mean 'derive'"),
        ("amount_cents =", "amount_cent =", "did you mean 'amount_cents'"),
        ('type = "line_returned"', 'type = "line_retuned"', "did you mean 'line_returned'"),
        ('source = "notes"', 'source = "note"', "did you mean 'notes'"),
        ('zone = "Europe/London"', 'zone = "Europe/Londn"', "did you mean 'Europe/London'"),
        ('delay = "2h"', 'delay = "2 hours"', "is no delay"),
        ('delay = "2h"', "", "state the `delay`"),
        ('known_ts = "Booked"', 'known_ts = "Booked"\n[[event]]', "field 'user_id' is missing"),
        ('quantity = "int"', 'quantity = "integer"', "did you mean 'int'"),
        ('currency = "GBP"', "currency = 5", "write a text in quotes"),
        ('currency = "GBP"', "currency = ", "not TOML"),
        ('types = { Amount = "float" }', 'types = { Amount = "flaot" }', "did you mean 'float'"),
        ('event_types = ["', 'event_types = [3, "', "write a list of them"),
        ('path = "notes.csv"', "", "give either `path` or `query`"),
        ('"notes.csv"', '"notes.csv"\ndelimiter = ";;"', "delimiter ';;' cannot be used"),
        ('"notes.csv"', '"notes.csv"\ndelimiter = ""', "delimiter '' cannot be used"),
        ('"notes.csv"', '"notes.csv"\ndelimiter = "；"', "delimiter '；' cannot be used"),
        ('= "Note"', '= "uuid()"', r"uuid\( differs from run to run"),
        ("Customer IS NOT NULL", "random() < 0.5", r"random\( differs from run to run"),
        ('= "Booked"', '= "NOW ()"', "differs from run to run"),
        ('= "Booked"', '= "current_timestamp"', "differs from run to run"),
        ("ORDER BY Bought, source_row", "", "use `source_row`"),
    ],
)
def test_a_mapping_with_a_typo_is_refused(shop: Path, wrong: str, right: str, said: str) -> None:
    text = shop.read_text()
    assert wrong in text
    shop.write_text(text.replace(wrong, right, 1))
    with pytest.raises(UsageError, match=said) as error:
        check(shop)
    assert "shop.toml" in str(error.value)


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("Quantity * 100", "Quantty * 100", r"derive 'cents'.*Candidate bindings: \"Quantity\""),
        ('user_id = "Customer"', 'user_id = "Custmer"', r"field 'user_id'.*\"Customer\""),
        ("Kind = 'C'", "Kind = (", "where.*syntax error"),
        ("lines.parquet", "line.parquet", "no such file"),
        ('zone = "Europe/London"\nwhere', "where", "'event_ts' are naive"),
        (
            'user_id = "Customer"',
            'user_id = "[Customer]"',
            r"shop.toml \[\[event\]\] 1 \(lines\): .*'user_id'",
        ),
        ("Kind = 'C'", "Note", r"shop.toml \[\[event\]\] 3 \(notes\) where"),
        ("Amount =", "Amuont =", "no column 'Amuont' to type"),
        ('user_id = "text"', 'case_id = "int"', "ids of two types"),
        ("abs(round", "(SELECT content FROM read_text('/etc/hostname')) || (round", "disabled"),
    ],
)
def test_a_mapping_that_does_not_fit_its_source_is_refused(
    shop: Path, wrong: str, right: str, said: str
) -> None:
    text = shop.read_text()
    assert wrong in text
    shop.write_text(text.replace(wrong, right, 1))
    with pytest.raises(ContractError, match=f"(?s){said}") as error:
        check(shop)
    assert "Traceback" not in str(error.value)


def test_each_value_that_does_not_fit_its_type_is_named_unless_the_row_is_dropped(
    shop: Path, tmp_path: Path
) -> None:
    types = 'types = { Amount = "float", Count = "int" }\nwhere = "Kind = \'C\' AND Count > 0"'
    shop.write_text(shop.read_text().replace('types = { Amount = "float" }', types))
    (tmp_path / "notes.csv").write_text(
        "Note,Kind,Written,Booked,Customer,Amount,Count\n"
        "n1,C,2026-02-01,2026-02-01,007,one,two\n"
        "n2,I,2026-02-01,2026-02-01,007,one,two\n"
        "n3,C,2026-02-01,2026-02-01,007,one,0\n"
        "n4,C,2026-02-01,2026-02-01,007,1,two\n"
    )
    report = check(shop)
    found = report.reasons[["row", "rule"]].values.tolist()
    assert found == [[1, "Amount.untyped"], [1, "Count.untyped"], [4, "Count.untyped"]]
    assert "'Count' does not fit its declared type int" in report.text()


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [("int", "1_0", False), ("int", "1.5", False), ("int", "07.0", True), ("float", "1_0", False)],
)
def test_a_declared_type_is_read_strictly(
    shop: Path, tmp_path: Path, kind: str, value: str, fits: bool
) -> None:
    shop.write_text(shop.read_text().replace('Amount = "float"', f'Amount = "{kind}"'))
    notes = (tmp_path / "notes.csv").read_text().replace("-12.35", value)
    (tmp_path / "notes.csv").write_text(notes)
    assert check(shop).ok == fits


def test_two_events_of_one_source_and_type_are_two(shop: Path) -> None:
    again = shop.read_text().split("[[event]]")[1]
    shop.write_text(f"{shop.read_text()}\n[[event]]{again}")
    assert check(shop).ok
    assert check(shop).kept == 9


def test_a_value_that_does_not_fit_an_expression_names_the_field(
    shop: Path, tmp_path: Path
) -> None:
    lines = pd.read_parquet(tmp_path / "lines.parquet")
    lines.loc[0, "Price"] = float("inf")
    lines.to_parquet(tmp_path / "lines.parquet")
    shop.write_text(shop.read_text().replace('= "cents"', '= "cents::BIGINT"'))
    with pytest.raises(ContractError, match=r"\[\[event\]\] 1 \(lines\) field 'amount_cents'.*inf"):
        check(shop)


def test_an_id_that_two_events_share_is_led_back_to_both(shop: Path) -> None:
    shop.write_text(shop.read_text().replace('"Note"', "\"'lines/line_returned/2/4'\""))
    report = check(shop)
    assert (report.kept, report.quarantined) == (4, 2)
    places = report.reasons[["row", "rule"]].values.tolist()
    assert places == [[4, "event_id.conflict"], [1, "event_id.conflict"]]


def test_paths_start_at_the_folder_given(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    moved = shop.rename(tmp_path / "maps" / "shop.toml")
    assert check(load_mapping(moved, root=tmp_path)).ok


def test_a_missing_mapping_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no mapping"):
        load_mapping(tmp_path / "none.toml")


def test_partitions_are_columns_of_the_source(tmp_path: Path) -> None:
    for day in ("2026-01-01", "2026-01-02"):
        folder = tmp_path / "orders" / f"day={day}"
        folder.mkdir(parents=True)
        pd.DataFrame({"buyer": [1, -2 if day.endswith("2") else 2]}).to_parquet(
            folder / "p.parquet"
        )
    mapping = write(
        tmp_path,
        """
        [source.orders]
        path = "orders"
        zone = "UTC"
        [[event]]
        source = "orders"
        type = "order_paid"
        delay = "0s"
        [event.fields]
        event_ts = "day::DATE"
        user_id = "buyer"
        amount_cents = "buyer"
        """,
    )
    report = check(mapping)
    assert (report.rows, report.quarantined) == (4, 1)
    (fault,) = report.faults
    assert fault.file.endswith("orders/day=2026-01-02/p.parquet")
    assert fault.row == 2
