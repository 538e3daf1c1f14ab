"""Words for how a case ended, on small tables and against the simulated market's truth."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from data.ledger import ledger_of
from data.market import World, simulate
from data.store import read_ledger
from features.label_form import read_label
from features.labels import labels
from features.spine import spine
from features.task import dump_task, load_task

TASK = load_task("advance_refund")
DAY0 = pd.Timestamp("2026-01-01", tz="UTC")
TEXT = ["reason", "refund_type", "cause", "fault", "channel", "stage", "action", "sub_cause"]
Event = tuple[float, str, dict[str, Any]]
PAID: Event = (0.1, "advance_paid", {"stage": "request", "amount_cents": 1000})
SCAN: Event = (3.0, "first_scan", {})
HOME: Event = (6.0, "return_delivered", {})


def clawed(at: float, cause: str = "return_missing", fault: str = "buyer", **more: Any) -> Event:
    return (at, "clawback_opened", {"cause": cause, "fault": fault, "amount_cents": 1000} | more)


def back(at: float, cents: int) -> Event:
    return (at, "clawback_recovered", {"amount_cents": cents})


def told(*events: Event, look: float = 400) -> "pd.Series[Any]":
    """The labels of one case with these events, on a day of looking."""
    every: dict[str, Any] = dict.fromkeys(TEXT) | {"amount_cents": 1, "proven": True}
    every |= {"act_prob": 0.5, "keep_prob": 0.5}
    rows = [{"at": 0.0, "event_type": "refund_requested", "refund_type": "return_refund"}]
    rows += [{"at": at, "event_type": kind, **more} for at, kind, more in events]
    frame = pd.DataFrame([{"case_id": "c"} | every | row for row in rows])
    words = pd.DataFrame([{"case_id": "x", "at": -9.0, "event_type": "order_paid"} | every])
    frame = pd.concat([words.assign(**dict.fromkeys(TEXT, "x")), frame], ignore_index=True)
    frame["known_ts"] = [DAY0 + pd.Timedelta(days=at) for at in frame.pop("at")]
    frame["event_ts"], frame["user_id"] = frame["known_ts"], frame["case_id"]
    frame = frame.astype({"proven": "boolean", "amount_cents": "Int64"})
    cases = pd.DataFrame({"case_id": ["c"], "as_of": [DAY0]})
    cases["as_of"] = cases["as_of"].dt.as_unit("us")
    return labels(TASK, ledger_of(frame), cases, DAY0 + pd.Timedelta(days=look)).iloc[0]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([PAID, clawed(12)], ("never_shipped", "proxy")),
        ([PAID, (11, "request_expired", {}), clawed(12)], ("never_shipped", "time_out")),
        ([PAID, SCAN, clawed(12)], ("false_tracking", "scan")),
        ([PAID, SCAN, HOME, clawed(12)], ("other_contents", "scan")),
        ([PAID, SCAN, clawed(12, fault="carrier")], ("carrier_lost", "scan")),
        ([PAID, (2, "buyer_withdrew", {}), clawed(3, "withdrawn"), back(9, 1000)],
         ("repaid_at_once", "stated")),
        ([PAID, (2, "buyer_withdrew", {}), clawed(3, "withdrawn"), back(40, 1000)],
         ("kept", "stated")),
        ([PAID, clawed(12, sub_cause="ring")], ("ring", "proxy")),
        ([PAID, SCAN, HOME, (8, "receipt_confirmed", {})], ("accepted", "stated")),
        ([PAID, SCAN, HOME, (16, "receipt_auto_confirmed", {})], ("auto_confirmed", "time_out")),
        ([PAID, SCAN, HOME, (9, "audit_flagged", {"fault": "buyer"}), clawed(9, "audit_abuse")],
         (None, "proven")),
    ],
)  # fmt: skip
def test_how_a_case_ended(events: list[Event], words: tuple[str | None, str]) -> None:
    row = told(*events)
    assert (row["sub_cause"] if pd.notna(row["sub_cause"]) else None, row["provenance"]) == words


def test_a_wrong_claw_back_keeps_its_cause_and_says_that_it_was_wrong() -> None:
    overturned = [
        PAID, clawed(12, "appeal_upheld"),
        (20, "arbitration_overturned", {"fault": "merchant"}), (20, "clawback_reversed", {}),
    ]  # fmt: skip
    row = told(*overturned)
    assert (row["outcome"], row["cause"]) == ("reversed", "appeal_upheld")
    assert row["sub_cause"] == "overturned"


def test_held_and_young_cases_have_no_word() -> None:
    assert pd.isna(told(SCAN, HOME, (8, "receipt_confirmed", {}))["sub_cause"])
    young = told(PAID, SCAN, HOME, (8, "receipt_confirmed", {}), look=30)
    assert (young["outcome"], pd.isna(young["sub_cause"])) == ("open", True)


def test_what_became_known_after_the_looking_gives_no_word() -> None:
    late: list[Event] = [PAID, clawed(12), (70, "first_scan", {})]
    assert told(*late, look=65)["sub_cause"] == "never_shipped"
    assert told(*late, look=75)["sub_cause"] == "false_tracking"


def test_what_came_back_is_told_by_the_claw_backs_age() -> None:
    row = told(PAID, clawed(10), back(16.9, 200), back(17, 300), back(45, 900), look=60)
    assert row["opened_ts"] == DAY0 + pd.Timedelta(days=10)
    came = [row[f"recovered_{n}d_cents"] for n in (7, 15, 30)]
    assert (row["owed_cents"], came) == (1000, [200, 500, 500])  # at exactly 7 days: not yet known
    assert np.isnan(row["recovered_60d_cents"])  # not yet 60 days old
    assert np.isnan(told(PAID)["owed_cents"])
    never_more = told(PAID, clawed(10), back(12, 900), back(13, 900))
    assert never_more["recovered_7d_cents"] == 1000


def test_the_words_are_the_planted_fates() -> None:
    market = simulate(World(n_orders=60_000, seed=11))
    ledger = read_ledger(market.events, TASK.columns_needed())
    cases = spine(TASK, ledger)
    table = labels(TASK, ledger, cases, pd.Timestamp("2025-07-01", tz="UTC"))
    action = table["logged_action"].astype("str").to_numpy()
    truth = market.truth.to_pandas().set_index("case_id").loc[cases["case_id"].astype("int64")]
    fate = pd.Series([truth[f"fate_{a}"].iloc[i] for i, a in enumerate(action)])
    named = table["sub_cause"].notna().to_numpy()
    alike = {
        "never_shipped": {"never_shipped"}, "fake_tracking": {"false_tracking"},
        "empty_box": {"other_contents"}, "carrier_lost": {"carrier_lost"},
        "merchant_fault": {"merchant_caused"}, "withdrew_kept": {"kept"},
        "withdrew_repaid": {"repaid_at_once"}, "false_appeal": {"overturned"},
        "auto_confirmed": {"auto_confirmed"}, "dispute_won": {"dispute_won"},
        "clean": {"accepted", "undisputed"},
    }  # fmt: skip
    seen = pd.DataFrame({"fate": fate[named], "word": table["sub_cause"].to_numpy()[named]})
    found = {f: set(w) for f, w in seen.groupby("fate")["word"]}
    assert {f: found[f] for f in alike} == alike
    outcome = table["outcome"].astype("str")
    nameless = outcome[~named & ~outcome.isin(["held", "open"]).to_numpy()]
    assert set(nameless) <= {"audit_abuse"}  # what an audit found, its platform must say


def test_rules_survive_the_file_and_nonsense_is_refused(tmp_path: Any) -> None:
    (tmp_path / "again.toml").write_text(dump_task(TASK))
    assert read_label(load_task(tmp_path / "again.toml").label, "again") == read_label(
        TASK.label, "built in"
    )
    for rules, complaint in [
        ([{"name": "a", "column": "b"}], "one word"),
        ([{"of": "clean"}], "one word"),
        ([{"nam": "a"}], "nam"),
        ({"name": "a"}, "no list"),
    ]:
        with pytest.raises(UsageError, match=complaint):
            read_label({"sub_cause": rules}, "mine")
    with pytest.raises(UsageError, match="days"):
        read_label({"days": [7, 3]}, "mine")
    own = 'extends = "advance_refund"\n[[label.sub_cause]]\nname = "a"\nseen = ["tea"]\n'
    (tmp_path / "own.toml").write_text(own)
    with pytest.raises(UsageError, match="unknown event set 'tea'"):
        load_task(tmp_path / "own.toml")
