"""A simulated market's truth, which no job may learn from: it judges decisions, and nothing else.

In: the file that `clawback simulate --truth` wrote, decisions, the policy's prices. Out: money.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, UsageError
from data.market.judge import Costs, case_money, oracle
from models.policy import Policy

FIX = "write it with clawback simulate --truth FILE"


def read_truth(path: Path) -> pd.DataFrame:
    """The truth of every case.

    Raises
    ------
    UsageError : no such file. ContractError : a table that is no truth.
    """
    if not path.is_file():
        raise UsageError("there is no truth to judge by", where=str(path), fix=FIX)
    truth = pd.read_parquet(path)
    if not {"case_id", "loss_cents_instant"} <= set(truth):
        raise ContractError("this is no truth of a simulation", where=str(path), fix=FIX)
    return truth


def costs_of(policy: Policy) -> Costs:
    """The policy's prices, as the judge takes them."""
    value = policy.value
    return Costs(
        value.hour_cents, value.hours_cap, value.capital_per_day, policy.clawback_cost_cents
    )


def true_money(decisions: pd.DataFrame, truth: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """`net_cents` and `loss_cents` of each decision (`case_id`, `action`)."""
    return case_money(decisions, truth, costs_of(policy))


def oracle_actions(
    decisions: pd.DataFrame, truth: pd.DataFrame, policy: Policy
) -> NDArray[np.object_]:
    """The best action of each decided case, to somebody who knows every probability."""
    best = oracle(truth, costs_of(policy)).set_index("case_id")["action"]
    return best.reindex(decisions["case_id"].astype("int64")).to_numpy(object)
