"""Coverage of the interval of the incentive effect: 500 histories, one calm world, three stresses.

The effect is what paying at once adds to the chance that the return is not finished. Beside ours:
the same estimator with the true outcome functions; the plain difference of paid and held cases;
and rows taken for independent. In the world whose users react, an earlier payment moves later
cases: ours holds at the histories that were lived, and the test of carry-over must say so.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Interval
from models.clustered import clustered_mean
from models.incentive import Arms, carry_over, effect_scores, unweighted_difference
from models.off_policy import value_scores
from models.propensities import weights
from tests.studies.case_worlds import (
    DAYS,
    DEADLINE,
    HOLD,
    INSTANT,
    LATE,
    WORLDS,
    Cases,
    World,
    lived,
    old_enough,
    true_bad,
    true_effect,
)
from tests.studies.coverage import coverage_table, flat, show

Floats = NDArray[np.float64]
METHODS = ("aipw", "oracle", "iid", "unweighted")


def arms_of(cases: Cases) -> Arms:
    """Paid at once against held; the plan to pay at the scan is neither."""
    paid, held = (weights(cases.prob, cases.action == a) for a in (INSTANT, HOLD))
    return Arms(cases.user, cases.bad.astype(np.float64), paid, held)


def intervals(world: World, seed: int, users: int | None = None) -> dict[str, Interval]:
    """Every method's interval on one history, and the test of carry-over."""
    everything = lived(world, seed, users)
    cases = everything.take(old_enough(world, everything, DEADLINE))
    arms = arms_of(cases)
    scores = effect_scores(arms, cases.columns)
    truth = [true_bad(world, cases, a) for a in (INSTANT, HOLD)]
    sides = [
        value_scores(arms.logged(arm), m)
        for arm, m in zip((arms.paid, arms.held), truth, strict=True)
    ]
    return {
        "aipw": clustered_mean(scores, cases.user),
        "oracle": clustered_mean(sides[0] - sides[1], cases.user),
        "iid": clustered_mean(scores, np.arange(len(scores))),
        "unweighted": unweighted_difference(arms_of(_naive(everything, world))),
        "carry_over": carry_over(arms, previous_payment(arms, cases)),
    }


def _naive(everything: Cases, world: World) -> Cases:
    """All cases of the last day; what has not come yet is counted as not finished."""
    if world is not LATE:
        return everything.take(old_enough(world, everything, DEADLINE))
    waits = everything.known_day > DAYS
    return Cases(**{**vars(everything), "bad": everything.bad | waits})


def previous_payment(arms: Arms, cases: Cases) -> Floats:
    """Each case's weight of having been paid less that of having been held, one case later."""
    order = np.lexsort((cases.position, cases.user))
    moved = (arms.paid.weight - arms.held.weight)[order]
    same = cases.user[order][1:] == cases.user[order][:-1]
    found = np.full(len(order), np.nan)
    found[order[1:]] = np.where(same, moved[:-1], np.nan)
    return found


def summary(world: World, seeds: Sequence[int], users: int | None = None) -> Any:
    """One row a method: coverage, width against the oracle's, bias; for `carry_over`, of 0."""
    truth = dict.fromkeys(METHODS, true_effect(world, DEADLINE)) | {"carry_over": 0.0}
    if world is LATE:  # the plain difference takes all requests
        truth["unweighted"] = true_effect(world, 0.0)
    return coverage_table((intervals(world, seed, users) for seed in seeds), truth)


def tables(seeds: Sequence[int]) -> dict[str, Any]:
    """The summary of every world."""
    return {world.name: summary(world, seeds) for world in WORLDS}


def figures(seeds: Sequence[int]) -> dict[str, float]:
    """Coverage and width, `incentive_*` in the calm world and `incentive_<world>_*` under stress.

    `*_carry_over` is the share of histories in which the long-run reading was refused.
    """
    told = tables(seeds)
    show("what paying at once does to returns", told)
    refused = {
        f"incentive_{name}_carry_over": 1 - table.loc["carry_over", "coverage"]
        for name, table in told.items()
    }
    return flat("incentive", told, "aipw") | refused
