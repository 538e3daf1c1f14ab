"""A policy's value from evidence: estimates where the log supports them, bounds in any case."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import ContractError, GateError
from models.bootstrap import Interval
from models.clustered import clustered_mean
from models.cross_fit import cross_fitted
from models.off_policy import Bounds, policy_value, value_bounds, value_scores
from models.policy import Policy
from models.support import FEWEST_LOSSES, Segment, coverage, objections
from pipelines.evidence import HELD, Evidence, followed, segments

LEARNT_FROM = ("value_instant_cents", "value_scan_cents", "loss_instant_cents", "amount_cents",
               "points", "hours_instant", "q_scan")  # fmt: skip


@dataclass(frozen=True)
class Valuation:
    """Cents per request. Estimates are null where `reasons` speak against them.

    `advanced` : requests the policy advances, of which `followed` were logged as it would have
    decided. `missing` lack a propensity or an outcome, `impossible` were decided another way for
    certain. `imputed` : advances whose hours saved were not seen. `losses` : the followed that lost
    money; with fewer than `FEWEST_LOSSES` the policy's estimates have null bounds, for users drawn
    anew would be as lucky as those seen. The log's own value goes by its own losses.
    """

    requests: int
    users: int
    advanced: int
    followed: int
    missing: int
    impossible: int
    imputed: int
    losses: int
    snips: Interval | None
    dr: Interval | None
    logged: Interval
    difference: Interval | None
    bounds: Bounds
    coverage: tuple[Segment, ...]
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of a gate that refused."""
        return GateError.exit_code if self.reasons else 0


def valued(evidence: Evidence, policy: Policy) -> Valuation:
    """SNIPS, DR, the log's own value and their difference, or reasons against and bounds.

    Raises
    ------
    ContractError : all requests are of one user.
    """
    logged, found, earned = evidence.logged(), evidence.found, evidence.earned
    learnt = logged.learnt
    covers = coverage(found, learnt, evidence.users, segments(evidence, policy))
    money = evidence.table["amount_cents"].to_numpy(np.float64, na_value=0.0)
    reasons = objections(found, learnt, covers, money)
    known = np.isfinite(earned.reward)
    if not known.any():
        raise ContractError("no outcome is known", where="ledger", fix="give a later --as-of")
    dr, snips, difference = _estimates(evidence) if not reasons else (None, None, None)
    lost = known & (earned.reward < 0)
    losses = int((lost & learnt & (logged.weight > 0)).sum())
    own = clustered_mean(earned.reward[known], evidence.users[known])
    if learnt.any() and losses < FEWEST_LOSSES:
        dr, snips, difference = (f and _unbounded(f) for f in (dr, snips, difference))
    return Valuation(
        requests=len(learnt),
        users=len(np.unique(evidence.users)),
        advanced=int(learnt.sum()),
        followed=int((learnt & (logged.weight > 0)).sum()),
        missing=int((learnt & found.missing).sum()),
        impossible=int((learnt & found.impossible & ~found.missing).sum()),
        imputed=int((learnt & (logged.weight > 0) & ~earned.observed_hours).sum()),
        losses=losses,
        snips=snips,
        dr=dr,
        logged=own if int(lost.sum()) >= FEWEST_LOSSES else _unbounded(own),
        difference=difference,
        bounds=value_bounds(logged),
        coverage=covers,
        reasons=tuple(reasons),
    )


def _unbounded(found: Interval) -> Interval:
    return replace(found, lower=math.nan, upper=math.nan)


def outcome_model(evidence: Evidence) -> NDArray[np.float64]:
    """The reward expected of each request under the policy, told by other users' requests."""
    action = evidence.table["action"].astype(object).to_numpy()
    X = evidence.table[list(LEARNT_FROM)].to_numpy(np.float64, na_value=np.nan)
    model = np.zeros(len(action))
    for name in sorted(set(action) - set(HELD)):
        same = followed(evidence.paths, np.full(len(action), name, object))
        taught = (same.weight > 0) & np.isfinite(evidence.earned.reward)
        told = cross_fitted(evidence.earned.reward, taught, X, evidence.users)
        model = np.where(action == name, told, model)
    return model


def _estimates(evidence: Evidence) -> tuple[Interval, Interval, Interval]:
    """DR, SNIPS, and DR less what was earned, of the requests of which all is known."""
    known = np.isfinite(evidence.earned.reward)
    rows: NDArray[np.bool_] = known & (evidence.exact | ~evidence.found.missing)
    some = evidence.logged().take(rows)
    scores = value_scores(some, outcome_model(evidence)[rows])
    more = scores - evidence.earned.reward[rows]
    dr, difference = (clustered_mean(s, some.users) for s in (scores, more))
    return dr, policy_value(some), difference
