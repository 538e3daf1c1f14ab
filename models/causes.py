"""Why an advance is clawed back: the mix of causes by segment, and what a claw-back costs.

In: clawed-back cases with their cause. Out: shares of the causes (they sum to 1), and the expected
cost of its own (contact, complaint, lost trust) of a claw-back that may come.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError, UsageError
from models.segments import SegmentMeans, from_json, look_up, shrunk_means
from models.segments import as_json as segment_json

Floats = NDArray[np.float64]
CauseMix = dict[str, SegmentMeans]


def fit_causes(clawed: pd.DataFrame, columns: Sequence[str]) -> CauseMix:
    """Shrunk share of each cause by segment.

    Parameters
    ----------
    clawed : clawed-back, matured cases: `cause`, the segment columns, and `weight` where rows
        stand for more than themselves.

    Raises
    ------
    ContractError : no case, or one without a cause.
    """
    if not len(clawed) or clawed["cause"].isna().any():
        raise ContractError(
            "no claw-back, or one without a cause",
            where="causes",
            fix="give the clawed-back cases of a longer history",
        )
    weight = clawed["weight"].to_numpy(np.float64) if "weight" in clawed else None
    cause = clawed["cause"].astype(str).to_numpy()
    return {
        name: shrunk_means((cause == name).astype(np.float64), clawed, columns, weight)
        for name in sorted(set(cause))
    }


def cause_shares(mix: CauseMix, table: pd.DataFrame) -> pd.DataFrame:
    """One column per cause, index of `table`; each row sums to 1."""
    shares = pd.DataFrame({name: look_up(m, table) for name, m in mix.items()}, index=table.index)
    return shares.div(shares.sum(axis=1), axis=0)


def clawback_cost(
    p_claw: ArrayLike, mix: CauseMix, table: pd.DataFrame, cost_cents: Mapping[str, float]
) -> Floats:
    """P(claw-back) x the mean cost of its causes, in cents, shape (n,).

    Raises
    ------
    UsageError : a cause of the mix has no cost; a repaid claw-back hurts too.
    """
    free = [name for name in mix if name not in cost_cents]
    if free:
        raise UsageError(
            f"no cost for a claw-back by '{free[0]}'",
            where="clawback_cost_cents",
            fix="give every cause its cost; 0 is a choice that must be written",
        )
    shares = cause_shares(mix, table)
    mean = sum(shares[name].to_numpy() * cost_cents[name] for name in mix)
    return np.asarray(p_claw, np.float64) * mean


def as_json(mix: CauseMix) -> dict[str, Any]:
    """Plain numbers and text."""
    return {name: segment_json(means) for name, means in mix.items()}


def causes_of_json(record: dict[str, Any]) -> CauseMix:
    """The mix of `as_json`."""
    return {name: from_json(means) for name, means in record.items()}
