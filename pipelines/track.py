"""What became of cases on the normal track: scans, refunds, settled advances.

Like a label this looks past the decision, up to a moment of looking; no feature reads it.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.ledger import NULL_TIME, Ledger
from features.case_log import NOWHERE, CaseLog, case_logs, joined
from features.declarations import Events
from features.engine import decision_times
from features.spine import instant
from features.task import Task

SCANS = Events("scans", "first_scan")
REFUNDS = Events("refunds_paid", "refund_paid")
PAYMENTS = Events("payments", "advance_paid")
MONEY_BACK = Events("money_back", ["advance_settled", "clawback_recovered", "clawback_written_off"])
ENDS = Events("ends", ["advance_paid", "refund_paid", "buyer_withdrew", "request_expired"])
SETS = (SCANS, REFUNDS, PAYMENTS, MONEY_BACK, ENDS)
HOUR_US = 3_600_000_000


def normal_track(
    task: Task, ledger: Ledger, cases: pd.DataFrame, as_of: pd.Timestamp
) -> pd.DataFrame:
    """Hours from each request to what followed before `as_of`, null where nothing did.

    Returns
    -------
    `scan_hours` to the first scan, `refund_hours` to the refund on the normal track, `settled_ts`
    when the last of the case's money came back (of a case not advanced: when it was refunded).
    """
    sets = {e.name: e for e in (SCANS, REFUNDS, MONEY_BACK)}
    stop = int(np.searchsorted(ledger.known_us, instant(as_of)))
    logs = case_logs(ledger, task.case, sets, stop)
    case, start = ledger[task.case].encode(cases[task.case]), decision_times(cases)
    lo = np.searchsorted(ledger.known_us, start).astype(np.int64)
    hi = np.full(len(lo), stop)

    def known(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(rows == NOWHERE, NULL_TIME, ledger.known_us[np.maximum(rows, 0)])

    def hours(log: CaseLog) -> NDArray[np.float64]:
        at = known(log.first(case, lo, hi))
        return np.where(at == NULL_TIME, np.nan, (at - start) / HOUR_US)

    money, _ = joined([logs[MONEY_BACK.name], logs[REFUNDS.name]])
    settled = known(money.last(case, lo, hi)).view("datetime64[us]")
    return pd.DataFrame(
        {
            "scan_hours": hours(logs[SCANS.name]),
            "refund_hours": hours(logs[REFUNDS.name]),
            "settled_ts": pd.Series(settled).dt.tz_localize("UTC"),
        }
    ).set_axis(cases.index)


def still_open(
    task: Task, ledger: Ledger, cases: pd.DataFrame, as_of: pd.Timestamp
) -> NDArray[np.bool_]:
    """Requests without a pay-out, refund, withdrawal or expiry known before `as_of`."""
    stop = int(np.searchsorted(ledger.known_us, instant(as_of)))
    log = case_logs(ledger, task.case, {ENDS.name: ENDS}, stop)[ENDS.name]
    case = ledger[task.case].encode(cases[task.case])
    lo = np.searchsorted(ledger.known_us, decision_times(cases)).astype(np.int64)
    return np.asarray(log.first(case, lo, np.full(len(lo), stop)) == NOWHERE)
