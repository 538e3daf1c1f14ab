"""Calibration: raw scores (log-odds of a model) to probabilities that may meet money.

In: raw scores and outcomes of rows that the model was not fitted on. Out: a `Calibrator`, plain
numbers that stand in JSON. A calibrated probability is never 0 or 1, and two different raw scores
never tie: isotonic steps keep the order of the scores inside them.

`spline` is a broken line through the log-odds, equally many bad outcomes to a piece. A piece keeps
the common slope unless its outcomes say otherwise, so few outcomes give Platt's sigmoid and many
bend it where a curve of two parameters could not. `temperature` is the same slope for all log-odds
and no level; `venn_abers` the merged probability of two isotonic fits (`models.isotonic`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from data.errors import ContractError, ModelError, UsageError, nearest
from models.isotonic import fit_isotonic, fit_venn_abers, steps_at

Floats = NDArray[np.float64]
Parts = NDArray[np.int64]

METHODS = ("spline", "isotonic", "venn_abers", "sigmoid", "beta", "temperature", "none")
STEPS = ("isotonic", "venn_abers")
#: Rows of the rarer outcome that a method needs. Curves carry a prior (Platt's rows, a common
#: slope) and say as much as their rows can; steps have none, and one is a handful of outcomes.
FEWEST = {"isotonic": 100, "venn_abers": 100}
PIECES = 8
BEND = 0.15  # standard deviation of a piece's slope around the common one, before any outcome
# Share of the uncalibrated probability: breaks ties of the steps, moves no probability visibly.
_TIE = 1e-6


@dataclass(frozen=True)
class Calibrator:
    """`x`: knots (isotonic, spline) or steps (venn_abers), `p`: probabilities there and between.

    `coef`: intercept and slopes (the others). `shift`: added to the log-odds at the end.
    """

    method: str
    x: tuple[float, ...] = ()
    p: tuple[float, ...] = ()
    coef: tuple[float, ...] = ()
    shift: float = 0.0


def check_method(method: str) -> None:
    """Refuse an unknown name; "none" (no calibration) is for studies, not for money."""
    if method not in METHODS:
        fix = nearest(str(method), list(METHODS)) or f"known: {', '.join(METHODS)}"
        raise UsageError(f"unknown calibration '{method}'", where="calibration", fix=fix)


def fit_calibrator(
    method: str, raw: Floats, y: Floats, weight: Floats, part: Parts | None = None
) -> Calibrator:
    """Fit on held-out rows.

    Parameters
    ----------
    raw : shape (n,), log-odds; y : 0 or 1; weight : above 0, a weight of 2 is the row twice.
    part : which trees scored the row (0, 1, ...). Each may have a level of its own: the shape is
        that inside the parts, the level their mean. Steps and temperature pool them.

    Raises
    ------
    ContractError : fewer rows of an outcome than the method needs (`FEWEST`).
    """
    check_method(method)
    check_size(method, y)
    if method == "none":
        return Calibrator(method)
    if method in STEPS:
        x, p = (fit_isotonic if method == "isotonic" else fit_venn_abers)(raw, y, weight)
        return Calibrator(method, x=tuple(x.tolist()), p=tuple(p.tolist()))
    # Platt's targets: as if one more row of each class had been seen, so that a slice that the
    # model separates perfectly gives no infinite slope.
    good, bad = weight[y == 0].sum(), weight[y == 1].sum()
    soft = np.where(y == 1, (bad + 1) / (bad + 2), 1 / (good + 2))
    levels = np.eye(int(part.max()) + 1)[part] if part is not None else np.ones((raw.size, 1))
    if method == "spline":
        return _fit_spline(raw, y, soft, weight, levels)
    if method == "temperature":
        slope = float(fit_logistic(raw[:, None], soft, weight)[0])
        return Calibrator(method, coef=(0.0, max(slope, 0.0)))
    shape = _design(method, raw)
    slopes = np.ones(shape.shape[1])
    while True:
        design = np.column_stack([levels, shape * (slopes > 0)])
        coef = fit_logistic(design, soft, weight)
        slopes = coef[levels.shape[1] :]
        if not (slopes < 0).any():  # a falling curve would turn the model's order round
            return Calibrator(method, coef=(_mean_level(coef, levels, weight), *slopes.tolist()))


def check_size(method: str, y: Floats) -> None:
    """Refuse a slice whose rarer outcome has fewer rows than the method needs."""
    needed, rarer = FEWEST.get(method, 0), int(min((y == 0).sum(), (y == 1).sum()))
    if rarer < needed:
        raise ContractError(
            f"{rarer} rows of the rarer outcome to calibrate on; {method} needs {needed}",
            where="slice calibrate",
            fix='give a longer history or a larger share, or calibrate with "spline"',
        )


def calibrate(calibrator: Calibrator, raw: Floats) -> Floats:
    """Probabilities in the open interval (0, 1), increasing with `raw`."""
    plain = expit(raw)
    if calibrator.method == "none":
        return np.clip(plain, 1e-9, 1 - 1e-9)
    if calibrator.method in STEPS:
        p = steps_at(np.array(calibrator.x), np.array(calibrator.p), raw)
        p = p if not calibrator.shift else expit(logit(p) + calibrator.shift)
    elif calibrator.method in METHODS:
        shape = _design(calibrator.method, raw, calibrator.x)
        p = expit(calibrator.coef[0] + calibrator.shift + shape @ np.array(calibrator.coef[1:]))
    else:
        raise ModelError(
            f"unknown calibration '{calibrator.method}'", fix="the artifact is of a later version"
        )
    return np.clip((1 - _TIE) * p + _TIE * plain, 1e-9, 1 - 1e-9)


def with_level(calibrator: Calibrator, raw: Floats, y: Floats, weight: Floats) -> Calibrator:
    """The same shape at the level where the mean probability of these rows is their mean outcome.

    For trees trained again after the calibrator was fitted on sisters': what the sisters could not
    know yet, such as a risk that has risen since, the new trees have learnt, and a calibrator that
    adds it once more would be too high.
    """
    if calibrator.method == "none" or not raw.size:
        return calibrator
    logits = logit(calibrate(calibrator, raw))
    return replace(calibrator, shift=calibrator.shift + fit_shift(logits, y, weight))


def fit_shift(raw: Floats, target: Floats, weight: Floats) -> float:
    """The shift of log-odds that makes the weighted mean probability the weighted mean target.

    Where all targets are 0 or all are 1 there is no finite answer: half a row of the other kind is
    then assumed. Without rows the shift is 0.
    """
    if not raw.size:
        return 0.0
    total, half = float(weight.sum()), float(weight.mean()) / 2
    wanted = float(weight @ target)
    if wanted <= 0 or wanted >= total:
        wanted = half if wanted <= 0 else total - half

    def surplus(shift: float) -> float:
        return float(weight @ expit(raw + shift)) - wanted

    reach = 50.0 + float(np.abs(raw).max())
    return float(brentq(surplus, -reach, reach, xtol=1e-14, rtol=1e-14, maxiter=500))


def fit_logistic(
    design: Floats, target: Floats, weight: Floats, precision: Floats | None = None
) -> Floats:
    """Coefficients of a weighted logistic regression by Newton's method; targets in [0, 1].

    A column of zeros keeps the coefficient 0. `precision`: per coefficient, 1 / variance of a
    normal prior around 0.
    """
    coef = np.zeros(design.shape[1])
    prior = np.zeros(design.shape[1]) if precision is None else precision
    ridge = 1e-10 * weight.sum() * np.eye(design.shape[1]) + np.diag(prior)

    def penalised(b: Floats) -> float:
        return _loss(design @ b, target, weight) + 0.5 * float(prior @ (b * b))

    loss = penalised(coef)
    for _ in range(100):
        p = expit(design @ coef)
        gradient = design.T @ (weight * (target - p)) - prior * coef
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        while (new := penalised(coef + step)) > loss and step.any():
            step = np.where(np.abs(step) < 1e-12, 0.0, step / 2)
        coef, loss = coef + step, new
        if np.abs(step).max() < 1e-10:
            break
    return coef


def expit(raw: Floats) -> Floats:
    """The logistic function, without overflow at either end."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * raw)), np.float64)


