"""The platform's own rule on the same requests: the comparison a newcomer understands at once."""

import pandas as pd

from data.ledger import Ledger
from features.declarations import Events, Window, days
from features.engine import features
from models.platform_rule import platform_rule

WITHIN = days(90)
COUNTED = {
    "orders_90d": Events("orders", "order_paid"),
    "refunds_90d": Events("refund_requests", "refund_requested"),
    "disputes_90d": Events("disputes", "arbitration_opened"),
    "complaints_90d": Events("complaints", "complaint_filed"),
    "unpaid_orders_90d": Events("unpaid", "order_cancelled", where={"reason": "unpaid"}),
}


def platform_decisions(ledger: Ledger, decisions: pd.DataFrame) -> pd.DataFrame:
    """`case_id` and `action` of the rule for every decided request."""
    windows = {name: Window("user_id", e, "count", over=WITHIN) for name, e in COUNTED.items()}
    counts = features(windows.values(), ledger, decisions[["user_id", "as_of"]])
    table = counts.rename(columns={window.name: name for name, window in windows.items()})
    own = [c for c in ("coupon_cents", "payment_method") if c in decisions]
    table = table.assign(**{c: decisions[c] for c in ("amount_cents", "open_cents", *own)})
    return pd.DataFrame({"case_id": decisions["case_id"], "action": platform_rule(table)})
