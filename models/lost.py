"""What a claw-back loses: the share never recovered, by whose fault it is and how risky it looked.

In: clawed-back cases with the share they lost. Out: a `LostShare`, three numbers. An honest buyer
nearly always repays and an abuser mostly does not, so the fault says most; among abusers those who
looked safe repay more often than those who looked like abusers all along.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.calibration import expit, fit_logistic, logit

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SLOPE_SD = 0.25  # of the slope around 0, before any claw-back
EDGE = 1e-6  # no share is certain


@dataclass(frozen=True)
class LostShare:
    """`other`: mean share without the buyer's fault.

    `level`, `slope`: log-odds of the share with it, as a line in the log-odds of `p_abuse`.
    """

    other: float
    level: float
    slope: float


def fit_lost(lost: Floats, abuse: Mask, p_abuse: Floats) -> LostShare:
    """Fit on matured claw-backs, each counting the same.

    Parameters
    ----------
    lost : shape (n,), unrecovered share of the money paid, in [0, 1].
    abuse : whether it was the buyer's fault.
    p_abuse : predicted by a model that has not seen the case, as it will not have seen the next.
        Read where `abuse`.

    Where there is no claw-back of a kind the mean of all counts; without any, everything is lost.
    """
    every = float(lost.mean()) if lost.size else 1.0
    other = float(lost[~abuse].mean()) if (~abuse).any() else every
    if not abuse.any():
        return LostShare(other, float(logit(np.clip(np.array(every), EDGE, 1 - EDGE))), 0.0)
    design = np.column_stack([np.ones(int(abuse.sum())), logit(p_abuse[abuse])])
    shares = np.clip(lost[abuse], EDGE, 1 - EDGE)
    precision = np.array([0.0, SLOPE_SD**-2])
    level, slope = fit_logistic(design, shares, np.ones(len(shares)), precision)
    return LostShare(other, float(level), float(slope))


def lost_share(model: LostShare, blame: Floats, p_abuse: Floats) -> Floats:
    """Expected share lost of a claw-back that is the buyer's fault with probability `blame`."""
    abuse = expit(model.level + model.slope * logit(p_abuse))
    return np.asarray(blame * abuse + (1 - blame) * model.other, np.float64)


def as_json(model: LostShare) -> dict[str, Any]:
    """Plain numbers; `lost_of_json` gives the same bits back."""
    return {"other": model.other, "level": model.level, "slope": model.slope}


def lost_of_json(record: dict[str, Any]) -> LostShare:
    """The model of `as_json`."""
    return LostShare(**{k: float(record[k]) for k in ("other", "level", "slope")})
