"""All figures of a scored table at once, under any weights: sorted once, weighed often.

In: outcomes, probabilities, perhaps the money lost and the money expected to be lost. Out: the
figures of `models.metrics` by name. A bootstrap asks hundreds of times with other weights; sorting
and logarithms are done once here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError
from models.calibration import expit, fit_logistic, logit
from models.metrics import checked, log_losses
from models.steps import (
    area,
    binned_error,
    brier_parts,
    captured,
    mean_precision,
    ranked,
    summed,
    widest_gap,
)

Floats = NDArray[np.float64]

ADVANCE_RATE = 0.9  # at which the recall is told: nine in ten requests are paid at once
#: Gaps and squares are never below 0, so noise makes these figures larger; draws have it twice.
NOISY = frozenset({"ks", "brier_reliability", "brier_resolution", "calibration_error"})
RISKIEST = 0.1  # share of the rows whose losses are told


@dataclass(frozen=True)
class Scored:
    """Rows in the order of their scores, riskiest first; made by `scored`.

    `order` are their places in the caller's table, `last` the end of each step of equal scores,
    `line` intercept and slope of the outcome's logit on the probability's.
    """

    order: NDArray[np.int64]
    last: NDArray[np.int64]
    y: Floats
    p: Floats
    logit: Floats
    log_loss: Floats
    line: Floats
    lost: Floats | None
    told: Floats | None


def scored(
    y: ArrayLike, p: ArrayLike, *, lost: ArrayLike | None = None, told: ArrayLike | None = None
) -> Scored:
    """Sort a table once.

    Parameters
    ----------
    y, p : outcomes (0, 1) and probabilities in (0, 1). lost : money lost per row; NaN where it
        is not known yet. told : money that was expected to be lost; NaN as in `lost`.

    Raises
    ------
    ContractError : lengths differ, no rows, nulls, or probabilities of 0 or 1.
    """
    y, p, _ = checked(y, p, None)
    order, last = ranked(p)
    y, p = y[order], p[order]
    losses, raw = log_losses(y, p), logit(p)
    both = 0 < y.sum() < y.size
    design = np.column_stack([np.ones_like(raw), raw])
    line = fit_logistic(design, y, np.ones_like(y)) if both else np.full(2, np.nan)
    return Scored(
        order, last, y, p, raw, losses, line, _money(lost, order), _money(told, order)
    )  # fmt: skip


def figures(table: Scored, weight: ArrayLike | None = None) -> dict[str, float]:
    """Every figure by name; NaN where a class is missing.

    Parameters
    ----------
    weight : per row of the caller's table, at least 0.
    """
    w = np.ones_like(table.p) if weight is None else np.asarray(weight, np.float64)[table.order]
    return ordered_figures(table, w)


def ordered_figures(table: Scored, w: Floats) -> dict[str, float]:
    """The same, of weights that stand in the table's own order."""
    wy, wp = w * table.y, w * table.p
    bad, told, every = (summed(a, table.last) for a in (wy, wp, w))
    good = every - bad
    reliability, resolution, uncertainty = brier_parts(bad, told, every)
    auc = area(bad, good)
    return {
        "auc": auc,
        "gini": 2 * auc - 1,
        "average_precision": mean_precision(bad, every),
        "ks": widest_gap(bad, good),
        f"recall_at_advance_{ADVANCE_RATE * 100:.0f}": captured(bad, every, 1 - ADVANCE_RATE),
        "log_loss": float(w @ table.log_loss / every[-1]),
        "brier": float((w @ table.p**2 - 2 * wy @ table.p + bad[-1]) / every[-1]),
        "brier_reliability": reliability,
        "brier_resolution": resolution,
        "brier_uncertainty": uncertainty,
        "calibration_error": binned_error(bad, told, every),
        "calibration_in_the_large": float(told[-1] / bad[-1]) if bad[-1] > 0 else float("nan"),
        "calibration_slope": _slope(table, w) if bad[-1] > 0 < good[-1] else float("nan"),
    } | _of_money(table, w)


def report(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> dict[str, float]:
    """All figures of calibrated probabilities, by name."""
    return figures(scored(y, p), checked(y, p, weight)[2])


def _of_money(table: Scored, w: Floats) -> dict[str, float]:
    """What the riskiest rows lose of all, and the loss expected over the loss that came."""
    if table.lost is None:
        return {}
    known = ~np.isnan(table.lost)
    lost = np.where(known, table.lost, 0.0)
    gone, every = (summed(a, table.last) for a in (w * lost, w * known))
    found = {f"loss_captured_{RISKIEST * 100:.0f}": captured(gone, every, RISKIEST)}
    if table.told is not None:
        both = w * (known & ~np.isnan(table.told))
        realised = float(both @ lost)
        expected = float(both @ np.nan_to_num(table.told))
        found["expected_over_realised"] = expected / realised if realised > 0 else float("nan")
    return found


def _slope(table: Scored, w: Floats) -> float:
    """Newton's method from the unweighted answer, which is near; else the careful one."""
    line, x = table.line, table.logit
    for _ in range(20):
        p = expit(line[0] + line[1] * x)
        rest, curve = w * (table.y - p), w * p * (1 - p)
        c0, c1, c2 = curve.sum(), curve @ x, curve @ (x * x)
        g0, g1, det = rest.sum(), rest @ x, c0 * c2 - c1 * c1
        if not det > 1e-12 * c0 * c2:
            break
        step = np.array([c2 * g0 - c1 * g1, c0 * g1 - c1 * g0]) / det
        if not np.abs(step).max() < 5:
            break
        line = line + step
        if np.abs(step).max() < 1e-9:
            return float(line[1])
    design = np.column_stack([np.ones_like(x), x])
    return float(fit_logistic(design, table.y, w)[1])


def _money(values: ArrayLike | None, order: NDArray[np.int64]) -> Floats | None:
    if values is None:
        return None
    cents = np.asarray(values, np.float64)
    if cents.shape != order.shape:
        raise ContractError(
            f"lengths differ: {cents.shape} of money, {order.shape} of scores",
            where="figures",
            fix="give the money of the same rows",
        )
    return cents[order]
