"""Does the log support a policy, segment by segment? What it does not support has no estimate.

In: weights of requests whose reward only the log can tell, and segments. Out: one row a segment,
and the reasons against a point estimate. That a request was decided another way for certain needs
no test; elsewhere the weights tell, whose mean is the share that has support.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.off_policy import effective_size
from models.propensities import Weights, support_p_value

Mask = NDArray[np.bool_]
MOST_MISSING = 0.01  # of the requests may lack what they need, and are left out and counted
FEWEST_EFFECTIVE = 20.0  # below it no interval is to be believed
FEWEST_LOSSES = 5  # with fewer the losses to come are anybody's guess, and no interval holds them
LEVEL = 0.001  # chance that full support is doubted somewhere


@dataclass(frozen=True)
class Segment:
    """How the log covers a part of the requests; figures are null where one user is all of it.

    `mean_weight` : estimates the share that has support. `effective` : Kish's sample size.
    """

    name: str
    requests: int
    users: int
    mean_weight: float
    effective: float
    largest: float
    doubted: bool


def covered(
    name: str, weight: NDArray[np.float64], users: NDArray[np.int64], largest: float, tests: int
) -> Segment:
    """One segment, judged at its share of the level."""
    n, people = len(weight), len(np.unique(users))
    if people < 2:
        nothing = float("nan")
        return Segment(name, n, people, nothing, nothing, nothing, False)
    return Segment(
        name,
        n,
        people,
        float(weight.mean()),
        effective_size(weight),
        float(weight.max()),
        support_p_value(weight, largest) < LEVEL / tests,
    )


def coverage(
    found: Weights, rows: Mask, users: NDArray[np.int64], segments: Mapping[str, Mask]
) -> tuple[Segment, ...]:
    """The requests of `rows`, all together and by segment; those without a weight are left out."""
    inside = rows & ~found.missing
    named = {"all": np.ones_like(rows), **segments}
    largest = float(found.weight[inside].max(initial=1.0))
    parts = {name: inside & part for name, part in named.items()}
    tests = sum(bool(part.any()) for part in parts.values())
    return tuple(
        covered(name, found.weight[part], users[part], largest, tests)
        for name, part in parts.items()
        if part.any()
    )


def objections(
    found: Weights, rows: Mask, segments: Sequence[Segment], money: NDArray[np.float64]
) -> list[str]:
    """Why no point estimate can be given; nothing speaks against one in an empty list.

    Parameters
    ----------
    rows : requests whose reward only the log can tell. money : amounts, shape (n,).
    """
    reasons: list[str] = []
    if not rows.any():
        return reasons
    lacking = float((found.missing & rows).mean() / rows.mean())
    if lacking > MOST_MISSING:
        reasons.append(
            f"{lacking:.1%} of the requests have no logged propensity or no known outcome "
            f"(more than {MOST_MISSING:.0%})"
        )
    never = found.impossible & rows & ~found.missing
    if never.any():
        total = float(money[rows].sum())
        share = f" with {money[never].sum() / total:.1%} of the money" if total > 0 else ""
        reasons.append(
            f"{never.sum():,} of {rows.sum():,} requests{share} were decided another way for "
            "certain (propensity 1)"
        )
    reasons += [
        f"segment {s.name}: the weights' mean is {s.mean_weight:.2f} where support makes it 1"
        for s in segments
        if s.doubted
    ]
    whole = next((s for s in segments if s.name == "all"), None)
    if whole is None or not whole.effective >= FEWEST_EFFECTIVE:
        size = 0.0 if whole is None or np.isnan(whole.effective) else whole.effective
        reasons.append(
            f"the requests decided as the policy would are worth {size:.1f} equally weighted "
            f"ones, {FEWEST_EFFECTIVE:.0f} are needed"
        )
    return reasons
