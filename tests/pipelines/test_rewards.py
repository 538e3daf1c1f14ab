"""What a case earned, on small tables: each part of the price once."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.ledger import Ledger, ledger_of
from features.labels import labels
from features.task import load_task
from models.policy import load_policy
from pipelines.rewards import Rewards, known_until, rewards

TASK, POLICY = load_task(), load_policy()
DAY0 = pd.Timestamp("2026-01-01", tz="UTC")
CENTS = 10_000
Event = tuple[float, str, dict[str, Any]]
HOUR, DAY_RATE = POLICY.value.hour_cents, POLICY.value.capital_per_day


def day(n: float) -> pd.Timestamp:
    return DAY0 + pd.Timedelta(days=n)


def world(events: list[Event]) -> Ledger:
    every: dict[str, Any] = dict.fromkeys(
        ["reason", "refund_type", "cause", "fault", "channel", "stage", "action"], "x"
    )
    every |= {"amount_cents": 1, "proven": True, "act_prob": 0.5, "keep_prob": 0.5}
    rows: list[dict[str, Any]] = [
        {"at": -9.0, "event_type": "order_paid", "case_id": "bystander", **every},
        {"at": 0.0, "event_type": "refund_requested", "case_id": "c"},
    ]
    rows += [{"at": at, "event_type": kind, "case_id": "c", **more} for at, kind, more in events]
    frame = pd.DataFrame(rows)
    frame["known_ts"] = frame["event_ts"] = [day(at) for at in frame.pop("at")]
    frame["proven"] = frame["proven"].astype("boolean")
    frame["amount_cents"] = frame["amount_cents"].astype("Int64")
    return ledger_of(frame.assign(user_id="u", merchant_id="m"))


def earned(events: list[Event], at: float = 300, kind: str = "return_refund") -> Rewards:
    ledger, cases = world(events), pd.DataFrame({"case_id": ["c"], "as_of": [day(0)]})
    cases = cases.assign(request_refund_type=kind)
    cases["as_of"] = cases["as_of"].dt.as_unit("us")
    told = labels(TASK, ledger, cases, day(at))
    scored = pd.DataFrame({"hours_instant": [100.0], "hours_scan": [50.0], "amount_cents": [CENTS]})
    return rewards(TASK, ledger, scored, told, cases, POLICY, day(at))


def paid(at: float = 0, stage: str = "request") -> Event:
    return (at, "advance_paid", {"stage": stage, "amount_cents": CENTS})


def clawed(at: float, cause: str = "return_missing", fault: str = "buyer") -> Event:
    more = {"cause": cause, "fault": fault, "amount_cents": CENTS}
    return (at, "clawback_opened", more)


def capital(days: float) -> float:
    return CENTS * days * DAY_RATE


CONFIRMED: Event = (10.0, "receipt_confirmed", {})
BACK: Event = (40.0, "clawback_recovered", {"amount_cents": 4_000, "channel": "payment_rail"})
REVERSED: Event = (50.0, "clawback_reversed", {"amount_cents": CENTS})


@pytest.mark.parametrize(
    ("events", "cents"),
    [
        ([], 0.0),
        ([(20.0, "refund_paid", {"amount_cents": CENTS})], 0.0),  # held: not clean, but unpaid
        ([paid(), CONFIRMED], HOUR * 240 - capital(10)),
        ([paid(4, "first_scan"), CONFIRMED], HOUR * 144 - capital(6)),
        ([paid()], HOUR * 100 - capital(100 / 24)),  # no inspection: the model's hours
        ([paid(4, "first_scan")], HOUR * 50 - capital(50 / 24)),
        ([paid(), (40.0, "receipt_confirmed", {})], HOUR * 480 - capital(40)),  # capped
        # an abuser's hours are worth nothing
        ([paid(), CONFIRMED, clawed(30)], -CENTS - 1500 - capital(10)),
        ([paid(), CONFIRMED, clawed(30), BACK], -6_000 - 1500 - capital(10)),
        # a lost parcel is nobody's abuse: hours count, and so does what the claw-back cost
        ([paid(), CONFIRMED, clawed(30, fault="carrier")],
         HOUR * 240 - CENTS - 1500 - capital(10)),
        ([paid(), CONFIRMED, clawed(30, "appeal_upheld"), REVERSED],
         HOUR * 240 - 2500 - capital(10)),
    ],
)  # fmt: skip
def test_each_part_of_the_price(events: list[Event], cents: float) -> None:
    found = earned(events)
    assert found.reward[0] == pytest.approx(cents)
    low, high = found.low[0], found.high[0]
    assert low <= found.reward[0] <= high


def test_a_paid_case_is_null_until_its_loss_is_known_and_a_held_one_never_is() -> None:
    assert np.isnan(earned([paid(), CONFIRMED], at=104).reward[0])
    assert earned([paid(), CONFIRMED], at=106).reward[0] > 0
    assert earned([], at=1).reward[0] == 0
    assert known_until(TASK, day(200)) == day(200 - 105 - 30)


def test_what_is_not_sent_back_would_have_been_paid_on_the_answer() -> None:
    answer: Event = (1.0, "merchant_agreed", {})
    found = earned([paid(), answer], kind="refund_only")
    assert found.reward[0] == pytest.approx(HOUR * 24 - capital(1))
    assert found.observed_hours[0]
    assert not earned([paid(), answer]).observed_hours[0]  # a return waits for its inspection
