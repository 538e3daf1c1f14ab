"""Each rule of the labels on a small table, day by day."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from data.ledger import Ledger, ledger_of
from features.labels import changed, label_summary, labels, so_far
from features.task import Task, load_task

TASK = load_task("advance_refund")
DAY0 = pd.Timestamp("2026-01-01", tz="UTC")
LATE = "2027-06-01"
TEXT = ["reason", "refund_type", "cause", "fault", "channel", "stage", "action", "payment_method"]
Event = tuple[float, str, dict[str, Any]]


def day(n: float) -> pd.Timestamp:
    return DAY0 + pd.Timedelta(days=n)


def world(cases: dict[str, list[Event]]) -> Ledger:
    """A request on day 0 of each case, then its events; a shared bystander gives all columns."""
    every: dict[str, Any] = dict.fromkeys(TEXT, "x") | {"amount_cents": 1, "proven": True}
    every |= {"act_prob": 0.5, "keep_prob": 0.5}
    rows: list[dict[str, Any]] = [
        {"at": -9.0, "event_type": "order_paid", "case_id": "bystander", **every}
    ]
    for case, events in cases.items():
        rows.append({"at": 0.0, "event_type": "refund_requested", "case_id": case})
        rows += [{"at": at, "event_type": t, "case_id": case, **more} for at, t, more in events]
    frame = pd.DataFrame(rows)
    frame["known_ts"] = [day(at) for at in frame.pop("at")]
    frame["event_ts"] = frame["known_ts"]
    frame["proven"] = frame["proven"].astype("boolean")
    frame["amount_cents"] = frame["amount_cents"].astype("Int64")
    return ledger_of(frame.assign(user_id=frame["case_id"]))


def spine_of(ledger: Ledger, cases: list[str], at: float = 0) -> pd.DataFrame:
    frame = pd.DataFrame({"case_id": cases, "as_of": [day(at)] * len(cases)})
    return frame.assign(as_of=frame["as_of"].dt.as_unit("us"))


def label_of(events: list[Event], as_of: str | pd.Timestamp = LATE) -> "pd.Series[Any]":
    ledger = world({"c": events})
    return labels(TASK, ledger, spine_of(ledger, ["c"]), as_of).iloc[0]


def paid(at: float = 0, stage: str = "request", cents: int = 1000) -> Event:
    return (at, "advance_paid", {"stage": stage, "amount_cents": cents})


def clawed(
    at: float, cause: str = "return_missing", fault: str | None = "buyer", cents: int = 1000
) -> Event:
    return (at, "clawback_opened", {"cause": cause, "fault": fault, "amount_cents": cents})


def back(at: float, cents: int) -> Event:
    return (at, "clawback_recovered", {"amount_cents": cents, "channel": "payment_rail"})


def test_a_held_case_has_no_label_however_old_it_is() -> None:
    row = label_of([(20, "refund_paid", {"amount_cents": 1000})])
    assert row[["y_claw", "y_abuse", "y_loss", "loss_cents", "paid_cents"]].isna().all()
    assert row[["y_claw_label_ts", "paid_ts", "paid_stage", "cause", "fault"]].isna().all()
    assert not row[["y_claw_matured", "y_abuse_matured", "y_loss_matured"]].any()
    assert row["outcome"] == "held"


def test_a_paid_case_without_claw_back_is_good_once_it_is_old_enough() -> None:
    row = label_of([paid(1, "first_scan", 700), (9, "advance_settled", {"amount_cents": 700})])
    assert (row["y_claw"], row["y_abuse"], row["y_loss"]) == (0, 0, 0)
    assert row["y_claw_label_ts"] == day(61)
    assert row["y_loss_label_ts"] == day(106)
    assert (row["paid_stage"], row["paid_ts"], row["paid_cents"]) == ("first_scan", day(1), 700)
    assert (row["outcome"], row["loss_cents"], row["recovered_cents"]) == ("clean", 0, 0)


def test_a_row_younger_than_the_horizon_is_out_positives_included() -> None:
    young = label_of([paid(0), clawed(10)], day(60) - pd.Timedelta(microseconds=1))
    assert np.isnan(young["y_claw"])
    assert not young["y_claw_matured"]
    assert young["outcome"] == "open"
    assert pd.isna(young["cause"])
    old = label_of([paid(0), clawed(10)], day(60))
    assert old["y_claw"] == 1
    assert old["y_claw_label_ts"] == day(10)
    assert np.isnan(old["y_loss"])
    assert not old["y_loss_matured"]


@pytest.mark.parametrize(("at", "expected"), [(59.999, 1.0), (60, 0.0), (61, 0.0)])
def test_the_horizon_is_half_open(at: float, expected: float) -> None:
    row = label_of([paid(0), clawed(at)])
    assert (row["y_claw"], row["y_abuse"]) == (expected, expected)
    assert row["y_loss"] == 1


def test_the_horizon_counts_from_the_pay_out_not_from_the_request() -> None:
    assert label_of([paid(8, "delivered"), clawed(67)])["y_claw"] == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("buyer", 1.0), ("merchant", 0.0), ("platform", 0.0), ("carrier", 0.0), ("both", 0.0)],
)
def test_abuse_is_the_buyers_fault_only(fault: str, expected: float) -> None:
    row = label_of([paid(), clawed(20, fault=fault)])
    assert (row["y_claw"], row["y_abuse"], row["fault"]) == (1, expected, fault)


@pytest.mark.parametrize("fault", ["unknown", None])
def test_an_unknown_fault_is_neither_good_nor_bad_and_is_counted(fault: str | None) -> None:
    ledger = world({"c": [paid(), clawed(20, fault=fault)], "held": []})
    table = labels(TASK, ledger, spine_of(ledger, ["c", "held"]), LATE)
    assert table["y_claw"].iloc[0] == 1
    assert np.isnan(table["y_abuse"].iloc[0])
    assert pd.isna(table["y_abuse_label_ts"].iloc[0])
    counts = label_summary(table, ["y_claw", "y_abuse"])
    assert counts.loc["y_abuse"].to_dict() == {
        "positive": 0,
        "negative": 0,
        "unknown": 1,
        "unmatured": 1,
    }


@pytest.mark.parametrize(
    ("proof", "expected"),
    [
        ((30, "arbitration_ruled", {"fault": "both", "proven": True}), 1.0),
        ((30, "arbitration_ruled", {"fault": "both", "proven": False}), 0.0),
        ((30, "audit_flagged", {"fault": "both", "proven": True}), 1.0),
        ((30, "audit_flagged", {"fault": "both", "proven": False}), 0.0),
        ((30, "arbitration_ruled", {"fault": "merchant"}), 0.0),
    ],
)
def test_a_shared_fault_counts_only_if_an_audit_or_an_arbiter_proved_it(
    proof: Event, expected: float
) -> None:
    row = label_of([paid(), clawed(20, "appeal_upheld", "both"), proof])
    assert row["y_abuse"] == expected


def test_the_last_word_on_the_fault_counts() -> None:
    ruled = (25, "arbitration_ruled", {"fault": "carrier"})
    row = label_of([paid(), clawed(20), ruled])
    assert (row["y_claw"], row["y_abuse"], row["fault"]) == (1, 0, "carrier")
    silent = label_of([paid(), clawed(20), (25, "arbitration_ruled", {"fault": "unknown"})])
    assert (silent["y_abuse"], silent["fault"]) == (1, "buyer")


@pytest.mark.parametrize(
    ("money", "expected"),
    [
        ([back(31, 1000)], 0.0),
        ([back(31, 400), back(33.9, 600)], 0.0),
        ([back(31, 999)], 1.0),
        ([back(34, 1000)], 1.0),
        ([], 1.0),
    ],
)
def test_a_withdrawal_repaid_in_full_within_a_fortnight_is_no_abuse(
    money: list[Event], expected: float
) -> None:
    row = label_of([paid(), clawed(20, "withdrawn"), *money])
    assert (row["y_claw"], row["y_abuse"], row["cause"]) == (1, expected, "withdrawn")


def test_another_cause_is_not_forgiven_for_being_repaid() -> None:
    assert label_of([paid(), clawed(20, "audit_abuse"), back(21, 1000)])["y_abuse"] == 1


def test_a_withdrawal_that_may_still_be_repaid_is_not_yet_known() -> None:
    events = [paid(), clawed(55, "withdrawn")]
    pending = label_of(events, day(62))
    assert pending["y_claw"] == 1
    assert np.isnan(pending["y_abuse"])
    assert label_of(events, day(69))["y_abuse"] == 1
    late = label_of(events, day(70))
    assert (late["y_abuse"], late["y_abuse_label_ts"]) == (1, day(69))
    repaid = label_of([*events, back(61, 1000)], day(62))
    assert (repaid["y_abuse"], repaid["y_abuse_label_ts"]) == (0, day(61))


def test_a_ruling_after_the_horizon_corrects_the_label_and_dates_it() -> None:
    events = [paid(), clawed(20), (80, "arbitration_ruled", {"fault": "carrier"})]
    before, after = label_of(events, day(80)), label_of(events, day(81))
    assert (before["y_abuse"], before["y_abuse_label_ts"]) == (1, day(20))
    assert (after["y_abuse"], after["y_abuse_label_ts"]) == (0, day(80))


def test_a_reversed_claw_back_hurt_somebody_but_is_neither_abuse_nor_loss() -> None:
    reversal = (40, "clawback_reversed", {"amount_cents": 1000})
    row = label_of([paid(), clawed(20, "audit_abuse"), reversal])
    assert (row["y_claw"], row["y_abuse"], row["y_loss"]) == (1, 0, 0)
    assert (row["outcome"], row["cause"], row["loss_cents"]) == ("reversed", "audit_abuse", 0)


def test_a_label_changes_when_the_claw_back_is_reversed_later() -> None:
    events = [paid(), clawed(20), (80, "clawback_reversed", {"amount_cents": 1000})]
    before, after = label_of(events, day(80)), label_of(events, day(81))
    assert (before["y_abuse"], before["y_abuse_label_ts"]) == (1, day(20))
    assert (after["y_abuse"], after["y_abuse_label_ts"]) == (0, day(80))


def test_an_overturned_appeal_is_no_abuse_even_before_the_money_is_given_back() -> None:
    overturned = (40, "arbitration_overturned", {"fault": None})
    row = label_of([paid(), clawed(20, "appeal_upheld"), overturned])
    assert (row["y_claw"], row["y_abuse"]) == (1, 0)


def test_the_first_claw_back_that_stands_is_the_outcome() -> None:
    reversal = (30, "clawback_reversed", {"amount_cents": 1000})
    row = label_of([paid(), clawed(20, "withdrawn"), reversal, clawed(50, "audit_abuse")])
    assert (row["y_abuse"], row["cause"], row["outcome"]) == (1, "audit_abuse", "audit_abuse")
    assert (row["y_claw_label_ts"], row["y_abuse_label_ts"]) == (day(20), day(50))
    first = label_of([paid(), clawed(20, "withdrawn"), clawed(50, "audit_abuse")])
    assert first["cause"] == "withdrawn"


def test_loss_is_what_did_not_come_back_by_its_own_horizon() -> None:
    events = [paid(), clawed(20, cents=800), back(30, 300), back(105, 500)]
    row = label_of(events)
    assert (row["y_loss"], row["loss_cents"], row["recovered_cents"]) == (1, 500, 300)
    in_time = label_of([paid(), clawed(20, cents=800), back(30, 300), back(104, 500)])
    assert (in_time["y_loss"], in_time["loss_cents"]) == (0, 0)


def test_what_was_known_before_the_pay_out_changes_nothing() -> None:
    plain = label_of([paid(2), clawed(20)])
    noisy = label_of(
        [clawed(-5), (-4, "arbitration_ruled", {"fault": "carrier"}), paid(2), clawed(20)]
    )
    pd.testing.assert_series_equal(plain, noisy)


def test_a_word_spoken_before_the_pay_out_judges_nothing_after_it() -> None:
    early = (-4, "arbitration_ruled", {"fault": "carrier"})
    assert np.isnan(label_of([early, paid(2), clawed(20, fault=None)])["y_abuse"])


def test_a_reversal_in_one_case_leaves_the_claw_back_of_another() -> None:
    reversal = (30, "clawback_reversed", {"amount_cents": 1000})
    ledger = world({"a": [paid(), clawed(20)], "b": [paid(), reversal]})
    table = labels(TASK, ledger, spine_of(ledger, ["a", "b"]), LATE)
    assert table["y_abuse"].tolist() == [1, 0]


def test_the_decision_logged_on_the_case_travels_with_the_label() -> None:
    def decided(at: float, action: str, p: float) -> Event:
        more = {"stage": "request", "action": action, "act_prob": p, "keep_prob": p / 2}
        return (at, "advance_decided", more)

    row = label_of([decided(0.1, "instant", 0.8), paid(0.1), decided(3, "review", 0.1)])
    assert (row["logged_action"], row["act_prob"], row["keep_prob"]) == ("instant", 0.8, 0.4)
    assert pd.isna(label_of([])["logged_action"])


def test_a_pay_out_before_the_decision_belongs_to_another_decision() -> None:
    assert label_of([paid(-2), clawed(20)])["outcome"] == "held"


def test_nothing_is_paid_before_it_is_known() -> None:
    row = label_of([paid(2), clawed(20)], day(2))
    assert row["outcome"] == "held"
    assert pd.isna(row["paid_cents"])


def test_rows_keep_their_index_and_order_and_unknown_cases_are_held() -> None:
    ledger = world({"a": [paid(), clawed(20)], "b": [paid()]})
    cases = spine_of(ledger, ["b", "never_seen", "a"]).set_axis([7, 3, 5])
    table = labels(TASK, ledger, cases, LATE)
    assert table.index.tolist() == [7, 3, 5]
    np.testing.assert_array_equal(table["y_claw"], [0, np.nan, 1])


def line_task(tmp_path: Any) -> Task:
    path = tmp_path / "lines.toml"
    path.write_text(
        """
        name = "lines"
        [event_types]
        extra = ["line_bought", "line_returned"]
        [events.bought]
        types = ["line_bought"]
        [events.returned]
        types = ["line_returned"]
        [spine]
        trigger = "bought"
        [label]
        case = "case_id"
        [label.y_return]
        events = "returned"
        horizon = "30d"
        """
    )
    return load_task(path)


def test_without_a_pay_out_the_horizon_counts_from_the_decision(tmp_path: Any) -> None:
    back_in = {"a": 10.0, "b": 30.0, "c": 29.5}
    ledger = world({c: [(at, "line_returned", {})] for c, at in back_in.items()})
    cases = spine_of(ledger, ["a", "b", "c", "d"])
    table = labels(line_task(tmp_path), ledger, cases, day(30))
    assert list(table.columns) == ["y_return", "y_return_label_ts", "y_return_matured"]
    assert table["y_return"].tolist() == [1, 0, 1, 0]
    assert table["y_return_label_ts"].tolist() == [day(10), day(30), day(29.5), day(30)]
    young = labels(line_task(tmp_path), ledger, cases, day(29))
    assert young["y_return"].isna().all()


def test_a_ledger_that_never_saw_a_claw_back_has_good_labels() -> None:
    times = pd.DatetimeIndex([day(0), day(1)])
    frame = pd.DataFrame({"event_type": ["refund_requested", "advance_paid"], "case_id": "c"})
    frame = frame.assign(event_ts=times, known_ts=times, user_id="u", amount_cents=5)
    ledger = ledger_of(
        frame.assign(**dict.fromkeys([*TEXT, "proven", "actor"]), act_prob=0.5, keep_prob=1.0)
    )
    row = labels(TASK, ledger, spine_of(ledger, ["c"]), LATE).iloc[0]
    assert (row["y_claw"], row["y_abuse"], row["loss_cents"]) == (0, 0, 0)
    assert pd.isna(row["cause"])


def test_labels_ask_for_a_spine() -> None:
    ledger = world({"c": [paid()]})
    with pytest.raises(ContractError, match="'case_id' and 'as_of' are needed"):
        labels(TASK, ledger, pd.DataFrame({"case": ["c"]}), LATE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[label.y]\nevents = "paid"', "names its events and its horizon"),
        ('[label.y]\nevents = "paid"\nhorizon = "life"', "a horizon of 'life'"),
        ('[label.y]\nevents = "paid"\nhorizon = "9d"\nunles = ["paid"]', "unknown key 'unles'"),
        ('[label.y]\nevents = "paidd"\nhorizon = "9d"', "unknown event set 'paidd'"),
        ('[label.y]\nevents = "paid"\nhorizon = "9d"\nshort_of = "no"', "unknown event set 'no'"),
        ('[label]\nstart = "pay"', "unknown event set 'pay'"),
        (
            '[label.y]\nevents = "paid"\nhorizon = "9d"\n'
            '[label.y.forgiven]\nwhere = { cause = "withdrawn" }\nby = "paid"',
            "the key 'within' is missing",
        ),
    ],
)
def test_a_label_that_cannot_be_meant_is_refused(tmp_path: Any, text: str, message: str) -> None:
    path = tmp_path / "task.toml"
    path.write_text(f'[events.paid]\ntypes = ["order_paid"]\n[spine]\ntrigger = "paid"\n{text}\n')
    with pytest.raises(UsageError, match=message):
        load_task(path)


def test_what_is_known_so_far_of_a_young_case() -> None:
    ledger = world(
        {
            "bad": [paid(), clawed(20)],
            "later": [paid(), clawed(50)],
            "wrong": [paid(), clawed(20), (25, "clawback_reversed", {})],
            "held": [],
            "late": [paid(), clawed(70)],
            "lost": [paid(), clawed(20, fault="carrier")],
        }
    )
    cases = spine_of(ledger, ["bad", "later", "wrong", "held", "late", "lost"])
    found = so_far(TASK, ledger, cases, day(30))
    assert found["begin_ts"].isna().tolist() == [False, False, False, True, False, False]
    assert found["y_claw"].notna().tolist() == [True, False, True, False, False, True]
    assert found["y_abuse"].notna().tolist() == [True, False, False, False, False, False]
    assert found["y_abuse"].iloc[0] == day(20)
    old = so_far(TASK, ledger, cases, LATE)  # beyond the horizon nothing counts
    assert old["y_claw"].notna().tolist() == [True, True, True, False, False, True]


def test_labels_that_changed_are_named_with_both_values() -> None:
    ledger = world(
        {
            "turned": [paid(), clawed(20), (80, "clawback_reversed", {})],
            "same": [paid(), clawed(20)],
            "young": [(70, "advance_paid", {"stage": "request", "amount_cents": 1})],
        }
    )
    cases = spine_of(ledger, ["turned", "same", "young"])
    before, now = (labels(TASK, ledger, cases, day(n)) for n in (75, 400))
    found = changed(before, now, "y_abuse")
    assert found.to_dict("index") == {0: {"before": 1.0, "now": 0.0}}
    assert changed(before, now, "y_claw").empty


def test_a_claw_back_that_says_no_cause_is_not_clean() -> None:
    nameless: Event = (20, "clawback_opened", {"fault": "buyer", "amount_cents": 1000})
    row = label_of([paid(0), nameless])
    assert (row["y_claw"], row["outcome"]) == (1, "unnamed")
    assert pd.isna(row["cause"])
    row = label_of([paid(0), nameless, (30, "clawback_reversed", {})])
    assert (row["y_claw"], row["outcome"]) == (1, "reversed")
