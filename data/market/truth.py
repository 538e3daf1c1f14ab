"""The truth of each case under every action. Only the judge and the studies may read it.

Columns end in the action: `p_paid` (an advance is paid), `p_claw`, `p_<cause>`, `p_abuse`,
`p_loss`, `loss_cents` (expected), `hours` (until the money arrives, if it does) and `fate` (what
happens to this very case). Horizons are those of the labels: 60 days for claw-backs and abuse,
105 for loss.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data.market.advances import Advances, plan_of_action
from data.market.fates import CAUSES, FAULTS, Fates
from data.market.recovery import claimed, expected_share, within_horizon
from data.market.requests import RETURN
from data.market.timeline import MINUTE
from data.market.world import ACTIONS, HOUR, REFUND_TYPES, Array, World


def truth_table(
    world: World,
    cases: pd.DataFrame,
    t: pd.DataFrame,
    book: Fates,
    chances: Array,
    can: Array,
    full: Array,
    advanced: Advances,
) -> pa.Table:
    """One row a case, in the order of the case's id."""
    columns = _identity(world, cases)
    columns["good"] = pa.array(~book.abuse[advanced.fate[0]])
    hours = _hours(cases, t, advanced)
    unknown = chances[0] @ (book.fault == FAULTS.index("unknown"))
    for action, plan in zip(ACTIONS, plan_of_action(), strict=True):
        for name, values in _chances(world, cases, book, chances[plan] * can[plan], full).items():
            columns[f"{name}_{action}"] = pa.array(values)
        columns[f"hours_{action}"] = pa.array(hours[plan])
        names = pa.array(book.names)
        code = pa.array(advanced.fate[plan].astype(np.int8))
        columns[f"fate_{action}"] = pa.DictionaryArray.from_arrays(code, names)
    columns["p_unknown_instant"] = pa.array(unknown)
    return pa.table(columns)


def _identity(world: World, cases: pd.DataFrame) -> dict[str, Any]:
    buyers, traders = world.book["buyers"]["types"], world.book["merchants"]["types"]
    return {
        "case_id": pa.array(np.arange(len(cases))),
        "user_id": pa.array(cases["user"].to_numpy()),
        "merchant_id": pa.array(cases["merchant"].to_numpy()),
        "requested_ts": pa.array(cases["at"].to_numpy(), pa.timestamp("us", tz="UTC")),
        "amount_cents": pa.array(cases["amount"].to_numpy()),
        "refund_type": pa.array(np.array(REFUND_TYPES)[cases["refund_type"]]),
        "buyer_type": pa.array(np.array(buyers)[cases["kind"]]),
        "merchant_type": pa.array(np.array(traders)[cases["trade"]]),
    }


def _chances(
    world: World, cases: pd.DataFrame, book: Fates, paid: Array, full: Array
) -> dict[str, Array]:
    """Probabilities and expected loss of one plan; `paid` is P(fate, and it is paid)."""
    early = ~book.late & (book.cause >= 0)
    amount = cases["amount"].to_numpy()
    owed = np.stack([claimed(amount, share) for share in book.amount], axis=1)
    lossy = paid * ((book.cause >= 0) & ~book.reversed) * within_horizon(world, book)
    result = {"p_paid": paid.sum(axis=1), "p_claw": paid @ early}
    for position, cause in enumerate(CAUSES):
        result[f"p_{cause}"] = paid @ (early & (book.cause == position))
    result["p_abuse"] = paid @ (book.abuse & ~book.late)
    result["p_loss"] = (lossy * (1 - full)).sum(axis=1)
    result["loss_cents"] = (lossy * expected_share(world, full) * owed).sum(axis=1)
    return result


def _hours(cases: pd.DataFrame, t: pd.DataFrame, advanced: Advances) -> Array:
    """Hours until the money arrives if the case runs its course, shape (plans, cases)."""
    back = cases["refund_type"].to_numpy() == RETURN
    start = t["request"].to_numpy()
    normal = advanced.moments[-1]["end"].to_numpy() + MINUTE
    scan = np.where(back, t["scan_known"] + MINUTE, normal)
    delivered = np.where(back, t["delivered_known"] + MINUTE, normal)
    instant = start + MINUTE
    return np.asarray((np.stack([instant, scan, delivered, normal]) - start) / HOUR)
