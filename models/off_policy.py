"""What another policy would have earned, told by the log of a randomised one.

In: per request what happened, the weight of its logged actions, its user. Out: an interval of the
policy's mean reward: self-normalised inverse propensity (SNIPS), doubly robust (DR; Dudik et al.
2014), or bounds (Manski 1990) that need no support. All are means of one score per request,

    m + k + weight / mean weight (reward - m - k),   k = the weighted mean of reward - m

with m = 0 for SNIPS, a model of the outcome for DR and, without k and normalisation, the least and
the largest possible reward for the bounds: for E[weight | request] is 1 where the log supports the
policy's action and 0 where it does not, so there 1 - weight leaves exactly the range.

The estimand is the policy at the histories that were lived, without constraints that requests
share (limits, caps, budgets). What the policy would in time make of the buyers, no such log tells.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError
from models.bootstrap import Interval
from models.clustered import clustered_mean

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Logged:
    """What the log says of each request under the policy to be valued; arrays of shape (n,).

    `weight` : 1 / propensity of the logged actions where they are the policy's, else 0
    (`models.propensities.weights`). `reward` : what happened, read where the weight is not 0.
    `exact` : the reward under the policy is known whatever was logged (the normal track earns 0);
    such a row has weight 1. `low`, `high` : the range the reward can lie in.
    """

    users: NDArray[np.int64]
    reward: Floats
    weight: Floats
    exact: Mask
    low: Floats
    high: Floats

    def __post_init__(self) -> None:
        sizes = {k: len(v) for k, v in vars(self).items()}
        if len(set(sizes.values())) > 1:
            raise ContractError(f"lengths differ: {sizes}", where="logged", fix="one value a row")
        _refuse(self.weight >= 0, "weights are negative or null", "see models.propensities.weights")
        told = np.isfinite(self.reward) | (self.weight == 0)
        _refuse(told, "rewards are null where the weight is not 0", "leave immature requests out")
        ranged = (self.low <= self.high) & np.isfinite(self.low) & np.isfinite(self.high)
        _refuse(ranged, "ranges are empty or null", "give low <= high")

    def __len__(self) -> int:
        return len(self.weight)

    def take(self, rows: NDArray[np.bool_]) -> "Logged":
        """The requests of a mask."""
        return Logged(**{k: v[rows] for k, v in vars(self).items()})

    @property
    def learnt(self) -> Mask:
        """Requests whose reward under the policy only the log can tell."""
        return ~self.exact


def policy_value(logged: Logged, model: ArrayLike | None = None, level: float = 0.95) -> Interval:
    """The policy's mean reward: SNIPS, or DR with a model of the outcome.

    Parameters
    ----------
    model : shape (n,), the reward expected under the policy's action, by a model that did not see
        the row's user (`models.cross_fit`); None is SNIPS.

    Raises
    ------
    ContractError : no request follows the policy, or fewer than two users.
    """
    return clustered_mean(value_scores(logged, model), logged.users, level)


def value_scores(logged: Logged, model: ArrayLike | None = None) -> Floats:
    """Shape (n,): the score per request whose mean is the value."""
    m = np.zeros(len(logged)) if model is None else np.asarray(model, np.float64)
    m = np.where(logged.exact, 0.0, m)
    weight = np.where(logged.exact, 0.0, logged.weight)
    total = float(weight.sum())
    if logged.learnt.any() and not total > 0:
        raise ContractError(
            "no request was logged with the policy's action",
            where="logged",
            fix="only bounds can be given: models.off_policy.value_bounds",
        )
    gap = np.where(weight > 0, logged.reward - m, 0.0)
    k = float(weight @ gap) / total if total > 0 else 0.0
    part = weight * (logged.learnt.sum() / total) if total > 0 else weight
    return np.where(logged.exact, logged.reward, m + k + part * (gap - k))


@dataclass(frozen=True)
class Bounds:
    """Estimates of the lowest and the highest possible value, and the ends of their intervals."""

    low: float
    high: float
    lower: float
    upper: float


def value_bounds(logged: Logged, level: float = 0.95) -> Bounds:
    """What the value can be if nothing is assumed of requests without support.

    `lower` and `upper` enclose both bounds with one half of `1 - level` on each side.
    """
    low, high = (clustered_mean(s, logged.users, level) for s in bound_scores(logged))
    return Bounds(low.value, high.value, low.lower, high.upper)


def bound_scores(logged: Logged) -> tuple[Floats, Floats]:
    """Scores whose means are the bounds, the lower one first."""
    weight = np.where(logged.exact, 1.0, logged.weight)
    reward = np.where(weight > 0, logged.reward, 0.0)
    low, high = (end + weight * (reward - end) for end in (logged.low, logged.high))
    return low, high


def effective_size(weight: ArrayLike) -> float:
    """How many equally weighted rows say as much (Kish); 0 without a weight.

    Examples
    --------
    >>> effective_size([2.0, 2.0, 0.0])
    2.0
    """
    w = np.asarray(weight, np.float64)
    square = float(w @ w)
    return float(w.sum()) ** 2 / square if square > 0 else 0.0


def _refuse(fine: Mask, what: str, fix: str) -> None:
    if not fine.all():
        first = int(np.argmin(fine))
        raise ContractError(
            f"{int((~fine).sum())} {what} (first: row {first})", where="logged", fix=fix
        )
