"""What a risk team reports of a model: ranking, probabilities, money; all of them weighted.

In: outcomes `y` (0 or 1), scores or calibrated probabilities `p` (higher is riskier), and weights
(counts of a bootstrap, 1/propensity of an exploration band). Out: one number. Ties in the score
are one step, so that no figure depends on the order of the rows. Intervals: `models.bootstrap`.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError
from models.calibration import fit_logistic

Floats = NDArray[np.float64]


def auc(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Probability that a bad case scores above a good one; NaN where a class is missing."""
    y, p, weight = _arrays(y, p, weight)
    bad, good = _steps(p, weight * y, weight * (1 - y))
    if bad[-1] <= 0 or good[-1] <= 0:
        return float("nan")
    return float(np.diff(good) @ (bad[1:] + bad[:-1])) / float(2 * bad[-1] * good[-1])


def average_precision(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean precision over the steps of recall; NaN without a bad case."""
    y, p, weight = _arrays(y, p, weight)
    bad, every = _steps(p, weight * y, weight)
    if bad[-1] <= 0:
        return float("nan")
    seen = every[1:] > 0
    precision = bad[1:][seen] / every[1:][seen]
    return float(np.diff(bad)[seen] @ precision / bad[-1])


def ks(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Kolmogorov-Smirnov: the largest gap between the two classes' distributions of scores."""
    y, p, weight = _arrays(y, p, weight)
    bad, good = _steps(p, weight * y, weight * (1 - y))
    if bad[-1] <= 0 or good[-1] <= 0:
        return float("nan")
    return float(np.abs(bad / bad[-1] - good / good[-1]).max())


def log_loss(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood, in nats."""
    y, p, weight = _arrays(y, p, weight)
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
    y, p, weight = _arrays(y, p, weight)
    return float(weight @ (y - p) ** 2 / weight.sum())


def calibration_error(
    y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None, bins: int = 15
) -> float:
    """Adaptive expected calibration error: bins of equal weight, mean absolute gap in each.

    Rows of one probability stay in one bin. The figure of a perfectly calibrated model is not 0
    but falls with the root of rows a bin.
    """
    y, p, weight = _arrays(y, p, weight)
    bad, expected, every = _steps(p, weight * y, weight * p, weight)
    edge = np.unique(np.searchsorted(every, np.linspace(0, every[-1], bins + 1), side="left"))
    gap = np.abs(np.diff(bad[edge]) - np.diff(expected[edge]))
    return float(gap.sum() / every[-1])


def calibration_in_the_large(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Expected over observed bad cases: 1 is right, above 1 the model is too dark."""
    y, p, weight = _arrays(y, p, weight)
    return float(weight @ p) / float(weight @ y) if (weight @ y) > 0 else float("nan")


def calibration_slope(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Slope of the outcome's logit on the probability's: 1 is right, below 1 too extreme."""
    y, p, weight = _arrays(y, p, weight)
    logit = np.log(p) - np.log1p(-p)
    return float(fit_logistic(np.column_stack([np.ones_like(p), logit]), y, weight)[1])


def loss_captured(
    loss: ArrayLike, p: ArrayLike, share: float = 0.1, weight: ArrayLike | None = None
) -> float:
    """Share of all losses that falls on the riskiest `share` of the rows; NaN without a loss."""
    loss, p, weight = _arrays(loss, p, weight)
    lost, every = _steps(p, weight * loss, weight)
    if lost[-1] <= 0:
        return float("nan")
    return float(np.interp(share * every[-1], every, lost) / lost[-1])


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


def report(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> dict[str, float]:
    """All figures of calibrated probabilities, by name."""
    figures: dict[str, Any] = {
        "auc": auc,
        "average_precision": average_precision,
        "ks": ks,
        "log_loss": log_loss,
        "brier": brier,
        "calibration_error": calibration_error,
        "calibration_in_the_large": calibration_in_the_large,
        "calibration_slope": calibration_slope,
    }
    return {name: figure(y, p, weight=weight) for name, figure in figures.items()}


def _steps(p: Floats, *amounts: Floats) -> tuple[Floats, ...]:
    """Cumulative sums over the distinct scores, riskiest first, each beginning with 0."""
    order = np.argsort(-p, kind="stable")
    ordered = p[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return tuple(np.append(0.0, np.cumsum(a[order])[last]) for a in amounts)


def _arrays(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
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
