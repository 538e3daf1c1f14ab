"""From probabilities to cents: what each way of paying a request is expected to cost.

In: decisions, the probability of a claw-back, the money's models, the policy's prices. Out: the
columns that `models.decide` reads. Pure; the same rows give the same bits in any batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from models.causes import CauseMix, clawback_cost
from models.lost import LostShare, lost_share
from models.money import expected_loss
from models.policy import Policy
from models.scan import ScanModel, apply_scan

Floats = NDArray[np.float64]
REQUEST = "request_"
RISK_BANDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)  # P(claw-back) doubles from one to the next
#: Columns that only decisions read (task, role "policy"), by the name that `decide` gives them.
EXPOSURE = {
    "open_cents": "user_advances_sum_amount_cents_life_less_user_money_back_sum_amount_cents_life",
    "clean_advances": "user_advances_count_life_lag60d_less_user_clawbacks_count_life",
}


@dataclass(frozen=True)
class Money:
    """What a claw-back loses, why it comes, and what the normal track looks like."""

    lost: LostShare
    causes: CauseMix
    scan: ScanModel | None


def segment_table(cases: pd.DataFrame) -> pd.DataFrame:
    """The request's own attributes without their prefix, and the keys rules and caps read."""
    own = {c: c.removeprefix(REQUEST) for c in cases.columns if c.startswith(REQUEST)}
    keys = [c for c in ("user_id", "merchant_id", "category") if c in cases]
    table = cases[list(own)].rename(columns=own)
    return table.assign(**{k: cases[k] for k in keys})


def instant_costs(
    money: Money, table: pd.DataFrame, risks: pd.DataFrame, policy: Policy
) -> pd.DataFrame:
    """`lgd`, `loss_instant_cents` and `clawcost_instant_cents` of every request.

    Parameters
    ----------
    table : made by `segment_table`. risks : `p_claw` and `p_abuse`, rows as in `table`.
    """
    p = risks["p_claw"].to_numpy(np.float64)
    lgd = unrecovered_share(money, risks)
    amount = table["amount_cents"].to_numpy(np.float64, na_value=np.nan)
    missing = np.isnan(amount)
    loss = expected_loss(p, lgd, np.where(missing, 0.0, amount))
    columns = {
        "lgd": lgd,
        "loss_instant_cents": np.where(missing, np.nan, loss),
        "clawcost_instant_cents": clawback_cost(p, money.causes, table, policy.clawback_cost_cents),
    }
    return pd.DataFrame(columns, index=table.index)


def unrecovered_share(money: Money, risks: pd.DataFrame) -> Floats:
    """LGD of every row, by the chance that a claw-back is the buyer's fault."""
    p_claw, p_abuse = (risks[name].to_numpy(np.float64) for name in ("p_claw", "p_abuse"))
    return lost_share(money.lost, np.minimum(p_abuse / p_claw, 1.0), p_abuse)


def scan_costs(
    money: Money, table: pd.DataFrame, risks: pd.DataFrame, costs: pd.DataFrame
) -> pd.DataFrame:
    """Chance, hours and cost of paying at the first scan (`models.scan.apply_scan`)."""
    if money.scan is None:
        raise UsageError("the model has no averages of the normal track", fix="train again")
    return apply_scan(money.scan, with_base(table, risks, costs))


def with_base(table: pd.DataFrame, risks: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """The table with what a scan's costs are shares of: the same costs if paid at the request."""
    return table.assign(
        risk_band=np.digitize(risks["p_claw"].to_numpy(np.float64), RISK_BANDS),
        base_loss_cents=costs["loss_instant_cents"].fillna(0.0),
        base_clawcost_cents=costs["clawcost_instant_cents"],
    )


def exposure(X: pd.DataFrame) -> Mapping[str, Any]:
    """Open money and clean advances of each row's user, as known at its `as_of`."""
    missing = [name for name in EXPOSURE.values() if name not in X]
    if missing:
        raise UsageError(
            f"the task has no policy column {missing[0]}",
            fix='keep the columns of role "policy" of the built-in task',
        )
    clean, money = X[EXPOSURE["clean_advances"]], X[EXPOSURE["open_cents"]]
    return {"open_cents": money.fillna(0.0).clip(lower=0.0), "clean_advances": clean.fillna(0.0)}
