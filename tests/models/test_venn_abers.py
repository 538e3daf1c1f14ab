import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from models.calibration import calibrate, expit, fit_calibrator
from models.venn_abers import fewest_steps, merged, step_of, venn_abers


def _slow(raw: np.ndarray, y: np.ndarray, weight: np.ndarray, score: float) -> list[float]:
    """p0 and p1 of one score: isotonic regression with the row added, under both outcomes."""
    pair = []
    for outcome in (0.0, 1.0):
        x, target = np.append(raw, score), np.append(y, outcome)
        model = IsotonicRegression().fit(x, target, sample_weight=np.append(weight, 1.0))
        pair.append(float(model.predict([score])[0]))
    return pair


rows = st.lists(
    st.tuples(st.integers(0, 8), st.booleans(), st.sampled_from([0.5, 1.0, 2.0])),
    min_size=1,
    max_size=25,
)


@given(rows)
def test_both_probabilities_are_those_of_a_refit(drawn: list[tuple[int, bool, float]]) -> None:
    raw, y, weight = (np.array(column, np.float64) for column in zip(*drawn, strict=True))
    x, p0, p1 = venn_abers(raw, y, weight)
    for score in np.arange(-0.5, 9.0, 0.5):  # before, at, between and behind all scores
        at = step_of(x, np.array([score]))[0]
        assert [p0[at], p1[at]] == pytest.approx(_slow(raw, y, weight, score), abs=1e-12)


@given(rows)
def test_the_steps_that_are_left_out_change_nothing(drawn: list[tuple[int, bool, float]]) -> None:
    raw, y, weight = (np.array(column, np.float64) for column in zip(*drawn, strict=True))
    x, p0, p1 = venn_abers(raw, y, weight)
    p = merged(p0, p1)
    assert (np.diff(p) >= -1e-12).all()
    assert (p0 <= p1 + 1e-12).all()
    scores = np.arange(-0.5, 9.0, 0.25)
    few, few_p = fewest_steps(x, p)
    np.testing.assert_array_equal(few_p[step_of(few, scores)], p[step_of(x, scores)])


def test_many_rows_are_quick_and_right() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(-2, 1.5, 200_000)
    y = (rng.random(raw.size) < expit(0.6 * raw + 0.5)).astype(float)
    calibrator = fit_calibrator("venn_abers", raw, y, np.ones_like(y))
    assert len(calibrator.x) < 20_000
    p, true = calibrate(calibrator, raw), expit(0.6 * raw + 0.5)
    # The error of isotonic steps falls with the cube root of the rows.
    assert np.abs(p - true).mean() < 200_000 ** (-1 / 3)


def test_the_probability_between_two_is_of_least_regret() -> None:
    p0, p1 = np.array([0.02, 0.3]), np.array([0.05, 0.9])
    p = merged(p0, p1)
    # The regret of p is that of log loss against p0 if the outcome is 0, against p1 if it is 1.
    np.testing.assert_allclose(np.log((1 - p0) / (1 - p)), np.log(p1 / p))
    assert ((p > p0) & (p < p1)).all()
