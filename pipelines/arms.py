"""The incentive effect from a ledger: returns paid at once against returns on the normal track.

The outcome is one that both arms show: whether the parcel was scanned within the deadline. The
requests whose decision was drawn (propensity below 1) are the anchor; what was decided for certain
has no second arm and only widens the bounds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.bootstrap import Interval
from models.clustered import clustered_mean
from models.incentive import (
    Arms,
    carry_over,
    effect_bounds,
    effect_scores,
    unweighted_difference,
)
from models.off_policy import Bounds
from models.propensities import CERTAIN, weights
from models.support import coverage, objections

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
PAID, NORMAL = "instant", "after_inspection"


@dataclass(frozen=True)
class Effect:
    """What paying at once adds to the share of returns that do not come.

    `effect` is of the requests whose decision was drawn, a share `drawn` of `requests`; null where
    `reasons` speak against one. `bounds` are of all requests. `plain` is the difference of the two
    arms as they were chosen, and no answer. `carried` : what a payment of the buyer's case before
    adds to the present one.
    """

    requests: int
    drawn: float
    paid: int
    held: int
    effect: Interval | None
    bounds: Bounds | None
    plain: Interval | None
    carried: Interval | None
    segments: Mapping[str, Interval | str]
    reasons: tuple[str, ...]

    @property
    def reacting(self) -> bool:
        """Whether buyers are seen to react to earlier payments."""
        found = self.carried
        return found is not None and not found.lower <= 0 <= found.upper


@dataclass(frozen=True)
class Returns:
    """Returns old enough to have come: arrays of n requests in the order of time.

    `action`, `prob` : logged at the request; the action is empty, or the probability null, where it
    is not. `came` : in time.
    """

    users: NDArray[np.int64]
    action: NDArray[np.object_]
    prob: Floats
    came: Mask
    X: Floats
    money: Floats

    def take(self, rows: NDArray[Any]) -> "Returns":
        """The requests of a mask or of positions."""
        return Returns(**{k: v[rows] for k, v in vars(self).items()})


def incentive(returns: Returns, parts: Mapping[str, Mask]) -> Effect:
    """The effect overall and in `parts`, where the log supports it."""
    n = len(returns.users)
    returns = replace(returns, prob=np.where(returns.action == "", np.nan, returns.prob))
    drawn = np.asarray(~(returns.prob > CERTAIN), np.bool_)
    band = returns.take(drawn)
    arms = _arms(band)
    reasons = tuple(_reasons(band, arms)) if n else ("no return is old enough",)
    counts = [int((arm.weight > 0).sum()) for arm in (arms.paid, arms.held)]
    enough = n > 0 and len(np.unique(returns.users)) > 1
    found = clustered_mean(effect_scores(arms, band.X), band.users) if not reasons else None
    return Effect(
        requests=n,
        drawn=float((drawn & np.isfinite(returns.prob)).mean()) if n else 0.0,
        paid=counts[0],
        held=counts[1],
        effect=found,
        bounds=effect_bounds(_arms(returns)) if enough else None,
        plain=_plain(returns),
        carried=_carried(band, arms) if not reasons else None,
        segments={} if reasons else _by_part(band, {k: v[drawn] for k, v in parts.items()}),
        reasons=reasons,
    )


def _arms(returns: Returns) -> Arms:
    paid, held = (weights(returns.prob, returns.action == a) for a in (PAID, NORMAL))
    return Arms(returns.users, (~returns.came).astype(np.float64), paid, held)


def _reasons(band: Returns, arms: Arms) -> list[str]:
    if not len(band.users):
        return ["every decision was taken for certain (propensity 1): nothing was drawn"]
    everything, reasons = np.ones(len(band.users), np.bool_), []
    for name, arm in ((PAID, arms.paid), (NORMAL, arms.held)):
        segments = coverage(arm, everything, band.users, {})
        told = objections(arm, everything, segments, band.money)
        reasons += [f"{name}: {reason}" for reason in told]
        came = band.came[arm.weight > 0]
        if not told and len(set(came.tolist())) < 2:
            all_ = "all" if came.any() else "none"
            reasons.append(
                f"{name}: {all_} of the {came.size} returns came, so how rare the other is "
                "cannot be told"
            )
    return reasons


def _by_part(band: Returns, parts: Mapping[str, Mask]) -> dict[str, Interval | str]:
    """The effect in each part, by the scores of all; or why there is none."""
    scores = effect_scores(_arms(band), band.X)
    found: dict[str, Interval | str] = {}
    for name, part in parts.items():
        if not part.any():
            continue
        some = band.take(part)
        people = len(np.unique(some.users))
        if people < 2:
            found[name] = f"{len(some.users)} requests of {people} user{'s' * (people != 1)}"
            continue
        reasons = _reasons(some, _arms(some))
        found[name] = reasons[0] if reasons else clustered_mean(scores[part], some.users)
    return found


def _carried(band: Returns, arms: Arms) -> Interval | None:
    """The effect of the payment of the user's last case before; None where nobody has two."""
    moved = pd.Series(arms.paid.weight - arms.held.weight)
    previous: Floats = moved.groupby(band.users).shift(1).to_numpy().astype(np.float64)
    if len(np.unique(band.users[np.isfinite(previous)])) < 2:
        return None
    return carry_over(arms, previous)


def _plain(returns: Returns) -> Interval | None:
    arms = _arms(returns)
    sizes = [(arm.weight > 0).sum() for arm in (arms.paid, arms.held)]
    return unweighted_difference(arms) if min(sizes) > 1 else None
