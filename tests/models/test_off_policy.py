import numpy as np
import pytest

from data.errors import ContractError
from models.off_policy import (
    Logged,
    bound_scores,
    effective_size,
    policy_value,
    value_bounds,
    value_scores,
)


def logged(n: int, seed: int = 0, unsupported: float = 0.0) -> tuple[Logged, float]:
    """Rewards that depend on what drives the propensity, and the true mean under the policy."""
    rng = np.random.default_rng(seed)
    x = rng.random(n)
    p = np.where(x < unsupported, 0.0, 0.1 + 0.8 * x)
    follows = rng.random(n) < p
    reward = 10 * x + rng.standard_normal(n)
    exact = rng.random(n) < 0.25
    weight = np.where(exact, 1.0, np.where(follows, 1 / np.where(p > 0, p, 1.0), 0.0))
    reward = np.where(exact, 0.0, reward)
    low, high = (np.where(exact, 0.0, v) for v in (np.full(n, -5.0), np.full(n, 15.0)))
    return Logged(np.arange(n), reward, weight, exact, low, high), 0.75 * 5


def test_weights_mend_what_the_matched_mean_gets_wrong() -> None:
    found, truth = logged(20_000)
    for model in (None, np.linspace(0, 7, 20_000)):  # any model that saw no outcome will do
        value = policy_value(found, model)
        assert value.lower < truth < value.upper
        assert value.upper - value.lower < 0.4
    matched = found.learnt & (found.weight > 0)
    assert found.reward[matched].mean() > 5 + 0.5  # where the mean of all is 5


def test_a_good_model_narrows_the_interval() -> None:
    rng = np.random.default_rng(0)
    found, _ = logged(5_000)
    x = rng.random(5_000)  # the generator's own x: the same seed, drawn first
    width = [
        np.diff([v.lower, v.upper])[0] for v in (policy_value(found, m) for m in (None, 10 * x))
    ]
    assert width[1] < 0.7 * width[0]


def test_the_scores_are_the_derivative_of_the_estimate() -> None:
    """A row counted a little more moves the estimate by its score's distance from it."""
    found, _ = logged(60)
    model = np.linspace(0, 7, 60)

    def estimate(count: np.ndarray) -> float:
        learnt = count * found.learnt
        w = learnt * found.weight
        gap = np.where(found.weight > 0, found.reward - model, 0.0)
        k = (w @ gap) / w.sum()
        fixed = count * found.exact
        return float((fixed @ found.reward + learnt @ model + learnt.sum() * k) / count.sum())

    scores = value_scores(found, model)
    one = np.ones(60)
    assert scores.mean() == pytest.approx(estimate(one))
    for i in range(60):
        step = one.copy()
        step[i] += 1e-6
        slope = (estimate(step) - estimate(one)) / 1e-6
        assert slope * 60 == pytest.approx(scores[i] - scores.mean(), abs=1e-3)


def test_bounds_hold_the_truth_where_support_is_missing() -> None:
    found, truth = logged(20_000, unsupported=0.2)
    bounds = value_bounds(found)
    assert bounds.lower < bounds.low < truth < bounds.high < bounds.upper
    # unsupported: a fifth of three quarters, and a range of 20
    assert bounds.high - bounds.low == pytest.approx(0.75 * 0.2 * 20, rel=0.1)
    value = policy_value(found)
    assert not value.lower < truth < value.upper  # which is why no estimate is given there


def test_with_every_propensity_1_bounds_are_the_range_of_what_was_not_done() -> None:
    follows = np.array([True, True, False, False])
    n = np.zeros(4)
    reward = np.array([3.0, 5.0, np.nan, np.nan])
    found = Logged(np.arange(4), reward, follows * 1.0, n > 0, n - 10, n + 10)
    low, high = bound_scores(found)
    np.testing.assert_array_equal(low, [3, 5, -10, -10])
    np.testing.assert_array_equal(high, [3, 5, 10, 10])


def test_nobody_followed_the_policy() -> None:
    zero = np.zeros(3)
    found = Logged(np.arange(3), zero, zero, zero > 0, zero, zero + 1)
    with pytest.raises(ContractError, match="no request was logged with the policy's action"):
        policy_value(found)
    assert effective_size(zero) == 0.0


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"weight": np.array([1.0, -1.0])}, "weights are negative or null"),
        ({"reward": np.array([1.0, np.nan])}, "rewards are null"),
        ({"low": np.array([1.0, 9.0])}, "ranges are empty"),
        ({"users": np.arange(3)}, "lengths differ"),
    ],
)
def test_broken_evidence_is_refused(change: dict[str, np.ndarray], what: str) -> None:
    two = np.ones(2)
    parts = {
        "users": np.arange(2), "reward": two, "weight": two, "exact": two > 1,
        "low": two, "high": two,
    }  # fmt: skip
    with pytest.raises(ContractError, match=what):
        Logged(**{**parts, **change})
