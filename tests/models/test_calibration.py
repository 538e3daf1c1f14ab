import json

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from data.errors import ContractError
from models.calibration import (
    FEWEST,
    METHODS,
    as_json,
    calibrate,
    expit,
    fit_calibrator,
    fit_logistic,
    fit_shift,
    from_json,
    logit,
    with_level,
)

REAL = [m for m in METHODS if m != "none"]


def _slice(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    raw = rng.normal(-2, 1.5, n)
    return raw, (rng.random(n) < expit(0.6 * raw + 0.5)).astype(float)


def test_isotonic_is_scikit_learns_where_the_ends_do_not_touch() -> None:
    raw, y = _slice(3_000)
    calibrator = fit_calibrator("isotonic", raw, y, np.ones_like(y))
    theirs = IsotonicRegression(out_of_bounds="clip").fit(raw, y).predict(raw)
    inner = np.abs(raw - raw.mean()) < 1.5
    np.testing.assert_allclose(calibrate(calibrator, raw)[inner], theirs[inner], atol=1e-5)


@pytest.mark.parametrize("method", ["isotonic", "sigmoid"])
def test_the_mean_probability_is_the_mean_outcome(method: str) -> None:
    raw, y = _slice(3_000)
    weight = np.random.default_rng(1).integers(1, 4, y.size).astype(float)
    p = calibrate(fit_calibrator(method, raw, y, weight), raw)
    # The tie-breaking share and Platt's two extra rows are all that may differ.
    assert weight @ p / weight.sum() == pytest.approx(weight @ y / weight.sum(), rel=2e-3)


@pytest.mark.parametrize("method", REAL)
@pytest.mark.parametrize("order", [1.0, -1.0])
def test_probabilities_rise_with_the_score_even_where_the_outcome_falls(
    method: str, order: float
) -> None:
    raw, y = _slice(500)
    p = calibrate(fit_calibrator(method, order * raw, y, np.ones_like(y)), np.sort(raw))
    assert (np.diff(p) > 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_perfect_separation_gives_no_certainty(method: str) -> None:
    raw = np.repeat([-30.0, -20.0, 20.0, 30.0], max(FEWEST.get(method, 2) // 2, 1))
    y = (raw > 0).astype(float)
    calibrator = fit_calibrator(method, raw, y, np.ones_like(y))
    p = calibrate(calibrator, np.array([-1e9, -30, 0, 30, 1e9]))
    assert (p > 0).all()
    assert (p < 1).all()
    assert p[0] < 0.5 < p[-1]


def test_separated_slices_say_what_their_size_can_say() -> None:
    raw, y = np.array([-20.0] * 3 + [20.0] * 3), np.array([0.0] * 3 + [1.0] * 3)
    p = calibrate(fit_calibrator("sigmoid", raw, y, np.ones(6)), raw)
    np.testing.assert_allclose(p, [0.2] * 3 + [0.8] * 3, atol=1e-5)  # 1/5 and 4/5


@pytest.mark.parametrize("method", METHODS)
def test_json_keeps_every_bit(method: str) -> None:
    raw, y = _slice(300)
    calibrator = fit_calibrator(method, raw, y, np.ones_like(y))
    assert from_json(json.loads(json.dumps(as_json(calibrator)))) == calibrator


def test_logistic_regression_finds_the_minimum() -> None:
    raw, y = _slice(400)
    design, weight = np.column_stack([np.ones(400), raw]), np.linspace(0.5, 2, 400)

    def loss(b: np.ndarray) -> float:
        s = design @ b
        return float(weight @ (np.logaddexp(0, s) - y * s))

    theirs = minimize(loss, np.zeros(2), tol=1e-12).x
    np.testing.assert_allclose(fit_logistic(design, y, weight), theirs, atol=1e-4)


def test_logistic_regression_survives_a_wild_start() -> None:
    raw = np.array([1e4, -1e4, 1.0, -1.0])
    coef = fit_logistic(
        np.column_stack([np.ones(4), raw]), np.array([0.9, 0.2, 0.5, 0.5]), np.ones(4)
    )
    assert np.isfinite(coef).all()


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.005), (1.0, 0.995)])
def test_a_level_of_all_or_nothing_is_half_a_row_of_doubt(share: float, expected: float) -> None:
    raw = np.zeros(100)
    shift = fit_shift(raw, np.full(100, share), np.ones(100))
    assert expit(raw + shift).mean() == pytest.approx(expected)


def _bent(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores whose true log-odds rise by half, then by one and a half: no sigmoid, no beta map."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(-3, 1.3, n)
    p = expit(-2.5 + np.where(raw < -2.5, 0.5, 1.5) * (raw + 2.5))
    return raw, p, (rng.random(n) < p).astype(float)


def test_a_spline_bends_where_two_parameters_cannot() -> None:
    raw, y = _bent(60_000, 0)[::2]
    later, p, _ = _bent(60_000, 1)

    def excess(method: str) -> float:
        q = calibrate(fit_calibrator(method, raw, y, np.ones_like(y)), later)
        return float(np.mean(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))))

    assert excess("spline") < 0.5 * min(excess("sigmoid"), excess("beta"))


