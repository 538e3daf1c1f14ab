"""What will have become of a vintage: the bad rate by the horizon of cases that are still young.

In: when each case began and at which age it went bad. Out: a rate with an interval, or a reason why
there is none. What is known of a vintage is divided by the share that is usually known at its ages;
that share comes from the incidence curve of the recent past. The interval holds the luck of the
users in the vintage, the error of the curve, and how far the same projection may be off beyond that
luck, told by each time it could have been made before: delays that differ from season to season
show there. Few months tell that spread, and one of them may err more than they do on the average:
its upper confidence limit counts (Q-profile; Viechtbauer 2007).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from models.bootstrap import user_codes
from models.incidence import Seen, incidence, influence, seen

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

WINDOW_DAYS = 180.0  # how far back the curve looks
FEWEST_BAD = 5  # known bad cases of a vintage, and of the curve
LEAST_KNOWN = 0.1  # share of the outcome that must be known
FEWEST_LOOKS = 4  # earlier projections, to say how far they are off
CONFIDENCE = 0.9  # of the upper limit of how far they are off beyond luck
WIDEST = 0.5  # that limit, in logs, beyond which a projection is worth nothing


@dataclass(frozen=True)
class Cases:
    """`start` in days of a common clock; `bad` the age at which it went bad, NaN if it did not."""

    start: Floats
    bad: Floats
    users: NDArray[np.int64]


@dataclass(frozen=True)
class Ultimate:
    """`rate` and its interval are NaN where `refused` says why.

    `known` : the rate known today. `share` : how much of the outcome is usually known at these
    ages. `spread` : the standard deviation, in logs, that errors of earlier projections may have
    beyond their luck.
    """

    cases: int
    known: float
    share: float
    rate: float
    lower: float
    upper: float
    spread: float
    refused: str = ""


@dataclass(frozen=True)
class _Projection:
    """Logs of the rate; `moves`: each case's influence on it; `share` known."""

    log_rate: float
    moves: Floats
    share: float


def cases_of(start: ArrayLike, bad: ArrayLike, users: ArrayLike) -> Cases:
    """Arrays of equal length; a null user is a user of its own."""
    return Cases(np.asarray(start, np.float64), np.asarray(bad, np.float64), user_codes(users))


def ultimate(
    cases: Cases, since: float, until: float, look: float, horizon: float, level: float = 0.95
) -> Ultimate:
    """The bad rate by the horizon of the cases that began in `[since, until)`, seen at `look`.

    Only what was known before `look` is read; all times are days of the same clock.
    """
    here = (cases.start >= since) & (cases.start < min(until, look))
    n, bad = int(here.sum()), int((here & _known(cases, look, horizon)).sum())
    known = bad / n if n else float("nan")
    found = _projection(cases, here, look, horizon)
    if isinstance(found, str):
        nan = float("nan")
        return Ultimate(n, known, nan, nan, nan, nan, nan, found)
    spread, reason = 0.0, ""
    if found.share < 1:
        spread, reason = _spread(_earlier(cases, since, until, look, horizon))
    rate = float(np.exp(found.log_rate))
    scale = max(1 - rate, 1e-9)  # from logs to log-odds
    luck = _variance(found.moves, cases.users)
    half = norm.ppf((1 + level) / 2) * np.sqrt(luck + spread**2) / scale
    middle = found.log_rate - np.log(scale)
    low, high = 1 / (1 + np.exp(-(middle - half))), 1 / (1 + np.exp(-(middle + half)))
    if reason:
        low = high = rate = float("nan")
    return Ultimate(n, known, found.share, rate, float(low), float(high), spread, reason)


def vintages(
    cases: Cases, edges: ArrayLike, look: float, horizon: float, level: float = 0.95
) -> pd.DataFrame:
    """One row between two neighbouring `edges`: the fields of `Ultimate`."""
    cuts = np.asarray(edges, np.float64)
    rows = [ultimate(cases, lo, hi, look, horizon, level) for lo, hi in pairwise(cuts)]
    return pd.DataFrame([vars(row) for row in rows])


def triangle(cases: Cases, edges: ArrayLike, look: float, ages: ArrayLike) -> pd.DataFrame:
    """Share of each vintage that was bad by each age; NaN where its youngest case is younger."""
    cuts, columns = np.asarray(edges, np.float64), np.asarray(ages, np.float64)
    rows: list[dict[float, Any]] = []
    for lo, hi in pairwise(cuts):
        here = (cases.start >= lo) & (cases.start < hi)
        youngest = look - cases.start[here].max(initial=-np.inf)
        bad = cases.bad[here]
        rows.append(
            {
                a: float((bad <= a).mean()) if youngest >= a and here.any() else np.nan
                for a in columns
            }
        )
    return pd.DataFrame(rows, columns=columns)


