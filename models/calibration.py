"""Calibration: raw scores (log-odds of a model) to probabilities that may meet money.

In: raw scores and outcomes of rows that the model was not fitted on. Out: a `Calibrator`, plain
numbers that stand in JSON. A calibrated probability is never 0 or 1, and two different raw scores
never tie: isotonic steps keep the order of the scores inside them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from data.errors import ModelError, UsageError, nearest

Floats = NDArray[np.float64]

METHODS = ("isotonic", "sigmoid", "beta", "none")
# Share of the uncalibrated probability: breaks ties of the steps, moves no probability visibly.
_TIE = 1e-6


@dataclass(frozen=True)
class Calibrator:
    """`x`, `p`: knots of the steps (isotonic). `coef`: intercept and weights (sigmoid, beta)."""

    method: str
    x: tuple[float, ...] = ()
    p: tuple[float, ...] = ()
    coef: tuple[float, ...] = ()


def check_method(method: str) -> None:
    """Refuse an unknown name; "none" (no calibration) is for studies, not for money."""
    if method not in METHODS:
        fix = nearest(str(method), list(METHODS)) or f"known: {', '.join(METHODS)}"
        raise UsageError(f"unknown calibration '{method}'", where="calibration", fix=fix)


def fit_calibrator(method: str, raw: Floats, y: Floats, weight: Floats) -> Calibrator:
    """Fit on held-out rows.

    Parameters
    ----------
    raw : shape (n,), log-odds; y : 0 or 1; weight : above 0, a weight of 2 is the row twice.
    """
    check_method(method)
    if method == "none":
        return Calibrator(method)
    if method == "isotonic":
        return _fit_isotonic(raw, y, weight)
    # Platt's targets: as if one more row of each class had been seen, so that a slice that the
    # model separates perfectly gives no infinite slope.
    good, bad = weight[y == 0].sum(), weight[y == 1].sum()
    soft = np.where(y == 1, (bad + 1) / (bad + 2), 1 / (good + 2))
    design = _design(method, raw)
    coef = fit_logistic(design, soft, weight)
    while (coef[1:] < 0).any():  # a falling curve would turn the model's order round
        design = design * np.append(True, coef[1:] > 0)
        coef = fit_logistic(design, soft, weight)
    return Calibrator(method, coef=tuple(coef.tolist()))


def calibrate(calibrator: Calibrator, raw: Floats) -> Floats:
    """Probabilities in the open interval (0, 1), increasing with `raw`."""
    plain = expit(raw)
    if calibrator.method == "none":
        return np.clip(plain, 1e-9, 1 - 1e-9)
    if calibrator.method == "isotonic":
        p = np.interp(raw, calibrator.x, calibrator.p)
    elif calibrator.method in METHODS:
        p = expit(_design(calibrator.method, raw) @ np.array(calibrator.coef))
    else:
        raise ModelError(
            f"unknown calibration '{calibrator.method}'", fix="the artifact is of a later version"
        )
    return np.clip((1 - _TIE) * p + _TIE * plain, 1e-9, 1 - 1e-9)


def fit_logistic(design: Floats, target: Floats, weight: Floats) -> Floats:
    """Coefficients of a weighted logistic regression by Newton's method; targets in [0, 1].

    A column of zeros keeps the coefficient 0.
    """
    coef = np.zeros(design.shape[1])
    ridge = 1e-10 * weight.sum() * np.eye(design.shape[1])
    loss = _loss(design @ coef, target, weight)
    for _ in range(100):
        p = expit(design @ coef)
        gradient = design.T @ (weight * (target - p))
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        while (new := _loss(design @ (coef + step), target, weight)) > loss and step.any():
            step = np.where(np.abs(step) < 1e-12, 0.0, step / 2)
        coef, loss = coef + step, new
        if np.abs(step).max() < 1e-10:
            break
    return coef


def expit(raw: Floats) -> Floats:
    """The logistic function, without overflow at either end."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * raw)), np.float64)


def as_json(calibrator: Calibrator) -> dict[str, Any]:
    """A dictionary of plain numbers; `from_json` gives the same bits back."""
    return {"method": calibrator.method} | {
        k: list(getattr(calibrator, k)) for k in ("x", "p", "coef")
    }


def from_json(record: dict[str, Any]) -> Calibrator:
    """The calibrator of `as_json`."""
    numbers = {k: tuple(map(float, record[k])) for k in ("x", "p", "coef")}
    return Calibrator(str(record["method"]), **numbers)


def _fit_isotonic(raw: Floats, y: Floats, weight: Floats) -> Calibrator:
    """Pool adjacent violators; one more row with the base rate at either end keeps off 0 and 1.

    The two rows carry the mean of all, so that the mean prediction on the slice stays the mean
    outcome.
    """
    x, back = np.unique(raw, return_inverse=True)
    total = np.bincount(back, weight)
    mean = np.bincount(back, weight * y) / total
    base = float((total @ mean) / total.sum())
    padded = np.concatenate([[base], mean, [base]])
    p = isotonic_regression(padded, sample_weight=np.concatenate([[1.0], total, [1.0]]))[1:-1]
    ends = np.append(True, p[1:] != p[:-1]) | np.append(p[1:] != p[:-1], True)
    return Calibrator("isotonic", x=tuple(x[ends].tolist()), p=tuple(p[ends].tolist()))


def _design(method: str, raw: Floats) -> Floats:
    """Sigmoid: (1, s). Beta (Kull 2017): (1, ln p, -ln(1-p)) of the uncalibrated p."""
    one = np.ones_like(raw)
    if method == "sigmoid":
        return np.column_stack([one, raw])
    return np.column_stack([one, -np.logaddexp(0, -raw), np.logaddexp(0, raw)])


def _loss(raw: Floats, target: Floats, weight: Floats) -> float:
    return float(weight @ (np.logaddexp(0, raw) - target * raw))
