"""A small version of the study: intervals hold the truth, naive ones do not."""

import numpy as np
import pytest

from tests.studies import off_policy
from tests.studies.case_worlds import CALM, HORIZON, REACTING, WORLDS, World, true_value

SEEDS = range(11, 41)
SLACK = 4 * float(np.sqrt(0.95 * 0.05 / len(SEEDS)))  # of a coverage of 95 %


@pytest.mark.parametrize("world", WORLDS, ids=[w.name for w in WORLDS])
def test_the_value_is_covered_and_hardly_wider_than_it_must_be(world: World) -> None:
    table = off_policy.summary(world, SEEDS, users=1200)
    assert table.loc[["dr", "snips"], "coverage"].min() > 0.95 - SLACK
    assert table.loc["dr", "width_ratio"] < 1.5
    error = table.loc["dr", "spread"] / np.sqrt(len(SEEDS))
    assert abs(table.loc["dr", "bias"]) < 4 * error
    naive = abs(table.loc["unweighted", "bias"])
    assert naive > 3 * table.loc["unweighted", "spread"] / np.sqrt(len(SEEDS))


def test_in_the_long_run_the_policy_is_worth_something_else_where_users_react() -> None:
    lived, own = (true_value(REACTING, HORIZON, own) for own in (False, True))
    assert own < lived - 80
    calm = true_value(CALM, HORIZON), true_value(CALM, HORIZON, True)
    assert calm[0] == pytest.approx(calm[1], abs=1e-9)
