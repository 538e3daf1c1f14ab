"""Who is decided, when: triggers in their window, users of a day, nights before paid requests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, NothingToDoError, UsageError
from data.ledger import Ledger, ledger_of
from features.declarations import Window, days
from features.engine import features
from features.spine import instant, spine, standing_fit_spine
from features.task import Task, load_task

TASK = """
[event_types]
extra = ["ask", "pay"]
[events.asks]
types = ["ask"]
[events.pays]
types = ["pay"]
[spine]
trigger = "asks"
request = ["amount_cents", "reason", "gift"]
paid = "pays"
[[feature]]
entity = ["user_id", "item_id"]
events = "asks"
aggregate = "count"
"""
START = pd.Timestamp("2026-01-01", tz="UTC")


@pytest.fixture
def task(tmp_path: Path) -> Task:
    path = tmp_path / "shop.toml"
    path.write_text(TASK)
    return load_task(path)


def ledger(rows: Sequence[tuple[float, str, str, str]]) -> Ledger:
    """Rows of (day known, type, user, case)."""
    frame = pd.DataFrame(rows, columns=["day", "event_type", "user_id", "case_id"])
    known = START + pd.to_timedelta(frame.pop("day"), unit="D").dt.as_unit("us")
    kinds: dict[str, Any] = {
        "event_id": [f"e{n}" for n in range(len(rows))],
        "known_ts": known,
        "event_ts": known - pd.Timedelta(hours=5),
        "item_id": [None, *("i" * (len(rows) - 1))] if rows else [],
        "merchant_id": 7,
        "amount_cents": pd.array([None, *range(1, len(rows))][: len(rows)], dtype="Int64"),
        "reason": "size",
        "gift": pd.array([True] * len(rows), dtype="boolean"),
    }
    return ledger_of(frame.assign(**kinds))


EVENTS = [
    (0.5, "ask", "ann", "c1"),
    (1.0, "ask", "bob", "c2"),
    (1.5, "pay", "ann", "c1"),
    (2.0, "ask", "ann", "c3"),
]


def test_a_request_is_decided_when_it_became_known(task: Task) -> None:
    cases = spine(task, ledger(EVENTS))
    assert cases["row_id"].tolist() == [0, 1, 3]
    assert cases["case_id"].tolist() == ["c1", "c2", "c3"]
    assert cases["as_of"].tolist() == [START + pd.Timedelta(days=d) for d in (0.5, 1.0, 2.0)]
    assert cases["stage"].unique().tolist() == ["request"]
    assert cases["item_id"].isna().tolist() == [True, False, False]
    assert cases["request_amount_cents"].isna().tolist() == [True, False, False]
    assert cases["request_reason"].tolist() == ["size"] * 3
    assert list(cases.columns[:4]) == ["row_id", "case_id", "user_id", "merchant_id"]


def test_since_is_inside_and_as_of_outside(task: Task) -> None:
    found = spine(task, ledger(EVENTS), since="2026-01-02", as_of="2026-01-03")
    assert found["case_id"].tolist() == ["c2"]
    later = spine(task, ledger(EVENTS), as_of=START + pd.Timedelta(days=2, microseconds=1))
    assert later["case_id"].tolist() == ["c1", "c2", "c3"]
    assert spine(task, ledger(EVENTS), rows=np.array([3]))["case_id"].tolist() == ["c3"]


def test_keys_travel_as_the_ledgers_own_codes(task: Task) -> None:
    log = ledger(EVENTS)
    cases = spine(task, log)
    assert cases["user_id"].cat.categories.equals(log["user_id"].dictionary)
    count = Window("user_id", task.event_sets["asks"], "count", over=days(9))
    assert features([count], log, cases).iloc[:, 0].tolist() == [0, 0, 1]


def test_standing_decides_every_known_user_at_one_moment(task: Task) -> None:
    cases = spine(task, ledger(EVENTS), stage="standing", as_of="2026-01-02")
    assert cases["user_id"].tolist() == ["ann"]
    assert cases["as_of"].tolist() == [START + pd.Timedelta(days=1)]
    everyone = spine(task, ledger(EVENTS), stage="standing")
    assert everyone["user_id"].tolist() == ["ann", "bob"]
    with pytest.raises(NothingToDoError):
        spine(task, ledger([]), stage="standing")


def test_standing_is_fitted_on_the_night_before_the_first_paid_request_of_a_period(
    task: Task,
) -> None:
    rows = [
        (10.4, "ask", "ann", "held"),
        (11.4, "ask", "ann", "paid"),
        (11.9, "pay", "ann", "paid"),
        (12.0, "ask", "ann", "paid too"),
        (12.0, "pay", "ann", "paid too"),
        (11.0, "ask", "bob", "midnight"),
        (300.0, "pay", "bob", "midnight"),
        (80.1, "ask", "ann", "later"),
        (80.1, "pay", "ann", "later"),
    ]
    found = standing_fit_spine(task, ledger(rows)).set_index("case_id")["as_of"]
    nights = {"paid": 11, "midnight": 11, "later": 80}
    assert found.to_dict() == {c: START + pd.Timedelta(days=d) for c, d in nights.items()}


def test_what_a_spine_cannot_do_is_a_clear_error(task: Task) -> None:
    with pytest.raises(UsageError, match="no spine for stage 'first_scan'") as error:
        spine(task, ledger(EVENTS), stage="first_scan")
    assert 'add first_scan = "<event set>" to [spine]' in error.value.fix
    with pytest.raises(UsageError, match="no spine for stage 'requst'") as error:
        spine(task, ledger(EVENTS), stage="requst")
    assert error.value.fix == "did you mean 'request'?"
    with pytest.raises(UsageError, match="'yesterday-ish' is no time"):
        spine(task, ledger(EVENTS), as_of="yesterday-ish")
    log = ledger(EVENTS)
    without = Ledger({k: c for k, c in log.columns.items() if k != "item_id"})
    with pytest.raises(ContractError, match="no column 'item_id'"):
        spine(task, without)


# On 25 October 2026 London's clocks go back at 01:00 UTC: 01:30 there is 00:30 and 01:30 UTC.
LONDON = pd.Timestamp("2026-10-25 01:30")
FIRST = LONDON.tz_localize("Europe/London", ambiguous=True)
SECOND = LONDON.tz_localize("Europe/London", ambiguous=False)


def test_an_hour_that_comes_twice_is_two_moments() -> None:
    assert instant(SECOND) - instant(FIRST) == 3_600_000_000
    assert instant("2026-10-25T01:30+01:00") == instant(FIRST)
    assert instant("2026-10-25T01:30+00:00") == instant(SECOND)
    assert instant("2026-10-25 01:30") == instant(SECOND)  # without a zone it is UTC


def test_an_hour_that_is_skipped_shortens_no_window() -> None:
    before = pd.Timestamp("2026-03-29 00:59:59", tz="Europe/London")
    after = pd.Timestamp("2026-03-29 02:00:00", tz="Europe/London")
    assert instant(after) - instant(before) == 1_000_000


def test_a_spine_is_cut_between_the_two_hours(task: Task) -> None:
    at = [(t + pd.Timedelta("1min") - START) / pd.Timedelta(days=1) for t in (FIRST, SECOND)]
    both = ledger([(at[0], "ask", "u", "a"), (at[1], "ask", "u", "b")])
    assert spine(task, both, as_of=SECOND)["case_id"].tolist() == ["a"]
    assert spine(task, both, since=SECOND)["case_id"].tolist() == ["b"]
    assert spine(task, both, since=FIRST, as_of=SECOND)["case_id"].tolist() == ["a"]


def test_a_day_is_24_hours_when_the_clocks_change(task: Task) -> None:
    noon = pd.Timestamp("2026-10-24 12:00", tz="Europe/London")
    asked = noon + pd.Timedelta("1s") - START
    day = ledger([(asked / pd.Timedelta(days=1), "ask", "u", "a")])
    count = Window("user_id", task.event_sets["asks"], "count", over=days(1))
    hours = pd.Series([23, 24, 25]).map(lambda h: noon + pd.Timedelta(hours=h))
    cases = pd.DataFrame({"user_id": "u", "as_of": hours})
    assert features([count], day, cases).iloc[:, 0].tolist() == [1, 1, 0]
    next_noon = pd.Timestamp("2026-10-25 12:00", tz="Europe/London")
    assert hours.iloc[2] == next_noon
