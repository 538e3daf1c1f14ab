from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as theirs
from sklearn.linear_model import LogisticRegression

from data.errors import ContractError
from models import metrics as ours
from models.calibration import expit


def _sample(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, probabilities with many ties, and weights of which some are 0."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(1, 5, n), 2).clip(0.01, 0.99)
    return (rng.random(n) < p).astype(float), p, rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_ranking_and_probability_figures_are_scikit_learns(seed: int) -> None:
    y, p, w = _sample(seed=seed)
    for name, figure in {
        "auc": theirs.roc_auc_score,
        "average_precision": theirs.average_precision_score,
        "log_loss": theirs.log_loss,
        "brier": theirs.brier_score_loss,
    }.items():
        assert getattr(ours, name)(y, p, w) == pytest.approx(figure(y, p, sample_weight=w))
        assert getattr(ours, name)(y, p) == pytest.approx(figure(y, p))


def test_ks_is_the_largest_gap_of_the_curves() -> None:
    y, p, w = _sample()
    false, true, _ = theirs.roc_curve(y, p, sample_weight=w, drop_intermediate=False)
    assert ours.ks(y, p, w) == pytest.approx(np.abs(true - false).max())


def test_gini_is_twice_the_area_above_chance() -> None:
    y, p, w = _sample()
    assert ours.gini(y, p, w) == pytest.approx(2 * theirs.roc_auc_score(y, p, sample_weight=w) - 1)


def test_calibration_slope_is_an_unpenalised_regression() -> None:
    y, p, w = _sample()
    logit = np.log(p / (1 - p))[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(logit, y, sample_weight=w)
    assert ours.calibration_slope(y, p, w) == pytest.approx(model.coef_[0, 0], rel=1e-5)


def test_loss_captured_by_hand() -> None:
    loss, p = [10.0, 0, 30, 0, 60], [0.9, 0.8, 0.7, 0.7, 0.1]
    assert ours.loss_captured(loss, p, 0.2) == pytest.approx(0.1)
    assert ours.loss_captured(loss, p, 0.8) == pytest.approx(0.4)
    assert ours.loss_captured(loss, p, 0.6) == pytest.approx(0.25)  # half of the tie's 30
    assert ours.recall_at_advance_rate([1, 0, 1, 0, 0], p, 0.8) == pytest.approx(0.5)


def test_calibration_error_by_hand() -> None:
    y, p = [0, 0, 0, 1, 1, 1, 1, 0], [0.25] * 4 + [0.5] * 4
    assert ours.calibration_error(y, p, bins=2) == pytest.approx((0 + 0.25) / 2)
    assert ours.calibration_in_the_large(y, p) == pytest.approx(3 / 4)


@given(st.integers(0, 10_000))
def test_losses_captured_of_a_weight_of_two_are_those_of_the_row_twice(seed: int) -> None:
    _, p, w = _sample(60, seed)
    w[0] = 1
    twice = np.repeat(np.arange(60), w.astype(int))
    money = np.arange(60.0)
    assert ours.loss_captured(money, p, 0.1, w) == pytest.approx(
        ours.loss_captured(money[twice], p[twice], 0.1)
    )


def test_propensity_weights_undo_the_policys_choice() -> None:
    rng = np.random.default_rng(3)
    n = 40_000
    x = rng.normal(size=n)
    p = expit(x - 2)
    y = (rng.random(n) < p).astype(float)
    p_wrong = expit(1.5 * x - 2)  # right where the policy pays (x < 0), too dark elsewhere
    p_said = np.where(x < 0, p, p_wrong)
    prob = np.where(x < 0, 0.9, 0.1)
    prob[:100] = 0.0
    taken = rng.random(n) < prob
    weight, outside = ours.propensity_weights(prob, taken)
    seen = weight > 0
    truth = ours.calibration_in_the_large(y, p_said)
    naive = ours.calibration_in_the_large(y[taken], p_said[taken])
    weighted = ours.calibration_in_the_large(y[seen], p_said[seen], weight[seen])
    assert outside == pytest.approx(100 / n)
    assert abs(weighted - truth) < 0.05 < abs(naive - truth)
    assert weight[seen].sum() == pytest.approx(n, rel=0.05)


def test_one_class_has_no_rank() -> None:
    for figure in (ours.auc, ours.ks, ours.average_precision, ours.loss_captured):
        assert np.isnan(figure([0, 0], [0.1, 0.2]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 0], [0.5]), "lengths differ"),
        (([1, np.nan], [0.5, 0.5]), "nulls among"),
        (([], []), "no rows"),
        (([1, 0], [1.0, 0.5]), "no log loss"),
    ],
)
def test_figures_that_cannot_be(arguments: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        ours.log_loss(*arguments)


def test_right_probabilities_err_by_chance_as_much_as_is_said() -> None:
    rng = np.random.default_rng(4)
    p = rng.beta(1, 15, 900)
    seen = [ours.calibration_error((rng.random(900) < p).astype(float), p) for _ in range(300)]
    said = ours.calibration_error_by_chance(p)
    # four standard errors, and what a bin of few bad cases is not normal
    assert abs(np.mean(seen) - said) < 4 * np.std(seen) / np.sqrt(300) + 0.03 * said