def test_the_fewer_bad_outcomes_the_less_a_spline_bends() -> None:
    raw, _, y = _bent(60_000, 2)

    def bend(n: int) -> float:
        slopes = fit_calibrator("spline", raw[:n], y[:n], np.ones(n)).coef[1:]
        return float(np.ptp(slopes))

    assert bend(600) < 0.3 * bend(60_000)


@pytest.mark.parametrize("method", ["spline", "sigmoid", "beta"])
def test_parts_of_different_level_teach_one_shape(method: str) -> None:
    rng = np.random.default_rng(3)
    raw, part = rng.normal(0, 1.5, 40_000), np.repeat([0, 1], 20_000)
    y = (rng.random(40_000) < expit(0.8 * raw + np.where(part == 1, 2.0, -2.0))).astype(float)
    one = np.ones_like(y)
    apart = logit(calibrate(fit_calibrator(method, raw, y, one, part), np.array([-1.0, 1.0])))
    pooled = logit(calibrate(fit_calibrator(method, raw, y, one), np.array([-1.0, 1.0])))
    assert np.diff(apart)[0] == pytest.approx(1.6, abs=0.1)  # four standard errors of the slope
    assert np.diff(pooled)[0] < 1.3


@pytest.mark.parametrize("method", REAL)
def test_the_level_of_other_rows_moves_no_order(method: str) -> None:
    raw, y = _slice(3_000)
    weight = np.random.default_rng(1).integers(1, 4, y.size).astype(float)
    shape = fit_calibrator(method, raw, y, weight)
    moved = with_level(shape, raw + 1.0, y, weight)
    p = calibrate(moved, raw + 1.0)
    assert weight @ p / weight.sum() == pytest.approx(weight @ y / weight.sum(), rel=1e-4)
    assert (np.diff(calibrate(moved, np.sort(raw))) > 0).all()
    assert from_json(json.loads(json.dumps(as_json(moved)))) == moved


@pytest.mark.parametrize("method", sorted(FEWEST))
def test_too_few_outcomes_for_steps_are_refused_with_the_number_needed(method: str) -> None:
    raw, y = _slice(5_000)
    some = np.sort(np.append(np.flatnonzero(y == 1)[: FEWEST[method] - 1], np.flatnonzero(y == 0)))
    with pytest.raises(ContractError, match=f"99 rows of the rarer outcome.*needs {100}"):
        fit_calibrator(method, raw[some], y[some], np.ones(some.size))
    enough = np.append(some, np.flatnonzero(y == 1)[-1])
    assert fit_calibrator(method, raw[enough], y[enough], np.ones(enough.size)).method == method


def test_a_temperature_has_no_level() -> None:
    rng = np.random.default_rng(4)
    raw = rng.normal(-2, 1.5, 40_000)
    hot = (rng.random(raw.size) < expit(0.5 * raw)).astype(float)
    calibrator = fit_calibrator("temperature", raw, hot, np.ones_like(hot))
    assert calibrator.coef[0] == 0.0
    # The standard error of the slope: 1 / root of the sum of p (1 - p) raw^2.
    p = expit(0.5 * raw)
    error = 1 / np.sqrt((p * (1 - p) * raw**2).sum())
    assert calibrator.coef[1] == pytest.approx(0.5, abs=4 * error)
