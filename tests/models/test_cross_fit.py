import numpy as np
import pytest

from data.errors import ContractError
from models.cross_fit import PENALTY, cross_fitted


def test_no_user_has_a_part_in_what_is_said_of_him() -> None:
    rng = np.random.default_rng(0)
    users, X = np.repeat(np.arange(40), 3), rng.standard_normal((120, 2))
    y, taught = X[:, 0] + rng.standard_normal(120), rng.random(120) < 0.7
    before = cross_fitted(y, taught, X, users)
    for user in range(0, 40, 7):
        own = users == user
        after = cross_fitted(np.where(own, 1e6, y), taught, X, users)
        np.testing.assert_allclose(after[own], before[own])
        if (own & taught).any():
            assert np.abs(after[~own] - before[~own]).max() > 1


def test_a_linear_outcome_is_found_through_nulls_and_unknown_rows() -> None:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((4000, 3))
    y = 5 + 2 * X[:, 0] - X[:, 1]
    X[:, 2] = np.nan
    taught = np.arange(4000) % 2 == 0
    found = cross_fitted(np.where(taught, y, np.nan), taught, X, np.arange(4000))
    slack = 2 * PENALTY / 1_600 * np.abs(y - y.mean())  # the penalty's share of the rows
    assert (np.abs(found - y) < slack + 0.05).all()


def test_without_rows_the_model_says_nothing_and_a_null_outcome_is_refused() -> None:
    none = cross_fitted([1.0, 2.0], [False, False], np.ones((2, 1)), [1, 2])
    np.testing.assert_array_equal(none, 0.0)
    with pytest.raises(ContractError, match="an outcome to learn from is null"):
        cross_fitted([np.nan, 2.0], [True, True], np.ones((2, 1)), [1, 2])
