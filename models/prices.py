"""Prices: what each action is expected to cost and to be worth, request by request.

The formulas of the design, in cents as seen at the request:

    V(instant)       = b h0 - E_0
    V(at_first_scan) = q (b h2 - E_2)        E_2: mean over the cases that are scanned
    V(after_inspection) = 0

with E = expected loss + the claw-back's own cost + capital for the hours the money is out early.
At the stage first_scan the scan is there: q = 1, and it is too late for `instant`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.actions import HOLD, INSTANT, SCAN
from models.money import float_cost, speed_value
from models.policy import Policy

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prices:
    """Per request and action code up to `INSTANT`, shape (n, 3); 0 where the money is not advanced.

    `loss`, `clawcost` and `cost` (both and capital) in cents, `hours` saved, `value` in cents (NaN
    where the action is not `possible`).
    """

    loss: Floats
    clawcost: Floats
    cost: Floats
    hours: Floats
    value: Floats
    possible: NDArray[np.bool_]


def prices(table: pd.DataFrame, policy: Policy) -> Prices:
    """Price each action of a checked table (`models.requests.checked`)."""
    at_scan = (table["stage"] == "first_scan").to_numpy(np.bool_)
    q = np.where(at_scan, 1.0, table["q_scan"])
    columns = [
        f"{c}_scan{u}" for c, u in (("loss", "_cents"), ("clawcost", "_cents"), ("hours", ""))
    ]
    scannable = (q > 0.0) & table[columns].notna().to_numpy().all(axis=1)
    chance = {SCAN: np.where(scannable, q, 0.0), INSTANT: (~at_scan).astype(np.float64)}
    n = len(table)
    loss, clawcost, capital, speed, hours = (np.zeros((n, INSTANT + 1)) for _ in range(5))
    for action, name in ((SCAN, "scan"), (INSTANT, "instant")):
        sooner = np.maximum(np.nan_to_num(table[f"hours_{name}"].to_numpy(np.float64)), 0.0)
        out = float_cost(table["amount_cents"], sooner, policy.value.capital_per_day)
        worth = speed_value(sooner, policy.value.hour_cents, policy.value.hours_cap)
        p = chance[action]
        loss[:, action] = p * np.nan_to_num(table[f"loss_{name}_cents"])
        clawcost[:, action] = p * np.nan_to_num(table[f"clawcost_{name}_cents"])
        capital[:, action], speed[:, action], hours[:, action] = p * out, p * worth, p * sooner
    possible = np.column_stack([np.ones(n, np.bool_), scannable, ~at_scan])
    possible[table["missing"].to_numpy(), HOLD + 1 :] = False
    cost = loss + clawcost + capital
    value = np.where(possible, speed - cost, np.nan)
    return Prices(loss, clawcost, cost, hours, value, possible)
