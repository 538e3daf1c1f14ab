"""What a risk team reports of a model: ranking, probabilities, money; all of them weighted.

In: outcomes `y` (0 or 1), scores or calibrated probabilities `p` (higher is riskier), and weights
(counts of a bootstrap, 1/propensity of an exploration band). Out: one number. Ties in the score
are one step, so that no figure depends on the order of the rows. All figures at once:
`models.figures`; intervals: `models.bootstrap`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError
from models.calibration import fit_logistic, logit
from models.steps import (
    BINS,
    area,
    binned_error,
    brier_parts,
    captured,
    chance_error,
    mean_precision,
    steps,
    widest_gap,
)

Floats = NDArray[np.float64]


def auc(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Probability that a bad case scores above a good one; NaN where a class is missing."""
    y, p, weight = checked(y, p, weight)
    return area(*steps(p, weight * y, weight * (1 - y)))


def gini(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """The accuracy ratio of a scorecard, 2 AUC - 1."""
    return 2 * auc(y, p, weight) - 1


def average_precision(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean precision over the steps of recall; NaN without a bad case."""
    y, p, weight = checked(y, p, weight)
    return mean_precision(*steps(p, weight * y, weight))


def ks(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Kolmogorov-Smirnov: the largest gap between the two classes' distributions of scores."""
    y, p, weight = checked(y, p, weight)
    return widest_gap(*steps(p, weight * y, weight * (1 - y)))


def log_loss(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood, in nats."""
    y, p, weight = checked(y, p, weight)
    return float(weight @ log_losses(y, p) / weight.sum())


def log_losses(y: Floats, p: Floats) -> Floats:
    """Negative log-likelihood of each row.

    Raises
    ------
    ContractError : a probability outside the open interval (0, 1).
    """
    if not ((p > 0) & (p < 1)).all():
        raise ContractError(
            "probabilities of 0, 1 or beyond have no log loss",
            where="p",
            fix="give calibrated probabilities of models.risk",
        )
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)), np.float64)


def brier(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean squared distance of probability and outcome."""
    y, p, weight = checked(y, p, weight)
    return float(weight @ (y - p) ** 2 / weight.sum())


def brier_decomposition(
    y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None, bins: int = BINS
) -> tuple[float, float, float]:
    """Reliability (0 is right), resolution (more is better) and uncertainty; `steps.brier_parts`.

    Murphy (1973), A new vector partition of the probability score.
    """
    y, p, weight = checked(y, p, weight)
    bad, told, every = steps(p, weight * y, weight * p, weight)
    return brier_parts(bad, told, every, bins)


def calibration_error(
    y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None, bins: int = BINS
) -> float:
    """Adaptive expected calibration error: bins of equal weight, mean absolute gap in each.

    Rows of one probability stay in one bin. The figure of a perfectly calibrated model is not 0
    but falls with the root of rows a bin.
    """
    y, p, weight = checked(y, p, weight)
    bad, told, every = steps(p, weight * y, weight * p, weight)
    return binned_error(bad, told, every, bins)


def calibration_error_by_chance(p: ArrayLike, bins: int = BINS) -> float:
    """What `calibration_error` is on average if the probabilities are right, shape of `p` (n,)."""
    p = np.asarray(p, np.float64)
    every, square = steps(p, np.ones_like(p), p * (1 - p))
    return chance_error(square, every, bins)


def calibration_in_the_large(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Expected over observed bad cases: 1 is right, above 1 the model is too dark."""
    y, p, weight = checked(y, p, weight)
    return float(weight @ p) / float(weight @ y) if (weight @ y) > 0 else float("nan")


def calibration_slope(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Slope of the outcome's logit on the probability's: 1 is right, below 1 too extreme."""
    y, p, weight = checked(y, p, weight)
    if not 0 < weight @ y < weight.sum():
        return float("nan")
    return float(fit_logistic(np.column_stack([np.ones_like(p), logit(p)]), y, weight)[1])


def loss_captured(
    loss: ArrayLike, p: ArrayLike, share: float = 0.1, weight: ArrayLike | None = None
) -> float:
    """Share of all losses that falls on the riskiest `share` of the rows; NaN without a loss."""
    loss, p, weight = checked(loss, p, weight)
    lost, every = steps(p, weight * loss, weight)
    return captured(lost, every, share)


def recall_at_advance_rate(
    y: ArrayLike, p: ArrayLike, rate: float = 0.9, weight: ArrayLike | None = None
) -> float:
    """Share of the bad cases that are not advanced when the safest `rate` of the rows is."""
    return loss_captured(y, p, 1 - rate, weight)


def propensity_weights(
    prob: ArrayLike, taken: ArrayLike, floor: float = 0.0
) -> tuple[Floats, float]:
    """Weights that make the rows on which an action was taken stand for all requests.

    Parameters
    ----------
    prob : logged probability of the action, after limits and budgets. taken : whether it was.
    floor : probabilities up to this one are no support.

    Returns
    -------
    1/prob where taken and supported, else 0; and the share of requests outside the support, of
    which these weights say nothing.
    """
    p = np.asarray(prob, np.float64)
    inside = p > floor
    weight = np.where(inside & np.asarray(taken, bool), 1 / np.where(inside, p, 1.0), 0.0)
    return weight, float(1 - inside.mean())


def checked(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Outcomes, scores and weights as arrays of one length without nulls.

    Raises
    ------
    ContractError : lengths differ, no rows, a null, or no weight above 0.
    """
    y, p = np.asarray(y, np.float64), np.asarray(p, np.float64)
    w = np.ones_like(p) if weight is None else np.asarray(weight, np.float64)
    if not y.shape == p.shape == w.shape or y.ndim != 1:
        raise ContractError(
            f"lengths differ: {y.shape}, {p.shape}, {w.shape}",
            where="metrics",
            fix="give outcomes, scores and weights of the same rows",
        )
    if not y.size or np.isnan(y).any() or np.isnan(p).any() or not w.sum() > 0:
        raise ContractError(
            "no rows, or nulls among outcomes or scores",
            where="metrics",
            fix="measure matured rows that have a score",
        )
    return y, p, w
