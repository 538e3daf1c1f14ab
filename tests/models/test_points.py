import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ContractError, UsageError
from models.points import points, probability, tiers


def test_600_points_at_30_to_1_and_20_double_the_odds() -> None:
    np.testing.assert_allclose(points([1 / 31, 1 / 61, 1 / 16]), [600, 620, 580])


@given(st.floats(1e-9, 1 - 1e-9))
def test_points_and_probability_are_inverses(p: float) -> None:
    assert probability(points(p)) == pytest.approx(p, rel=1e-9)


def test_riskier_is_fewer_points_and_missing_stays_missing() -> None:
    scores = points([0.01, 0.02, np.nan])
    assert scores[0] > scores[1]
    assert np.isnan(scores[2])


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, 1.1])
def test_certainty_has_no_points(p: float) -> None:
    with pytest.raises(ContractError, match="not between 0 and 1"):
        points([0.5, p])


def test_tiers_begin_at_their_cut() -> None:
    cuts = {"A": 640.0, "B": 600.0}
    found = tiers([700, 640, 639.9, 600, 599, np.nan], cuts, below="C")
    assert found.tolist() == ["A", "A", "B", "B", "C", None]


def test_cuts_that_do_not_fall() -> None:
    with pytest.raises(UsageError, match="best tier first"):
        tiers([1], {"B": 600, "A": 640})
