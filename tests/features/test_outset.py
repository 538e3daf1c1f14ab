import pandas as pd

from data.ledger import ledger_of
from features.outset import known_before
from features.spine import spine
from features.task import load_task

START = pd.Timestamp("2026-01-01", tz="UTC")


def test_an_outcome_before_its_own_first_decision_is_counted() -> None:
    rows = [
        (0, "clawback_opened", "a"),  # before its request
        (1, "refund_requested", "a"),
        (2, "refund_requested", "b"),
        (3, "clawback_opened", "b"),
        (4, "refund_requested", "b"),  # a second decision of the same case
        (0, "clawback_opened", "c"),  # of a case without a decision
        (0, "clawback_opened", None),
        (5, "refund_requested", None),
    ]
    table = pd.DataFrame(rows, columns=["day", "event_type", "case_id"]).assign(user_id=1)
    table["event_ts"] = START + pd.to_timedelta(table["day"], "D")
    table["known_ts"] = table["event_ts"]
    task = load_task()
    wanted = task.columns_needed() - set(table)
    ledger = ledger_of(table.assign(**dict.fromkeys(sorted(wanted))).drop(columns="day"))
    assert known_before(task, ledger, spine(task, ledger)) == {"clawbacks": (1, 2)}
