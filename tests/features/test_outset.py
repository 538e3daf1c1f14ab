import pandas as pd

from data.ledger import ledger_of
from features.outset import known_before
from features.spine import spine
from features.task import load_task

START = pd.Timestamp("2026-01-01", tz="UTC")


def early(rows: list[tuple[int, str, str | None]]) -> dict[str, tuple[int, int]]:
    table = pd.DataFrame(rows, columns=["day", "event_type", "case_id"]).assign(user_id=1)
    table["event_ts"] = START + pd.to_timedelta(table["day"], "D")
    table["known_ts"] = table["event_ts"]
    task = load_task()
    wanted = task.columns_needed() - set(table)
    ledger = ledger_of(table.assign(**dict.fromkeys(sorted(wanted))).drop(columns="day"))
    return known_before(task, ledger, spine(task, ledger))


def test_an_outcome_before_its_own_first_decision_is_counted() -> None:
    rows: list[tuple[int, str, str | None]] = [
        (0, "clawback_opened", "a"),  # before its request
        (1, "refund_requested", "a"),
        (2, "refund_requested", "b"),
        (3, "clawback_opened", "b"),
        (4, "refund_requested", "b"),  # a second decision of the same case
        (0, "clawback_opened", "c"),  # of a case without a decision
        (0, "clawback_opened", None),
        (5, "refund_requested", None),
    ]
    assert early(rows) == {"clawbacks": (1, 2)}


def test_outcomes_in_the_instant_of_their_decision_are_early_if_most_are() -> None:
    asked = [(1, "refund_requested", case) for case in "abc"]
    at_once = [(1, "clawback_opened", case) for case in "ab"]
    assert early([*asked, *at_once, (2, "clawback_opened", "c")]) == {"clawbacks": (2, 3)}
    assert early([*asked, *at_once[:1], (2, "clawback_opened", "c")]) == {"clawbacks": (0, 2)}
