import numpy as np
import pytest

from data.errors import ContractError
from models.incentive import (
    Arms,
    carry_over,
    effect_bounds,
    incentive_effect,
    unweighted_difference,
)
from models.propensities import weights

N, EFFECT = 20_000, 0.08


def arms(seed: int = 0, sure: float = 0.0) -> tuple[Arms, np.ndarray]:
    """Riskier buyers are held; `sure` of them for certain."""
    rng = np.random.default_rng(seed)
    risk = rng.random(N)
    p = np.where(risk > 1 - sure, 0.0, 0.9 - 0.8 * risk)
    third = rng.random(N) < 0.1
    paid = rng.random(N) < p
    bad = rng.random(N) < 0.05 + 0.3 * risk + EFFECT * paid
    prob = np.where(third, 0.1, 0.9 * np.where(paid, p, 1 - p))
    prob = np.where(~third & (risk > 1 - sure), 0.9, prob)
    found = [weights(prob, ~third & same) for same in (paid, ~paid)]
    return Arms(np.arange(N) // 2, bad.astype(float), *found), risk


def test_the_effect_is_found_where_the_plain_difference_misses_it() -> None:
    found, risk = arms()
    effect = incentive_effect(found, risk[:, None])
    assert effect.lower < EFFECT < effect.upper
    assert effect.upper - effect.lower < 0.08
    assert unweighted_difference(found).upper < EFFECT / 2


def test_without_support_the_bounds_hold_the_truth() -> None:
    found, _ = arms(sure=0.2)
    bounds = effect_bounds(found)
    assert bounds.lower < EFFECT < bounds.upper
    assert bounds.high - bounds.low == pytest.approx(0.2, abs=0.04)  # the share without a paid arm


def test_one_arm_alone_has_no_effect() -> None:
    found, risk = arms()
    alone = Arms(found.users, found.outcome, found.paid, weights(np.ones(N), np.zeros(N, bool)))
    with pytest.raises(ContractError, match="no request was logged"):
        incentive_effect(alone, risk[:, None])
    bounds = effect_bounds(alone)
    assert bounds.high - bounds.low > 0.99


def test_carry_over_is_seen_if_it_is_there_and_only_then() -> None:
    rng, users = np.random.default_rng(3), 8_000
    for moved in (0.0, 0.15):
        paid = rng.random((users, 2)) < 0.5
        bad = rng.random((users, 2)) < 0.1 + np.column_stack([np.zeros(users), moved * paid[:, 0]])
        half = np.full(2 * users, 0.5)
        both = [weights(half, same.ravel()) for same in (paid, ~paid)]
        found = Arms(np.repeat(np.arange(users), 2), bad.ravel().astype(float), *both)
        sign = np.where(paid[:, 0], 2.0, -2.0)
        previous = np.column_stack([np.full(users, np.nan), sign]).ravel()
        effect = carry_over(found, previous)
        assert effect.lower < moved < effect.upper
        assert (effect.lower <= 0 <= effect.upper) == (moved == 0)
