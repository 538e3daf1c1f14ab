"""Logged decisions by stage, against a loop over hand-made cases."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError
from data.ledger import Ledger, ledger_of
from features.task import load_task
from models.propensities import weights
from pipelines.decision_log import STAGES, Paths, logged_paths
from pipelines.evidence import followed

TASK = load_task()
DAY0 = pd.Timestamp("2026-01-01", tz="UTC")
NEVER = np.iinfo(np.int64).min


def day(n: float) -> pd.Timestamp:
    return DAY0 + pd.Timedelta(days=n)


def decided(at: float, stage: str | None, action: str | None, prob: float | None) -> dict[str, Any]:
    return {"at": at, "stage": stage, "action": action, "act_prob": prob, "keep_prob": prob}


def world(cases: dict[str, list[dict[str, Any]]]) -> Ledger:
    rows = [decided(-9, "delivered", "instant", 0.5) | {"case_id": "other"}]
    rows += [row | {"case_id": case} for case, decisions in cases.items() for row in decisions]
    frame = pd.DataFrame(rows)
    frame["known_ts"] = frame["event_ts"] = [day(at) for at in frame.pop("at")]
    return ledger_of(frame.assign(user_id="u", event_type="advance_decided"))


def paths(ledger: Ledger, cases: list[str], paid: dict[str, float] | None = None) -> Paths:
    spine = pd.DataFrame({"case_id": cases, "as_of": pd.Series([day(0)] * len(cases))})
    spine["as_of"] = spine["as_of"].dt.as_unit("us")
    us = [day((paid or {})[c]).value // 1000 if c in (paid or {}) else NEVER for c in cases]
    return logged_paths(TASK, ledger, spine, np.array(us, np.int64), day(100))


def test_the_first_decision_of_each_stage_counts_until_the_case_is_paid() -> None:
    ledger = world(
        {
            "c": [
                decided(-1, "request", "review", 0.1),  # before the request
                decided(0.1, "request", "at_first_scan", 0.5),
                decided(0.2, "request", "instant", 0.9),
                decided(3, "first_scan", "after_inspection", 0.25),
                decided(200, "delivered", "after_delivery", 0.9),  # not known yet
            ],
            "paid": [
                decided(0, "request", "instant", 0.8),
                decided(3, "first_scan", "at_first_scan", 0.5),
            ],
            "none": [],
        }
    )
    found = paths(ledger, ["c", "paid", "none"], {"paid": 1})
    assert found.action.tolist() == [
        ["at_first_scan", "", "after_inspection", ""],
        ["instant", "", "", ""],
        ["", "", "", ""],
    ]
    np.testing.assert_array_equal(found.prob[0], [0.5, 1, 0.25, 1])
    assert found.decided.tolist() == [True, True, False]


def test_a_decision_known_with_its_payment_is_one() -> None:
    ledger = world({"c": [decided(1, "request", "instant", 0.8)]})
    assert paths(ledger, ["c"], {"c": 1}).decided.tolist() == [True]
    assert paths(ledger, ["c"], {"c": 0.9}).decided.tolist() == [False]


def test_a_case_without_a_decision_has_no_weight() -> None:
    action = np.array([["instant", "", "", ""], ["", "", "", ""]], object)
    found = followed(Paths(action, np.ones((2, 4)), np.ones(2)), np.array(["instant"] * 2, object))
    assert found.weight.tolist() == [1, 0]
    assert found.missing.tolist() == [False, True]


def test_without_a_stage_it_was_the_request_and_without_an_action_no_decision() -> None:
    ledger = world(
        {"a": [decided(0, None, "instant", None)], "b": [decided(0, "request", None, 1)]}
    )
    found = paths(ledger, ["a", "b"])
    assert found.decided.tolist() == [True, False]
    assert np.isnan(found.prob[0, 0])


@pytest.mark.parametrize(
    ("logged", "plan", "follows"),
    [
        (("instant", "", "", ""), "instant", True),
        (("at_first_scan", "", "", ""), "instant", False),
        (("at_first_scan", "", "at_first_scan", ""), "at_first_scan", True),
        (("at_first_scan", "", "instant", ""), "at_first_scan", True),  # now is now
        (("at_first_scan", "", "after_inspection", ""), "at_first_scan", False),
        (("at_first_scan", "review", "", ""), "at_first_scan", False),
        (("after_inspection", "", "review", "after_inspection"), "after_inspection", True),
        (("after_inspection", "", "at_first_scan", ""), "after_inspection", False),
        (("after_delivery", "", "after_inspection", "after_delivery"), "after_delivery", True),
    ],
)
def test_a_plan_says_what_happens_at_every_stage(
    logged: tuple[str, ...], plan: str, follows: bool
) -> None:
    action = np.array([logged], object)
    prob = np.where(action == "", 1.0, 0.5).astype(float)
    found = Paths(action, prob, np.ones(1))
    same = found.follows(np.array([plan], object))
    assert bool(same.all()) is follows
    stages = sum(word != "" for word in logged)
    assert weights(prob, same).weight[0] == (2.0**stages if follows else 0.0)


def test_a_ledger_without_logged_propensities_is_refused() -> None:
    times = [day(0)]
    frame = pd.DataFrame({"event_type": ["refund_requested"], "event_ts": times, "known_ts": times})
    ledger = ledger_of(frame.assign(user_id="u", case_id="c"))
    with pytest.raises(ContractError, match=f"no column '{'stage'}'"):
        paths(ledger, ["c"])
    assert STAGES[0] == "request"
