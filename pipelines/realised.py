"""What a past decision was worth, as far as the log tells: the money of the action that was taken.

In: priced requests and their labels. Out: net value and loss of what the platform did with each, in
cents, and whether enough time has passed to know. Hours count for everybody but abusers, so also
where nobody said whose fault it was; they are the model's, unless the inspection that would have
paid was seen (`pipelines.rewards`).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.actions import ACTIONS, HOLD
from models.money import float_cost, speed_value
from models.policy import Policy
from models.propensities import Weights, weights
from pipelines.plan import ABUSE, MONEY, REPORT

HOURS = {"request": "hours_instant", "first_scan": "hours_scan"}


def realised(
    priced: pd.DataFrame,
    labels: pd.DataFrame,
    policy: Policy,
    seen_hours: NDArray[np.float64] | None = None,
) -> pd.DataFrame:
    """`net_cents`, `loss_cents`, `known`; rows as in `priced`. A case not advanced is worth 0.

    Parameters
    ----------
    seen_hours : hours saved as they came true; null where they were not seen.
    """
    paid = labels["paid_stage"].notna().to_numpy(bool)
    hours = np.zeros(len(priced))
    for stage, column in HOURS.items():
        at = (labels["paid_stage"] == stage).to_numpy(bool)
        hours[at] = np.maximum(np.nan_to_num(priced[column].to_numpy(np.float64)[at]), 0.0)
    if seen_hours is not None:
        hours = np.where(np.isfinite(seen_hours), np.maximum(seen_hours, 0.0), hours)
    good = paid & ~(labels[ABUSE] == 1).to_numpy(bool)
    clawed = (labels[MONEY] == 1).to_numpy(bool)
    price = labels["cause"].astype(object).map(dict(policy.clawback_cost_cents))
    cost = np.where(clawed, price.fillna(0).to_numpy(np.float64), 0.0)
    loss = np.nan_to_num(labels["loss_cents"].to_numpy(np.float64))
    amount = np.nan_to_num(labels["paid_cents"].to_numpy(np.float64))
    value = policy.value
    speed = np.where(good, speed_value(hours, value.hour_cents, value.hours_cap), 0.0)
    net = speed - loss - cost - float_cost(amount, hours, value.capital_per_day)
    known = ~paid | labels[f"{REPORT}_matured"].to_numpy(bool)
    columns = {"net_cents": np.where(paid, net, 0.0), "loss_cents": loss, "known": known}
    return pd.DataFrame(columns, index=priced.index)


def logged_weights(action: "pd.Series[str]", labels: pd.DataFrame) -> Weights:
    """1 / propensity where the log took this action, else 0; 0 where it is not logged."""
    same = action.astype(str).to_numpy() == labels["logged_action"].astype(str).to_numpy()
    return weights(labels["act_prob"], same)


def advances(action: "pd.Series[str]") -> "pd.Series[bool]":
    """Whether an action pays before the inspection; the others are worth 0 for sure."""
    return ~action.isin([ACTIONS[HOLD], "review"])
