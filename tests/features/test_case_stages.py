"""A case at its later stages: which moment, whose words, whose keys."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from data.errors import UsageError
from data.ledger import Ledger, ledger_of
from features.engine import features
from features.spine import spine
from features.task import Task, dump_task, load_task

TASK = """
[event_types]
extra = ["ask", "send", "seen"]
[events.asks]
types = ["ask"]
[events.sends]
types = ["send"]
[events.scans]
types = ["seen"]
[spine]
trigger = "asks"
request = ["amount_cents", "reason"]
tracking = "sends"
first_scan = "scans"
[[feature]]
entity = "tracking_id"
events = "sends"
aggregate = "distinct:case_id"
stage = "tracking"
[[feature]]
entity = "user_id"
events = "asks"
aggregate = ["count", "sum:amount_cents", "age"]
[[feature]]
entity = "case_id"
events = "asks"
aggregate = ["count", "age"]
stage = "tracking"
[[request]]
column = "carrier"
stage = "tracking"
[[ratio]]
a = { first_scan = "weight_g" }
b = { request = "amount_cents" }
stage = "first_scan"
"""
START = pd.Timestamp("2026-01-01", tz="UTC")
Row = tuple[float, str, str, str | None, str | None, int | None]

EVENTS: list[Row] = [
    (1.0, "ask", "ann", "c1", None, 100),
    (1.5, "ask", "ann", "c2", None, 50),
    (2.0, "send", "ann", "c1", "t1", None),
    (2.5, "send", "ann", "c1", "t2", None),  # corrected: the first one counts
    (3.0, "send", "bob", "old", "t1", None),  # asked for before the ledger began
    (4.0, "seen", "ann", "c1", "t2", 40),
    (4.0, "seen", "ann", "c1", "t2", 99),
    (4.5, "send", "ann", None, "t9", None),  # of no case
    (5.0, "ask", "ann", "c1", None, 200),  # asked again
    (5.0, "send", "ann", "c2", "t1", None),
]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    path = tmp_path / "shop.toml"
    path.write_text(TASK)
    return load_task(path)


def ledger(rows: Sequence[Row] = EVENTS) -> Ledger:
    """Rows of (day known, type, user, case, tracking number, cents or grams)."""
    names = ["day", "event_type", "user_id", "case_id", "tracking_id", "number"]
    frame = pd.DataFrame(rows, columns=names)
    known = START + pd.to_timedelta(frame.pop("day"), unit="D").dt.as_unit("us")
    number, kind = frame.pop("number").astype("Int64"), frame["event_type"]
    frame["amount_cents"] = number.where(kind == "ask")
    frame["weight_g"] = number.where(kind == "seen")
    frame["reason"] = pd.Series("size", frame.index).where(kind == "ask")
    frame["carrier"] = pd.Series("post", frame.index).where(kind == "send")
    ids = [f"e{n:02d}" for n in range(len(frame))]
    return ledger_of(frame.assign(event_id=ids, known_ts=known, event_ts=known, merchant_id=7))


def days(cases: pd.DataFrame) -> list[float]:
    return ((cases["as_of"] - START) / pd.Timedelta(days=1)).tolist()


def test_a_case_is_at_a_stage_once_when_its_first_event_became_known(task: Task) -> None:
    cases = spine(task, ledger(), "tracking")
    assert cases["case_id"].tolist() == ["c1", "old", "c2"]
    assert days(cases) == [2.0, 3.0, 5.0]
    assert cases["row_id"].tolist() == [2, 4, 9]
    assert cases["stage"].unique().tolist() == ["tracking"]
    assert spine(task, ledger(), "first_scan")["row_id"].tolist() == [5]


def test_since_and_as_of_choose_moments_and_do_not_make_a_second_event_the_first(
    task: Task,
) -> None:
    cut = spine(task, ledger(), "tracking", since="2026-01-03T06:00", as_of="2026-01-06")
    assert cut["case_id"].tolist() == ["old"]


def test_the_request_speaks_at_every_stage_as_it_was_last_known(task: Task) -> None:
    cases = spine(task, ledger(), "tracking")
    assert cases["request_amount_cents"].fillna(-1).tolist() == [100, -1, 50]
    assert cases["request_reason"].isna().tolist() == [False, True, False]
    assert cases["user_id"].tolist() == ["ann", "bob", "ann"]
    assert cases["merchant_id"].tolist() == [7, 7, 7]


def test_the_number_and_what_a_stage_says_are_those_of_its_own_event(task: Task) -> None:
    assert spine(task, ledger(), "tracking")["tracking_id"].tolist() == ["t1", "t1", "t1"]
    scan = spine(task, ledger(), "first_scan")
    assert scan["tracking_id"].tolist() == ["t2"]
    assert scan["tracking_carrier"].tolist() == ["post"]
    assert scan["first_scan_weight_g"].tolist() == [40]
    assert "first_scan_weight_g" not in spine(task, ledger(), "tracking")


def test_features_of_a_stage_know_the_case_and_leave_it_out_elsewhere(task: Task) -> None:
    log = ledger()
    X = features(task.features, log, spine(task, log, "tracking"))
    assert X["tracking_sends_distinct_case_id_life"].tolist() == [0, 1, 2]
    assert X["user_asks_count_life"].tolist() == [1, 0, 1]
    assert X["user_asks_sum_amount_cents_life"].tolist() == [50, 0, 100]  # at day 5: not known yet
    assert X["user_asks_age_life"].fillna(-1).tolist() == [0.5, -1, 4.0]
    assert X["case_asks_count_life"].tolist() == [1, 0, 1]
    assert X["case_asks_age_life"].fillna(-1).tolist() == [1.0, -1, 3.5]
    assert X["first_scan_weight_g_per_request_amount_cents"].isna().all()
    scan = features(task.features, log, spine(task, log, "first_scan"))
    assert scan["first_scan_weight_g_per_request_amount_cents"].tolist() == [0.4]


def test_a_stage_survives_its_canonical_form(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "shop again.toml"
    path.write_text(dump_task(task))
    again = load_task(path)
    assert again == task
    assert again.version == task.version
    assert again.stages == {"tracking": "sends", "first_scan": "scans"}


@pytest.mark.parametrize(
    ("old", "new", "message", "fix"),
    [
        ('first_scan = "scans"\n', "", "no stage 'first_scan'", "add first_scan"),
        ('first_scan = "scans"', 'first_scan = "scan"', "event set 'scan'", "mean 'scans'"),
        ('= { first_scan = "w', '= { frist_scan = "w', "key 'frist_scan'", "mean 'first_scan'"),
        (
            'amount_cents" }\nstage = "first_scan"',
            'amount_cents" }',
            "at stage 'request'",
            "say st",
        ),
    ],
)
def test_what_no_stage_can_mean_is_a_clear_error(
    tmp_path: Path, old: str, new: str, message: str, fix: str
) -> None:
    assert TASK.count(old) == 1
    (tmp_path / "shop.toml").write_text(TASK.replace(old, new))
    with pytest.raises(UsageError, match=message) as error:
        load_task(tmp_path / "shop.toml")
    assert fix in error.value.fix
