"""The study in the small: which calibrator, and from how many bad outcomes on."""

import numpy as np
import pytest

from models.calibration import calibrate, expit, fit_calibrator
from tests.studies.calibrators import distance

CURVES, STEPS = ("spline", "sigmoid", "beta"), ("isotonic", "venn_abers")


def _excess(n: int, seeds: range, bent: bool) -> dict[str, np.ndarray]:
    """Excess log loss of each method on later rows, one value a world; scores bent or straight."""
    told: dict[str, list[float]] = {m: [] for m in (*CURVES, *STEPS, "temperature", "none")}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        raw = rng.normal(-3, 1.3, n + 20_000)
        slope = np.where(raw < -2.5, 0.5, 1.5) if bent else 1.2
        true = expit(-2.5 + slope * (raw + 2.5))
        y = (rng.random(raw.size) < true).astype(float)
        for method, found in told.items():
            fitted = fit_calibrator(method, raw[:n], y[:n], np.ones(n))
            found.append(distance(true[n:], calibrate(fitted, raw[n:]))["excess"])
    return {m: np.array(found) for m, found in told.items()}


def _less(a: np.ndarray, b: np.ndarray) -> float:
    """How many standard errors `a` is below `b`, world by world."""
    return float((b - a).mean() / ((b - a).std(ddof=1) / np.sqrt(a.size)))


def test_where_a_curve_is_right_steps_of_few_outcomes_cost_more() -> None:
    found = _excess(1_500, range(25), bent=False)  # some 150 bad outcomes
    for curve in CURVES:
        for step in STEPS:
            assert _less(found[curve], found[step]) > 3, (curve, step)


def test_where_two_parameters_are_wrong_many_outcomes_tell_and_the_spline_is_nearest() -> None:
    found = _excess(40_000, range(8), bent=True)  # some 5,000
    for step in STEPS:
        assert _less(found[step], found["sigmoid"]) > 3
        assert _less(found["spline"], found[step]) > 3
    for method in ("temperature", "none"):
        assert _less(found["sigmoid"], found[method]) > 3


@pytest.mark.parametrize("bent", [True, False])
def test_venn_abers_is_nearer_than_isotonic_alone(bent: bool) -> None:
    found = _excess(1_500, range(25), bent)
    assert _less(found["venn_abers"], found["isotonic"]) > 3


def test_the_distance_is_none_for_the_truth_itself() -> None:
    p = np.random.default_rng(0).uniform(0.01, 0.5, 1_000)
    assert distance(p, p) == {"excess": 0.0, "gap": 0.0}
    far = distance(p, np.full(1_000, p.mean()))
    assert far["excess"] > 10
