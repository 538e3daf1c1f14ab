"""The advance under each plan: is it paid, when, at which stage, and when it is clawed back."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.market.draws import between
from data.market.fates import Fates
from data.market.requests import RETURN
from data.market.timeline import MINUTE, disputes
from data.market.world import DAY, HOUR, PLANS, Array, World

NEVER = np.iinfo(np.int64).max
STAGES = ("request", "first_scan", "delivered")


@dataclass(frozen=True)
class Advances:
    """Potential advances, arrays of shape (plans, cases); times in us, or `NEVER`."""

    fate: Array
    paid: Array
    paid_us: Array
    clawed_us: Array
    moments: tuple[pd.DataFrame, ...]  # one frame of `disputes` per plan


def advances(
    world: World, cases: pd.DataFrame, t: pd.DataFrame, book: Fates, fate: Array, can: Array
) -> Advances:
    """What happens to each case's advance under every plan."""
    n, back = len(cases), cases["refund_type"].to_numpy() == RETURN
    when = np.stack(
        [
            t["request"] + MINUTE + 1_000_000,
            t["scan_known"] + MINUTE,
            t["delivered_known"] + MINUTE,
            np.full(n, NEVER),
        ]
    )
    paid = np.take_along_axis(can, fate[:, :, None], axis=2)[:, :, 0]
    paid_us = np.where(paid, when, NEVER)
    moments = tuple(disputes(world, cases, t, back, f, book) for f in fate)
    clawed = np.stack(
        [_opened(world, t, d, book, f, p) for d, f, p in zip(moments, fate, paid_us, strict=True)]
    )
    return Advances(fate, paid, paid_us, np.where(paid, clawed, NEVER), moments)


def _opened(
    world: World, t: pd.DataFrame, d: pd.DataFrame, book: Fates, fate: Array, paid_us: Array
) -> Array:
    """When the claw-back of a paid case opens; `NEVER` for fates without one."""
    rng, n = world.stream("clawbacks"), len(t)
    soon = between(rng, 0.2, 6, n)
    later = between(rng, 24, 120, n)
    low, high = world.book["recovery"]["late_days"]
    very_late = between(rng, low * 24, high * 24, n)
    by_name = {
        "never_shipped": t["expire"] + soon,
        "fake_tracking": t["stuck"] + later,
        "carrier_lost": t["lost"] + soon,
        "merchant_fault": t["lost"] + soon,
        "withdrew_kept": t["withdraw"] + soon,
        "withdrew_repaid": t["withdraw"] + soon,
        "audit_abuse": d["audit_known"] + HOUR,
        "audit_late": np.minimum(paid_us, NEVER - 400 * DAY) + very_late,
    }
    ruled = d["ruled_known"] + HOUR
    table = [by_name.get(name, ruled) for name in book.names]
    opened = np.choose(fate, [np.asarray(column) for column in table])
    return np.where(book.cause[fate] >= 0, opened, NEVER)


def plan_of_action() -> Array:
    """The plan each action follows: a review ends like the normal track."""
    return np.array([*range(len(PLANS)), PLANS.index("after_inspection")])