def logit(p: Floats) -> Floats:
    """Log-odds of probabilities in the open interval (0, 1)."""
    return np.asarray(np.log(p) - np.log1p(-p), np.float64)


def as_json(calibrator: Calibrator) -> dict[str, Any]:
    """A dictionary of plain numbers; `from_json` gives the same bits back."""
    return (
        {"method": calibrator.method}
        | {k: list(getattr(calibrator, k)) for k in ("x", "p", "coef")}
        | {"shift": calibrator.shift}
    )


def from_json(record: dict[str, Any]) -> Calibrator:
    """The calibrator of `as_json`."""
    numbers = {k: tuple(map(float, record[k])) for k in ("x", "p", "coef")}
    return Calibrator(str(record["method"]), **numbers, shift=float(record["shift"]))


def _fit_spline(raw: Floats, y: Floats, soft: Floats, weight: Floats, levels: Floats) -> Calibrator:
    order = np.argsort(raw, kind="stable")
    bad = np.cumsum((weight * y)[order])
    cuts = np.searchsorted(bad, bad[-1] * np.arange(1, PIECES) / PIECES)
    knots = np.unique(raw[order][cuts])
    pieces, k = _design("spline", raw, knots), levels.shape[1]
    # The pieces sum to the score: its slope is free, theirs are departures from it.
    precision = np.append(np.zeros(k + 1), np.full(pieces.shape[1], BEND**-2))
    coef = fit_logistic(np.column_stack([levels, raw, pieces]), soft, weight, precision)
    slopes = np.maximum(coef[k] + coef[k + 1 :], 0.0)
    level = fit_shift(pieces @ slopes, soft, weight)
    return Calibrator("spline", x=tuple(knots.tolist()), coef=(level, *slopes.tolist()))


def _mean_level(coef: Floats, levels: Floats, weight: Floats) -> float:
    return float((weight @ levels) @ coef[: levels.shape[1]] / weight.sum())


def _design(method: str, raw: Floats, knots: Sequence[float] | Floats = ()) -> Floats:
    """What the slopes multiply.

    Sigmoid, temperature: s. Beta (Kull 2017): ln p, -ln(1-p) of uncalibrated p. Spline: the part of
    the score that lies in each piece; they sum to the score less a constant.
    """
    if method in ("sigmoid", "temperature"):
        return raw[:, None]
    if method == "beta":
        return np.column_stack([-np.logaddexp(0, -raw), np.logaddexp(0, raw)])
    edges = np.concatenate([[-np.inf], knots, [np.inf]])
    start = np.append(edges[1], edges[1:-1])  # the first piece ends where it counts from
    return np.asarray(np.clip(raw[:, None], edges[:-1], edges[1:]) - start, np.float64)


def _loss(raw: Floats, target: Floats, weight: Floats) -> float:
    return float(weight @ (np.logaddexp(0, raw) - target * raw))
