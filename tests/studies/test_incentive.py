"""A small version of the study: the effect is covered, the plain difference misses it."""

import numpy as np
import pytest

from tests.studies import incentive
from tests.studies.case_worlds import REACTING, WORLDS, World

SEEDS = range(11, 41)
SLACK = 4 * float(np.sqrt(0.95 * 0.05 / len(SEEDS)))  # of a coverage of 95 %


@pytest.mark.parametrize("world", WORLDS, ids=[w.name for w in WORLDS])
def test_the_effect_is_covered_and_the_plain_difference_is_off(world: World) -> None:
    table = incentive.summary(world, SEEDS, users=1200)
    assert table.loc["aipw", "coverage"] > 0.95 - SLACK
    assert table.loc["aipw", "width_ratio"] < 1.5
    error = table.loc["aipw", "spread"] / np.sqrt(len(SEEDS))
    assert abs(table.loc["aipw", "bias"]) < 4 * error
    naive = abs(table.loc["unweighted", "bias"])
    assert naive > 3 * table.loc["unweighted", "spread"] / np.sqrt(len(SEEDS))
    refused = 1 - table.loc["carry_over", "coverage"]
    assert refused > 0.5 if world is REACTING else refused < 0.05 + SLACK
