"""Does the interval of a young vintage's ultimate bad rate hold what it says?

Small worlds whose process is known: users with a lasting risk, two causes of different speed, two
years of pay-outs. A vintage of a month is looked at when its cases are 15 to 45 days old, the
horizon being 60. The truth is the process's rate: the mean outcome of that vintage over hundreds of
other worlds. Beside ours: the estimator that is given the true delays (its width is the measure),
what is known so far (young cases called good), and the matured cases of the months before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import gamma, norm

from models.ultimates import Cases, cases_of, ultimate

Floats = NDArray[np.float64]
HORIZON: Final = 60.0
LOOK: Final = 720.0
SINCE, UNTIL = LOOK - 45, LOOK - 15
SHOTS: Final = 400  # worlds that tell the truth, of other seeds than any study's
RARE: Final = 1_000_000


@dataclass(frozen=True)
class DelayWorld:
    """A process of pay-outs and claw-backs; frozen, for the studies stand on it.

    `season` : days of each `cycle` in which risk and delays are multiplied. `ties` : how much more
    often a risky user's claw-back is of the slow cause. `reacts` : what each earlier pay-out of a
    user adds to the log of its risk. `picks` : how strongly the policy avoids risky users.
    """

    cases: int = 12_000
    rate: float = 0.05
    ties: float = 0.2
    season: float = 0.0
    cycle: float = 90.0
    slower: float = 1.0
    riskier: float = 1.0
    reacts: float = 0.0
    picks: float = 0.0


BASE: Final = DelayWorld()
STRESS: Final = {
    "season": replace(BASE, season=30.0, slower=1.7, riskier=1.5, ties=0.4),
    "confounded": replace(BASE, picks=1.0, cases=20_000),
    "reacting": replace(BASE, reacts=0.15),
}


@dataclass(frozen=True)
class Lived:
    """One life of a world: cases in the order of time, and the true share known at the look."""

    cases: Cases
    known_share: Floats


def live(world: DelayWorld, seed: int) -> Lived:
    """Draw a world's pay-outs and what became of them."""
    rng = np.random.default_rng(seed)
    n = world.cases
    users = rng.integers(0, n // 3, n)
    trait = rng.gamma(0.6, 1 / 0.6, n // 3)[users]
    start = np.sort(rng.uniform(0, LOOK, n))
    in_season = start % world.cycle < world.season
    earlier = pd.Series(users).groupby(users).cumcount().to_numpy()
    risk = world.rate * trait * np.exp(world.reacts * earlier)
    risk = np.clip(np.where(in_season, world.riskier, 1.0) * risk, 0, 0.6)
    paid = rng.random(n) < 1 / (1 + world.picks * trait)  # riskier users are paid less often
    slow = rng.random(n) < 0.3 + world.ties * (trait > 1.5)
    speed = np.where(in_season, world.slower, 1.0)
    days = speed * np.where(slow, 8 + rng.gamma(4, 6, n), 2 + rng.gamma(2, 4, n))
    bad = np.where(rng.random(n) < risk, days, np.nan)
    share = _known_by(np.minimum(LOOK - start, HORIZON) / speed, trait, world)
    whole = _known_by(HORIZON / speed, trait, world)
    return Lived(cases_of(start[paid], bad[paid], users[paid]), (share / whole)[paid])


def _known_by(age: Floats, trait: Floats, world: DelayWorld) -> Floats:
    """P(known by this age | bad), of the process."""
    slow = 0.3 + world.ties * (trait > 1.5)
    late, soon = gamma.cdf(age - 8, 4, scale=6), gamma.cdf(age - 2, 2, scale=4)
    return np.asarray(slow * late + (1 - slow) * soon)


def truth(world: DelayWorld) -> float:
    """The process's rate of the vintage by the horizon."""
    bad = total = 0
    for shot in range(SHOTS):
        lived = live(world, RARE + shot).cases
        here = (lived.start >= SINCE) & (lived.start < UNTIL)
        bad, total = bad + int((lived.bad[here] <= HORIZON).sum()), total + int(here.sum())
    return bad / total


def study(world: DelayWorld, seeds: Sequence[int]) -> dict[str, float]:
    """Coverage of ours and of both naive methods, refusals, width against the true delays'."""
    true = truth(world)
    rows = [_one(live(world, seed), true) for seed in seeds]
    table = pd.DataFrame(rows)
    told = table[~table["refused"].astype(bool)]
    return {
        "truth": true,
        "coverage": float(told["inside"].mean()),
        "coverage_naive": float(table["inside_known"].mean()),
        "coverage_matured": float(table["inside_matured"].mean()),
        "width_ratio": float(told["width"].mean() / table["width_oracle"].mean()),
        "coverage_oracle": float(table["inside_oracle"].mean()),
        "refused": float(table["refused"].mean()),
    }


def _one(lived: Lived, true: float) -> dict[str, float]:
    c = lived.cases
    here = (c.start >= SINCE) & (c.start < UNTIL)
    known = here & (c.bad <= HORIZON) & (c.start + c.bad < LOOK)
    old = (c.start < LOOK - HORIZON) & (c.start >= LOOK - HORIZON - 180)
    ours = ultimate(c, SINCE, UNTIL, LOOK, HORIZON)
    ones = np.ones(int(here.sum()))
    spans = {
        "": (ours.lower, ours.upper),
        "_known": _ratio(known[here], ones, c.users[here]),
        "_matured": _ratio(c.bad[old] <= HORIZON, np.ones(int(old.sum())), c.users[old]),
        "_oracle": _ratio(known[here], lived.known_share[here], c.users[here]),
    }
    row = {f"inside{name}": float(lo <= true <= hi) for name, (lo, hi) in spans.items()}
    row |= {f"width{name}": hi - lo for name, (lo, hi) in spans.items()}
    return row | {"refused": float(bool(ours.refused))}


def _ratio(bad: NDArray[np.bool_], share: Floats, users: NDArray[np.int64]) -> tuple[float, float]:
    """A rate whose denominators are known, on the scale of log-odds, users being independent."""
    total = float(share.sum())
    rate = float(bad.sum()) / total
    moves = np.bincount(users, bad / bad.sum() - share / total)
    half = float(norm.ppf(0.975) * np.sqrt((moves**2).sum()) / (1 - rate))
    middle = float(np.log(rate) - np.log(1 - rate))
    return 1 / (1 + np.exp(-(middle - half))), 1 / (1 + np.exp(-(middle + half)))


def figures(seeds: Sequence[int]) -> dict[str, float]:
    """All worlds: keys `maturity_<figure>`, and `maturity_<figure>_<world>` under stress."""
    told = {"": study(BASE, seeds)}
    told |= {f"_{name}": study(world, seeds) for name, world in STRESS.items()}
    print("ultimate bad rate of a young vintage: coverage of 95 % intervals")
    print(pd.DataFrame(told).T.round(4).to_string())
    return {f"maturity_{k}{name}": v for name, row in told.items() for k, v in row.items()}
