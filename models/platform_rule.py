"""The rule a platform uses today: a revolving limit and four counts of the last 90 days.

As users of a large platform are told it: no instant refund over the limit or while it is occupied,
for orders with coupons or on instalment, or when in the last 90 days the refund rate, the disputes,
the complaints or the unpaid orders were too many. A baseline beside `models.decide`; no model.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import ContractError, nearest
from models.actions import ACTIONS, HOLD, INSTANT


@dataclass(frozen=True)
class PlatformRule:
    """The rule's numbers; each `max_*` is still paid instantly, above it is not."""

    limit_cents: int = 200_000
    max_refund_rate_90d: float = 0.4
    min_orders_90d: int = 3
    max_disputes_90d: int = 1
    max_complaints_90d: int = 1
    max_unpaid_orders_90d: int = 2
    pays_coupons: bool = False
    pays_instalments: bool = False


REQUIRED = (
    "amount_cents",
    "open_cents",
    "orders_90d",
    "refunds_90d",
    "disputes_90d",
    "complaints_90d",
    "unpaid_orders_90d",
)


def platform_rule(requests: pd.DataFrame, rule: PlatformRule | None = None) -> "pd.Series[str]":
    """The rule's action for each request: `instant` or `after_inspection`.

    Parameters
    ----------
    requests : `REQUIRED`, counts strictly before the request; `coupon_cents` and `payment_method`
        if there are any. Nulls count as none, as a platform without the record would. With fewer
        than `min_orders_90d` orders there is no refund rate to hold against anybody.

    Returns
    -------
    Categorical over `ACTIONS`, with the index of `requests`.

    Raises
    ------
    ContractError : a column is missing.
    """
    rule = rule or PlatformRule()
    for name in REQUIRED:
        if name not in requests:
            fix = nearest(name, [str(c) for c in requests.columns]) or "count it before the request"
            raise ContractError(f"column '{name}' is missing", where="requests", fix=fix)
    seen = requests[list(REQUIRED)].astype(np.float64).fillna(0.0)
    rate = seen["refunds_90d"] / seen["orders_90d"].clip(lower=1.0)
    often = (seen["orders_90d"] >= rule.min_orders_90d) & (rate > rule.max_refund_rate_90d)
    held = (
        often
        | (seen["open_cents"] + seen["amount_cents"] > rule.limit_cents)
        | (seen["disputes_90d"] > rule.max_disputes_90d)
        | (seen["complaints_90d"] > rule.max_complaints_90d)
        | (seen["unpaid_orders_90d"] > rule.max_unpaid_orders_90d)
    )
    if not rule.pays_coupons and "coupon_cents" in requests:
        held |= requests["coupon_cents"].fillna(0) > 0
    if not rule.pays_instalments and "payment_method" in requests:
        held |= (requests["payment_method"] == "instalment").fillna(False)
    action = pd.Categorical.from_codes(np.where(held, HOLD, INSTANT), pd.Index(ACTIONS))
    return pd.Series(action, index=requests.index, name="action")
