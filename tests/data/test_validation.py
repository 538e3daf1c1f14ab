"""Every broken rule of every row is found, and nothing else: a slow row loop is the oracle."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.check import check
from data.contract import load_contract
from data.errors import ContractError
from data.ingest import build_ledger
from data.sources import open_frame
from data.store import read_ledger

TYPES = ["order_paid", "advance_paid", "refund_requested", "refnd_requested"]
FIRST, END = pd.Timestamp("1970-01-01", tz="UTC"), pd.Timestamp("2262-04-11", tz="UTC")
TIMES: list[Any] = [
    pd.Timestamp(t, tz="UTC") for t in ("2026-01-01", "2026-01-02", "1969-12-31T23:59:59")
]
TIMES += [pd.Timestamp("2262-04-11", tz="UTC").as_unit("us"), None]
AMOUNTS = [None, 0.0, 5.0, -1.0, 0.5, 1e30, math.inf, 2.0**53]
NEEDS = load_contract().required_on

rows = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from(["a", "b", "c", "d", None, ""]),
        "event_type": st.sampled_from([*TYPES, None]),
        "event_ts": st.sampled_from(TIMES),
        "known_ts": st.sampled_from(TIMES),
        "user_id": st.sampled_from([1.0, 2.0, 1.5, math.nan]),
        "case_id": st.sampled_from(["c1", "", None]),
        "amount_cents": st.sampled_from(AMOUNTS),
        "cause": st.sampled_from(["withdrawn", "bored", None]),
        "act_prob": st.sampled_from([None, 0.0, 1.0, 1.5, -0.5, math.inf]),
    }
)


def slow_faults(row: dict[str, Any]) -> set[str]:
    """What breaks one row, by hand."""
    found = set()
    for name in ("event_id", "event_type", "event_ts", "known_ts", "user_id"):
        if row[name] is None or row[name] != row[name]:
            found.add(f"{name}.missing")
    for name in ("event_id", "case_id"):
        if row[name] == "":
            found.add(f"{name}.empty")
    for name in ("event_ts", "known_ts"):
        if row[name] is not None and not FIRST <= row[name] < END:
            found.add(f"{name}.range")
    if None not in (row["event_ts"], row["known_ts"]) and row["known_ts"] < row["event_ts"]:
        found.add("known_ts.before_event")
    found |= {"event_type.unknown"} if row["event_type"] == "refnd_requested" else set()
    found |= {"user_id.fractional"} if row["user_id"] == 1.5 else set()
    found |= {"cause.unknown"} if row["cause"] == "bored" else set()
    return found | slow_numbers(row)


def slow_numbers(row: dict[str, Any]) -> set[str]:
    """What breaks a row in its amount, its probability, or for want of them."""
    found = set()
    amount = row["amount_cents"]
    kept = None if amount is None or abs(amount) > 2**63 else round(amount)
    if amount is not None:
        found |= {"amount_cents.overflow"} if kept is None else set()
        found |= {"amount_cents.negative"} if kept is not None and kept < 0 else set()
        found |= {"amount_cents.high"} if kept is not None and kept > 2**53 - 1 else set()
        found |= {"amount_cents.fractional"} if amount == 0.5 else set()
    if row["act_prob"] == math.inf:
        found.add("act_prob.infinite")
    elif row["act_prob"] is not None:
        found |= {"act_prob.high"} if row["act_prob"] > 1 else set()
        found |= {"act_prob.negative"} if row["act_prob"] < 0 else set()
    if row["case_id"] is None and row["event_type"] in NEEDS["case_id"]:
        found.add("case_id.required")
    if kept is None and row["event_type"] in NEEDS["amount_cents"]:
        found.add("amount_cents.required")
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[k] == other[k] or (one[k] is None and other[k] is None) for k in one)


def slow_check(table: list[dict[str, Any]]) -> tuple[set[tuple[int, str]], set[int]]:
    """(row, rule) of every broken row, and the rows dropped as agreeing duplicates."""
    broken = {(i, fault) for i, row in enumerate(table) for fault in slow_faults(row)}
    bad = {i for i, _ in broken}
    good = [i for i in range(len(table)) if i not in bad]
    dropped: set[int] = set()
    for event_id in {table[i]["event_id"] for i in good}:
        group = [i for i in good if table[i]["event_id"] == event_id]
        if all(same(table[group[0]], table[i]) for i in group):
            dropped |= set(group[1:])
        else:
            broken |= {(i, "event_id.conflict") for i in group}
    return broken, dropped


@given(st.lists(rows, min_size=1, max_size=12))
def test_a_check_finds_exactly_the_planted_faults(table: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(table)
    for name in ("event_ts", "known_ts"):
        frame[name] = pd.Series(frame[name].tolist(), dtype="datetime64[us, UTC]")
    for name in ("amount_cents", "act_prob", "user_id"):
        frame[name] = frame[name].astype(float)
    for name in ("event_id", "event_type", "case_id", "cause"):
        frame[name] = frame[name].astype("str")
    report = check(frame)
    broken, dropped = slow_check(table)
    found = set(zip(report.reasons["row"] - 1, report.reasons["rule"], strict=True))
    assert found == broken
    assert report.dropped == len(dropped)
    assert report.quarantined == len({i for i, _ in broken})
    assert report.rows == report.kept + report.dropped + report.quarantined
    assert sum(f.rows for f in report.faults) == len(broken)


def test_a_report_says_what_where_and_how_often(frame: pd.DataFrame) -> None:
    frame["amount_cents"] = [1000, -1250, -3, 1000, 1000]
    text = check(frame).text()
    assert "frame: 5 rows, 3 keep the contract" in text
    assert "'amount_cents' is below 0 in 2 rows (first: frame row 2, '-1250')" in text


def test_unknown_event_types_are_named(frame: pd.DataFrame) -> None:
    frame["event_type"] = ["ordr_paid", "ordr_paid", "refnd", "order_paid", "order_paid"]
    assert "'ordr_paid' x 2, 'refnd' x 1" in check(frame).text()


def test_ids_stay_out_of_messages(frame: pd.DataFrame) -> None:
    frame["user_id"] = [17001.5, 2.0, 3.0, 4.0, 5.0]
    text = check(frame).text()
    assert "user_id.fractional" in text
    assert "17001" not in text


def test_a_clean_frame_is_ok(frame: pd.DataFrame) -> None:
    report = check(frame)
    assert report.ok
    assert (report.rows, report.kept, report.quarantined) == (5, 5, 0)


def test_quarantined_rows_keep_values_reasons_and_place(frame: pd.DataFrame, tmp_path: Any) -> None:
    frame["amount_cents"] = [1000.5, -1, 1000, 1000, 1000]
    report = build_ledger(frame, tmp_path / "ledger", max_quarantine=0.5)
    assert (report.kept, report.quarantined) == (3, 2)
    aside = pd.read_parquet(tmp_path / "ledger" / "quarantine" / "part-1.parquet")
    assert aside[["file", "row", "reasons", "event_id", "amount_cents"]].values.tolist() == [
        ["frame", 1, "amount_cents.fractional", "e1", "1000.5"],
        ["frame", 2, "amount_cents.negative", "e2", "-1"],
    ]


def test_agreeing_duplicates_are_dropped_and_differing_ones_set_aside(frame: pd.DataFrame) -> None:
    other = frame.iloc[[1]].assign(amount_cents=7)
    report = check(pd.concat([frame, frame.iloc[[0, 0]], other], ignore_index=True))
    assert (report.dropped, report.quarantined, report.kept) == (2, 2, 4)
    assert report.reasons["row"].tolist() == [2, 8]


def test_booleans_that_became_floats_keep_their_gaps(frame: pd.DataFrame) -> None:
    ledger = read_ledger(frame.assign(proven=[math.nan, 0.0, 1.0, math.nan, 1.0]))
    proven = ledger["proven"]
    assert proven.values.tolist() == [-1, 0, 1, -1, 1]
    assert check(frame.assign(proven=[0.5, 0.0, 1.0, math.nan, 1.0])).quarantined == 1


def test_the_last_day_is_named(frame: pd.DataFrame) -> None:
    far = pd.Series([pd.Timestamp("2262-04-11", tz="UTC")] * 5).dt.as_unit("us")
    assert "1970-01-01 to 2262-04-10" in check(frame.assign(known_ts=far)).text()


def test_a_sum_that_leaves_64_bits_is_refused(frame: pd.DataFrame) -> None:
    many = pd.DataFrame({"amount_cents": [2**53 - 1] * 1100})
    rows = pd.concat([frame.iloc[[0]]] * 1100, ignore_index=True)
    rows = rows.assign(amount_cents=many["amount_cents"], event_id=range(1100))
    with pytest.raises(ContractError, match="sum of column 'amount_cents' does not fit"):
        check(rows)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai"])
def test_any_unit_and_zone_of_a_time_column_is_read(
    frame: pd.DataFrame, unit: str, zone: str
) -> None:
    table = open_frame(frame).table
    at = table.column_names.index("event_ts")
    kind = pa.timestamp(unit, tz=zone)
    assert check(table.set_column(at, "event_ts", table.column(at).cast(kind))).ok


def test_sums_are_those_of_numbers_not_of_ids(frame: pd.DataFrame) -> None:
    """A column is a number by its declaration, whatever its name ends in."""
    large = 2**62 + np.arange(5)
    assert check(frame.assign(evidence_hash=large)).ok
    contract = load_contract().adding(columns={"weight_id": "int"})
    with pytest.raises(ContractError, match="the sum of column 'weight_id' does not fit 64 bits"):
        check(frame.assign(weight_id=large), contract=contract)