def _known(cases: Cases, look: float, horizon: float) -> Mask:
    return (cases.bad <= horizon) & (cases.start + cases.bad < look)


def _window(cases: Cases, look: float, horizon: float) -> tuple[Mask, Seen]:
    """The cases that teach the curve, and what was known of them."""
    near = (cases.start >= look - horizon - WINDOW_DAYS) & (cases.start < look)
    return near, seen(cases.bad[near], look - cases.start[near])


def _projection(cases: Cases, here: Mask, look: float, horizon: float) -> _Projection | str:
    bad = here & _known(cases, look, horizon)
    if bad.sum() < FEWEST_BAD:
        return f"{int(bad.sum())} bad cases are known; {FEWEST_BAD} are needed"
    age = np.minimum(look - cases.start[here], horizon)
    if age.min() >= horizon:  # nothing to project
        moves = np.where(here, bad / bad.sum() - 1 / here.sum(), 0.0)
        return _Projection(float(np.log(bad.sum() / here.sum())), moves, 1.0)
    near, told = _window(cases, look, horizon)
    curve = incidence(told)
    if curve.times.size == 0 or look - cases.start[near].min() < horizon:
        return f"the history is shorter than the horizon of {horizon:g} days"
    whole = float(curve.at(horizon))
    share = curve.at(age) / whole
    total = float(share.sum())
    if total < LEAST_KNOWN * here.sum():
        return f"{total / here.sum():.1%} of the outcome is known; {LEAST_KNOWN:.0%} is needed"
    moves = np.zeros(len(here))
    moves[here] = bad[here] / bad.sum() - share / total
    # The share known is a quotient of two sums over the curve: every case in it moves both.
    counted = np.sort(age)
    reach = age.size - np.searchsorted(counted, curve.times, side="left")
    worth = np.where(curve.times <= horizon, reach / total - 1.0, 0.0) / whole
    moves[near] -= influence(told, curve, worth)
    return _Projection(float(np.log(bad.sum() / total)), moves, total / float(here.sum()))


def _earlier(
    cases: Cases, since: float, until: float, look: float, horizon: float
) -> list[tuple[float, float]]:
    """Errors in logs of the same projection at earlier looks, and their variance by luck."""
    step = max(until - since, 1.0)
    result = []
    first = cases.start.min()
    back = step * np.ceil((horizon + max(until - look, 0.0)) / step)
    while look - back - horizon >= first and since - back >= first:
        at = look - back
        here = (cases.start >= since - back) & (cases.start < min(until, look) - back)
        found = _projection(cases, here, at, horizon) if here.any() else ""
        final = here & (cases.bad <= horizon)
        if not isinstance(found, str) and final.any():
            moves = found.moves.copy()
            moves[here] -= final[here] / final.sum() - 1 / here.sum()
            error = found.log_rate - float(np.log(final.sum() / here.sum()))
            result.append((error, _variance(moves, cases.users)))
        back += step
    return result


def _spread(errors: list[tuple[float, float]]) -> tuple[float, str]:
    """The upper limit of what errors hold beyond luck; and why they allow no interval.

    With a spread s the sum of error^2 / (luck + s^2) is a chi-square of as many degrees as errors.
    """
    if len(errors) < FEWEST_LOOKS:
        return float("nan"), (
            f"{len(errors)} earlier vintages are old enough to say how far projections are off; "
            f"{FEWEST_LOOKS} are needed"
        )
    error, luck = (np.array(x) for x in zip(*errors, strict=True))
    least = float(chi2.ppf(1 - CONFIDENCE, len(errors)))

    def surplus(square: float) -> float:
        return float((error**2 / (luck + square)).sum()) - least

    widest = float(error @ error) / least  # there the sum is less, whatever the luck
    square = brentq(surplus, 0.0, widest) if surplus(0.0) > 0 else 0.0
    spread = float(np.sqrt(square))
    if spread > WIDEST:
        return spread, f"earlier projections were off by a factor of up to {np.exp(spread):.1f}"
    return spread, ""


def _variance(moves: Floats, users: NDArray[np.int64]) -> float:
    """Of a sum of influences, users being independent."""
    return float((np.bincount(users, moves) ** 2).sum())
