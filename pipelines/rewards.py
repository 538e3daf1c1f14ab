"""What each request earned, in the policy's cents, as it came true.

    value of the hours saved (not for abusers) - money lost - the claw-back's own cost - capital

A request that was not paid in advance earns 0: that is what the others are measured against, and
no statement that it was clean. The hours saved are those to the inspection that would have paid;
where none was seen, the model's expectation stands in. In: requests with labels of a moment of
looking. Out: rewards, null where the case is too young, and the range a reward can lie in.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.ledger import Ledger
from features.case_log import NOWHERE, case_logs
from features.declarations import Events
from features.engine import decision_times
from features.spine import instant
from features.task import Task
from models.policy import Policy
from pipelines.plan import REPORT, horizon
from pipelines.realised import realised
from pipelines.track import HOUR_US

Floats = NDArray[np.float64]
INSPECTED = Events(
    "inspections", ["receipt_confirmed", "receipt_auto_confirmed", "goods_refused", "refund_paid"]
)
ANSWERED = Events("answers", ["merchant_agreed", "request_auto_agreed", "merchant_refused"])
LATEST_PAYMENT = timedelta(days=30)  # after the request; a later one is named, not waited for


@dataclass(frozen=True)
class Rewards:
    """Arrays of shape (n,), in cents; `reward` is null where it is not known yet.

    `observed_hours` : the hours saved were seen, or none were saved; else the model's expectation
    stands in. `low`, `high` : the least and the most that an advance of the request can earn.
    """

    reward: Floats
    observed_hours: NDArray[np.bool_]
    low: Floats
    high: Floats


def known_until(task: Task, as_of: pd.Timestamp) -> pd.Timestamp:
    """Requests before this moment are old enough, whatever became of them."""
    return as_of - horizon(task, REPORT) - LATEST_PAYMENT


def rewards(
    task: Task,
    ledger: Ledger,
    scored: pd.DataFrame,
    told: pd.DataFrame,
    cases: pd.DataFrame,
    policy: Policy,
    as_of: pd.Timestamp,
) -> Rewards:
    """Rewards of requests.

    Parameters
    ----------
    scored : of `pipelines.scoring.score_requests`; told : of `features.labels.labels`; both have
        the rows of `cases`.
    """
    seen = _hours_saved(task, ledger, cases, told, as_of)
    money = realised(scored, told, policy, seen)
    reward = money["net_cents"].where(money["known"]).to_numpy(np.float64)
    value, days = policy.value, horizon(task, REPORT).days
    amount = np.nan_to_num(scored["amount_cents"].to_numpy(np.float64, na_value=np.nan))
    low = -amount * (1 + days * value.capital_per_day) - max(policy.clawback_cost_cents.values())
    high = np.full(len(cases), value.hour_cents * value.hours_cap)
    unpaid = told["paid_ts"].isna().to_numpy()
    return Rewards(reward, np.isfinite(seen) | unpaid, low, high)


def _hours_saved(
    task: Task, ledger: Ledger, cases: pd.DataFrame, told: pd.DataFrame, as_of: pd.Timestamp
) -> Floats:
    """Hours from the payment to the inspection that would have paid; null where there was none.

    What is not sent back has no inspection: the merchant's answer would have paid.
    """
    stop = int(np.searchsorted(ledger.known_us, instant(as_of)))
    logs = case_logs(ledger, task.case, {e.name: e for e in (INSPECTED, ANSWERED)}, stop)
    case, start = ledger[task.case].encode(cases[task.case]), decision_times(cases)
    lo = np.searchsorted(ledger.known_us, start).astype(np.int64)
    hi = np.full(len(lo), stop)
    inspected, answered = (logs[e.name].first(case, lo, hi) for e in (INSPECTED, ANSWERED))
    kind = cases.get("request_refund_type", pd.Series("return_refund", index=cases.index))
    back = (kind == "return_refund").to_numpy(bool)
    end = np.where(back, inspected, np.where(inspected != NOWHERE, inspected, answered))
    found = ledger.known_us[np.maximum(end, 0)] - micros(told["paid_ts"])
    there = (end != NOWHERE) & told["paid_ts"].notna().to_numpy()
    return np.where(there, found / HOUR_US, np.nan)


def micros(times: "pd.Series[pd.Timestamp]") -> NDArray[np.int64]:
    """Microseconds since 1970; the past's start for a null."""
    return times.dt.as_unit("us").dt.tz_localize(None).to_numpy().view(np.int64)
