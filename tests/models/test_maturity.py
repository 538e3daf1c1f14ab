"""Weights that let young cases teach without calling them good."""

import numpy as np
import pytest

from data.errors import ContractError
from models.incidence import incidence, seen
from models.maturity import censoring_weights, maturity


def test_the_weights_are_the_curve() -> None:
    """Inverse probability of censoring and Kaplan-Meier are two ways to one number."""
    rng = np.random.default_rng(3)
    n = 5_000
    age = rng.integers(1, 200, n) + 0.5  # outcomes fall on whole days: no ties with an age
    days = np.where(rng.random(n) < 0.2, rng.integers(0, 90, n), np.nan)
    weight = censoring_weights(days, age, 60)
    bad = (days <= age) & (days <= 60)
    rate = (weight * bad).sum() / n
    # Known ages use every case, Kaplan-Meier those still open: equal but for the luck of ages.
    assert rate == pytest.approx(
        float(incidence(seen(days, age)).at(60)), abs=3 / np.sqrt(n) * 0.02
    )
    assert weight.sum() / n == pytest.approx(1.0, abs=0.01)


def test_unknown_outcomes_weigh_nothing_and_old_ones_stand_for_them() -> None:
    days, age = [5.0, np.nan, 50.0, np.nan, 70.0], [10.0, 10.0, 55.0, 80.0, 80.0]
    weight = censoring_weights(days, age, 60)
    assert weight.tolist() == [1.0, 0.0, 5 / 3, 2.5, 2.5]  # a claw-back after the horizon is good


def test_young_bad_cases_do_not_raise_the_rate() -> None:
    rng = np.random.default_rng(4)
    n = 60_000
    age, bad = rng.uniform(0, 120, n), rng.random(n) < 0.1
    days = np.where(bad, rng.uniform(0, 60, n), np.nan)
    weight = censoring_weights(days, age, 60)
    known = (days <= age).astype(float)
    rate = float(weight @ known / weight.sum())
    error = np.sqrt((weight**2 * (known - rate) ** 2).sum()) / weight.sum()
    assert abs(rate - 0.1) < 4 * error
    taken = (age >= 60) | (known > 0)  # whoever is known, without weights
    assert abs(known[taken].mean() - 0.1) > 4 * error


def test_maturity_is_a_distribution() -> None:
    days, age = np.array([1.0, 2.0, 3.0, 70.0]), np.full(4, 100.0)
    found = incidence(seen(days, age))
    assert maturity(found, [0, 1, 2, 60, 99], 60).tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 1])
    with pytest.raises(ContractError, match="no outcome"):
        maturity(incidence(seen([np.nan], [50.0])), 10, 60)


def test_a_history_without_old_cases_is_refused() -> None:
    with pytest.raises(ContractError, match=r"0\.0% of the cases"):
        censoring_weights([np.nan, 3.0], [20.0, 30.0], 60)
