"""Two versions of a ledger against a plain loop over dictionaries."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ContractError
from data.ingest import write_ledger_table
from data.versions import changes, typed_rows

START = pd.Timestamp("2026-01-01", tz="UTC")
ROW = st.tuples(
    st.sampled_from(["order_paid", "refund_requested"]),
    st.integers(0, 3),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([None, "a", "b"]),
)
VERSION = st.dictionaries(st.integers(0, 6), ROW, min_size=1)


def table(rows: dict[int, Any]) -> pa.Table:
    frame = pd.DataFrame(
        [(i, *r) for i, r in rows.items()], columns=["event_id", "event_type", "day", "n", "reason"]
    )
    return pa.table(
        {
            "event_id": pa.array(frame["event_id"].astype(str)),
            "event_type": pa.array(frame["event_type"]).dictionary_encode(),
            "known_ts": pa.array([START + pd.Timedelta(days=r[1]) for r in rows.values()]),
            "n": pa.array([r[2] for r in rows.values()], pa.int64()),
            "reason": pa.array([r[3] for r in rows.values()], pa.string()).dictionary_encode(),
        }
    )


@given(old=VERSION, new=VERSION)
def test_changes_are_those_of_a_plain_loop(old: dict[int, Any], new: dict[int, Any]) -> None:
    end = max(r[1] for r in old.values())
    new = {i: r for i, r in new.items() if r[1] <= end}
    kept = ("order_paid", 0, None, None)
    old, new = old | {8: kept}, new | {8: kept}
    expected: dict[tuple[str, str, str], int] = {}

    def note(kind: str, word: str, column: str = "") -> None:
        expected[kind, word, column] = expected.get((kind, word, column), 0) + 1

    for i, row in old.items():
        if i not in new:
            note("removed", row[0])
            continue
        for name, a, b in zip(("event_type", "known_ts", "n", "reason"), row, new[i], strict=True):
            if a != b:
                note("filled" if a is None else "altered", row[0], name)
    for i, row in new.items():
        if i not in old:
            note("back_dated", row[0])
    later = {99: ("order_paid", end + 1, 1, "a")}  # news: no change
    found = changes(table(old), table(new | later))
    assert {(c.kind, c.event_type, c.column): c.rows for c in found} == expected
    for change in found:
        assert change.of == sum(r[0] == change.event_type for r in old.values())


def test_a_ledger_is_its_own_version_in_any_form(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "event_id": ["x", "y"],
            "event_type": "order_paid",
            "event_ts": [START, START],
            "known_ts": [START, START],
            "user_id": ["u", "v"],
            "amount_cents": pd.array([5, None], "Int64"),
        }
    )
    frame.to_parquet(tmp_path / "rows.parquet")
    write_ledger_table(frame, tmp_path / "folder")
    one, other = (typed_rows(tmp_path / name) for name in ("rows.parquet", "folder"))
    assert changes(one, other) == []
    assert changes(other, one) == []
    more = one.append_column("item_id", pa.array(["i", None]))
    (change,) = changes(one, more)
    assert (change.kind, change.column, change.rows, change.event_id) == (
        "filled",
        "item_id",
        1,
        "x",
    )


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ({1: ("order_paid", 2, 1, "a")}, {1: ("order_paid", 1, 1, "a")}, "ends later"),
        ({1: ("order_paid", 1, 1, "a")}, {2: ("order_paid", 1, 1, "a")}, "share no event"),
    ],
)
def test_what_is_no_older_version_is_refused(
    old: dict[int, Any], new: dict[int, Any], what: str
) -> None:
    with pytest.raises(ContractError, match=what):
        changes(table(old), table(new))
