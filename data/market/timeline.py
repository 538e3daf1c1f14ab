"""The moments of each case, drawn once for all plans: when things happen if they happen.

All times are microseconds since 1970. A moment that the case's fate does not contain is drawn
too and never used: so the same case runs on the same clock under every plan.
"""

import numpy as np
import pandas as pd

from data.market.calendar import Calendar
from data.market.draws import between, waiting
from data.market.fates import Fates
from data.market.world import DAY, HOUR, Array, World

ANSWER_HOURS = 48
TRACKING_DAYS = 7
CONFIRM_DAYS = 10
MOVED_DAYS = (3, 2)  # added to those two in a back-log
SLOW = 1.5  # a back-log from which the platform moves deadlines
APPEAL_DAYS = 16  # settled once the merchant's 15 days for an appeal have passed
MINUTE = HOUR // 60
SECOND = MINUTE // 60


def timeline(world: World, days: Calendar, cases: pd.DataFrame) -> pd.DataFrame:
    """One row a case: `<moment>` when it happens and, where they differ, `<moment>_known`."""
    rng, n = world.stream("timeline"), len(cases)
    at, trade = cases["at"].to_numpy(), cases["trade"].to_numpy()
    merchants = world.book["merchants"]
    t = pd.DataFrame({"request": at})
    reply = waiting(rng, np.array(merchants["answer_hours"])[trade], 1.1, 1e6, n)
    t["silent"] = reply > ANSWER_HOURS * HOUR
    t["answer"] = at + np.maximum(np.minimum(reply, ANSWER_HOURS * HOUR), 5 * MINUTE)
    t["moved"] = cases["backlog"].to_numpy() > SLOW
    t["expire"] = t["answer"] + (TRACKING_DAYS + MOVED_DAYS[0] * t["moved"]) * DAY
    t["tracking"] = t["answer"] + waiting(rng, 22.0, 0.8, 160, n)
    t["scan"] = t["tracking"] + waiting(rng, 9.0, 0.8, 72, n)
    slow = days.backlog_at(t["scan"].to_numpy())
    t["scan_known"] = t["scan"] + np.maximum(waiting(rng, 2.0 * slow, 0.8, 24, n), MINUTE)
    t["delivered"] = t["scan"] + waiting(rng, 60.0 * slow, 0.45, 216, n)
    t["delivered_known"] = t["delivered"] + np.maximum(waiting(rng, 2.0 * slow, 0.8, 24, n), MINUTE)
    t["delivered_known"] = np.maximum(t["delivered_known"], t["scan_known"] + MINUTE)
    t["stuck"] = t["scan"] + 72 * HOUR
    t["lost"] = t["stuck"] + between(rng, 120, 240, n)
    look = waiting(rng, np.array(merchants["confirm_hours"])[trade], 0.8, 230, n)
    t["confirm"] = t["delivered_known"] + np.maximum(look, 2 * HOUR)
    t["auto"] = t["delivered_known"] + (CONFIRM_DAYS + MOVED_DAYS[1] * t["moved"]) * DAY
    t["withdraw"] = t["answer"] + between(rng, 20, 150, n)
    return t


def disputes(
    world: World, cases: pd.DataFrame, t: pd.DataFrame, back: Array, fate: Array, book: Fates
) -> pd.DataFrame:
    """Moments of refusal, arbitration, audit and of the case's good end under one fate each."""
    rng, n = world.stream("disputes"), len(cases)
    automatic = back & (fate == book.code("auto_confirmed"))
    end = np.where(back, np.where(automatic, t["auto"], t["confirm"]), t["answer"])
    d = pd.DataFrame({"end": end})
    d["arbitration"] = d["end"] + between(rng, 1, 60, n)
    d["ruled"] = d["arbitration"] + between(rng, 24, 168, n)
    d["ruled_known"] = d["ruled"] + between(rng, 0.1, 20, n)
    d["overturned"] = d["ruled_known"] + between(rng, 48, 216, n)
    d["overturned_known"] = d["overturned"] + between(rng, 0.1, 20, n)
    d["audit"] = d["end"] + between(rng, 48, 240, n)
    d["audit_known"] = d["audit"] + between(rng, 12, 120, n)
    d["settle"] = d["end"] + APPEAL_DAYS * DAY
    return d
