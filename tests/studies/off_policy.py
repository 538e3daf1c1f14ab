"""Coverage of the intervals of a policy's value: 500 histories, one calm world and three stresses.

Beside ours stand the same estimator with the true outcome functions (how wide must it be?), and
what is done naively: the mean of the rows that happened to match, what is not known yet taken for
good; and rows taken for independent.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Interval
from models.clustered import clustered_mean
from models.cross_fit import cross_fitted
from models.off_policy import Logged, policy_value, value_scores
from models.propensities import weights
from tests.studies.case_worlds import (
    CALM,
    DAYS,
    HOLD,
    HORIZON,
    INSTANT,
    LATE,
    REACTING,
    SCAN,
    WORLDS,
    Cases,
    World,
    lived,
    old_enough,
    target,
    true_bad,
    true_value,
    worth,
)
from tests.studies.coverage import coverage_table, flat, show

Floats = NDArray[np.float64]
METHODS = ("dr", "snips", "oracle", "iid", "unweighted")


def logged_of(cases: Cases) -> Logged:
    """The cases as evidence on the target policy; the normal track earns 0 for certain."""
    action = target(cases)
    found = weights(cases.prob, cases.action == action)
    held, n = action == HOLD, len(action)
    wide = np.full(n, 1e6)
    reward = np.where(held, 0.0, cases.reward)
    return Logged(cases.user, reward, np.where(held, 1.0, found.weight), held, -wide, wide)


def outcome_model(cases: Cases) -> Floats:
    """Cross-fitted, one ridge an action; it knows what is shown and nothing else."""
    action, found = target(cases), np.zeros(len(cases.user))
    for a in (SCAN, INSTANT):
        told = cross_fitted(cases.reward, cases.action == a, cases.columns, cases.user)
        found = np.where(action == a, told, found)
    return found


def intervals(world: World, seed: int, users: int | None = None) -> dict[str, Interval]:
    """Every method's interval on one history."""
    everything = lived(world, seed, users)
    cases = everything.take(old_enough(world, everything, HORIZON))
    logged = logged_of(cases)
    model = outcome_model(cases)
    action = target(cases)
    truth = worth(cases, action, true_bad(world, cases, action))
    scores = value_scores(logged, model)
    dr = clustered_mean(scores, cases.user)
    return {
        "dr": dr,
        "snips": policy_value(logged),
        "oracle": policy_value(logged, truth),
        "iid": clustered_mean(scores, np.arange(len(scores))),
        "unweighted": _unweighted(everything if world is LATE else cases),
        **({"long_run": dr} if world is REACTING else {}),
    }


def _unweighted(cases: Cases) -> Interval:
    """The mean of the rows that match, what is not known yet taken for good."""
    rows = cases.action == target(cases)
    late = cases.known_day > DAYS
    reward = np.where(late, worth(cases, cases.action, np.zeros(len(late))), cases.reward)
    return clustered_mean(reward[rows], np.flatnonzero(rows))


def summary(world: World, seeds: Sequence[int], users: int | None = None) -> Any:
    """One row a method: coverage of the truth, width against the oracle's, bias and spread."""
    truth = dict.fromkeys(METHODS, true_value(world, HORIZON))
    if world is LATE:  # all requests of the period are what the naive mean speaks of
        truth["unweighted"] = true_value(world, 0.0)
    if world is REACTING:
        truth["long_run"] = true_value(world, HORIZON, own=True)
    return coverage_table((intervals(world, seed, users) for seed in seeds), truth)


def tables(seeds: Sequence[int]) -> dict[str, Any]:
    """The summary of every world."""
    return {world.name: summary(world, seeds) for world in WORLDS}


def figures(seeds: Sequence[int]) -> dict[str, float]:
    """Coverage and width, `dr_*` in the calm world and `dr_<world>_*` under stress.

    `dr_reacting_coverage_long_run` reads the interval as what the policy would earn once its own
    payments have formed the buyers: the reading that is refused.
    """
    told = tables(seeds)
    show("a policy's value", told)
    long_run = told[REACTING.name].loc["long_run", "coverage"]
    snips = told[CALM.name].loc["snips", "coverage"]
    return flat("dr", told, "dr") | {
        "dr_coverage_snips": snips,
        "dr_reacting_coverage_long_run": long_run,
    }
