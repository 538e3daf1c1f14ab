"""The study in the small: the interval holds what it says, and calling young cases good fails."""

import numpy as np
import pytest

from tests.studies.maturity import BASE, STRESS, study

SEEDS = range(5_000, 5_100)
LUCK = 3 * np.sqrt(0.95 * 0.05 / len(SEEDS))  # three standard errors of a coverage of 95 %


def test_the_interval_of_a_young_vintage_covers_and_known_so_far_does_not() -> None:
    found = study(BASE, SEEDS)
    assert found["coverage"] >= 0.95 - LUCK
    assert found["coverage_naive"] < 0.95 - LUCK
    assert found["width_ratio"] < 1.5
    assert found["refused"] == 0


@pytest.mark.parametrize("name", ["season"])
def test_seasons_in_risk_and_delay_are_covered_or_refused(name: str) -> None:
    found = study(STRESS[name], SEEDS)
    assert found["coverage"] >= 0.95 - LUCK
    assert max(found["coverage_naive"], found["coverage_matured"]) < 0.95 - LUCK
