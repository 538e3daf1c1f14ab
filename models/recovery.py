"""What comes back of claw-backs: the curve by age, and the share lost for good, by cause.

In: what each claw-back asked back and what had come by some ages (`features.label_facts`). Out: one
row a cause. Shares are of money, so a large debt counts for more; a claw-back too young for an age
is in no figure of that age, and intervals draw users.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.bootstrap import user_bootstrap

Floats = NDArray[np.float64]
EVERY, UNNAMED = "all", "unnamed"
FEWEST = 5  # claw-backs for a share, users for an interval


def recovery_curve(clawed: pd.DataFrame, ages: Sequence[int]) -> pd.DataFrame:
    """Share of the money that was asked back and had come by each age; index is the cause.

    A claw-back without a cause is `unnamed`. Each age has the claw-backs that are so old, so the
    share may fall from one age to the next.

    Parameters
    ----------
    clawed : one row a claw-back that stands: `opened_cause`, `owed_cents`,
        `recovered_<age>d_cents` (null: too young).

    Returns
    -------
    `claw_backs`, `owed_cents`, and `<age>d`; NaN where fewer than `FEWEST` are that old.
    """
    rows = {}
    for cause, part in _by_cause(clawed):
        row: dict[str, float] = {
            "claw_backs": len(part),
            "owed_cents": float(part["owed_cents"].sum()),
        }
        for age in ages:
            old = part[part[f"recovered_{age}d_cents"].notna()]
            row[f"{age}d"] = (
                float(old[f"recovered_{age}d_cents"].sum() / old["owed_cents"].sum())
                if len(old) >= FEWEST
                else np.nan
            )
        rows[cause] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def loss_given_clawback(clawed: pd.DataFrame, draws: int = 400) -> pd.DataFrame:
    """Share of the money never recovered by the loss horizon, with a 95 % interval by user.

    Parameters
    ----------
    clawed : `opened_cause`, `user_id`, `owed_cents`, `loss_cents` (null: too young).
    """
    rows = {}
    for cause, part in _by_cause(clawed):
        old = part[part["loss_cents"].notna() & (part["owed_cents"] > 0)]
        row = {"matured": float(len(old)), "lgd": np.nan, "lower": np.nan, "upper": np.nan}
        if len(old) >= FEWEST:
            lost, owed = (old[c].to_numpy(np.float64) for c in ("loss_cents", "owed_cents"))
            found = user_bootstrap(_ratio, lost, owed, users=old["user_id"].to_numpy(), draws=draws)
            row["lgd"] = found.value
            if old["user_id"].nunique() >= FEWEST:
                row |= {"lower": found.lower, "upper": found.upper}
        rows[cause] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _by_cause(clawed: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    cause = clawed["opened_cause"].astype(object)
    cause = cause.where(cause.notna(), UNNAMED).astype(str)
    named = [(c, clawed[(cause == c).to_numpy()]) for c in sorted(cause.unique())]
    return [*named, (EVERY, clawed)]


def _ratio(lost: ArrayLike, owed: ArrayLike, weight: ArrayLike) -> float:
    w = np.asarray(weight, np.float64)
    total = float(w @ np.asarray(owed, np.float64))
    return float(w @ np.asarray(lost, np.float64)) / total if total > 0 else float("nan")
