"""What being paid at once does to the buyer: whether the return is finished less often.

A case that was paid at once shows its outcome with the incentive, a held one without it; held is
not clean. The outcome here is one that both arms show: whether the parcel came. Logged
propensities make the arms comparable (augmented inverse propensity; Robins et al. 1994), and the
exploration band is what they are worth anything by: where the log had no choice there is no
support, and only bounds are given.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from models.bootstrap import Interval
from models.clustered import clustered_mean
from models.cross_fit import cross_fitted
from models.off_policy import Bounds, Logged, bound_scores, value_scores
from models.propensities import Weights

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Arms:
    """Two arms of the same requests; arrays of shape (n,).

    `outcome` : in [0, 1], of whatever was logged. `paid`, `held` : weights of the two actions
    that are compared (`models.propensities.weights`); a request logged with a third has 0 in both.
    """

    users: NDArray[np.int64]
    outcome: Floats
    paid: Weights
    held: Weights

    def logged(self, arm: Weights) -> Logged:
        """One arm as a policy: everybody gets its action."""
        n = len(self.outcome)
        zero = np.zeros(n)
        return Logged(self.users, self.outcome, arm.weight, np.zeros(n, bool), zero, zero + 1)


def incentive_effect(arms: Arms, X: ArrayLike, level: float = 0.95) -> Interval:
    """Mean of the outcome if all were paid at once, less that if all were held.

    Parameters
    ----------
    X : shape (n, columns), known at the request; a model of each arm's outcome on it narrows the
        interval, and a wrong one does not move it.

    Raises
    ------
    ContractError : an arm without a request, or fewer than two users.
    """
    return clustered_mean(effect_scores(arms, X), arms.users, level)


def effect_scores(arms: Arms, X: ArrayLike) -> Floats:
    """Shape (n,): the score per request whose mean is the effect."""
    paid, held = (_arm_scores(arms, arm, X) for arm in (arms.paid, arms.held))
    return paid - held


def effect_bounds(arms: Arms, level: float = 0.95) -> Bounds:
    """The effect without support: each arm's outcome may be anything in [0, 1] there."""
    paid, held = (bound_scores(arms.logged(arm)) for arm in (arms.paid, arms.held))
    low, high = (
        clustered_mean(s, arms.users, level) for s in (paid[0] - held[1], paid[1] - held[0])
    )
    return Bounds(low.value, high.value, low.lower, high.upper)


def unweighted_difference(arms: Arms, level: float = 0.95) -> Interval:
    """What comparing paid with held cases says: wrong wherever the policy knew whom it paid."""
    sides = [arms.outcome[arm.weight > 0] for arm in (arms.paid, arms.held)]
    value = float(sides[0].mean() - sides[1].mean())
    error = float(np.sqrt(sum(side.var(ddof=1) / len(side) for side in sides)))
    wide = float(norm.ppf((1 + level) / 2)) * error
    return Interval(value, value - wide, value + wide)


def carry_over(arms: Arms, previous: Floats, level: float = 0.95) -> Interval:
    """Does an earlier payment move a buyer's present outcome? Zero if it does not.

    Parameters
    ----------
    previous : shape (n,), of the user's case before: its weight if it was paid at once, minus its
        weight if it was held, 0 for neither, null where there is none. Its mean is 0 by the logged
        randomisation alone, so it is unrelated to all that does not follow from it.

    Returns
    -------
    The effect of an earlier payment on the present outcome, mean over the two arms.
    """
    rows = np.isfinite(previous)
    both = np.zeros(int(rows.sum()))
    for arm in (arms.paid, arms.held):
        weight, y = arm.weight[rows], arms.outcome[rows]
        level_of_arm = float(weight @ y) / max(float(weight.sum()), 1e-300)
        both += previous[rows] * weight * (y - level_of_arm) / 2
    return clustered_mean(both, arms.users[rows], level)


def _arm_scores(arms: Arms, arm: Weights, X: ArrayLike) -> Floats:
    logged = arms.logged(arm)
    model = cross_fitted(arms.outcome, arm.weight > 0, X, arms.users)
    return value_scores(logged, model)
