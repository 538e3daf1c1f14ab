"""Rings of a ledger larger than memory: only the events of users who share something are read.

In: a `RingPlan` and a ledger folder. Out: the folder without all other users, who are linked with
nobody at any time, and what computing the rings on it takes. Rings are computed in one piece: of
the rest anybody may be linked with anybody.
"""

from dataclasses import dataclass

import numpy as np

from data.slices import LedgerFolder
from features import ring_kernels
from features.ring_plan import RingPlan


@dataclass(frozen=True)
class Sharers:
    """The users who ever had an identity in common with another: their events alone, and counts.

    `links` : how many links there are at most. A user whom a hub keeps out is among them: that one
    made it a hub.
    """

    folder: LedgerFolder
    users: int
    events: int
    links: int


def sharers(plan: RingPlan, folder: LedgerFolder) -> Sharers:
    """Who may be linked with whom, in one pass over each key column and one over the users."""
    shares = np.zeros(len(folder.dictionary("user_id")), np.bool_)
    links = 0
    for column in plan.links.caps:
        first = np.full(len(folder.dictionary(column)), ring_kernels.NOBODY, np.int32)
        for users, keys in folder.streamed(("user_id", column)):
            links += ring_kernels.sharing(users, keys, first, shares)
    theirs = folder.without("user_id", np.flatnonzero(~shares))
    events = int(theirs.census("user_id").sum())
    return Sharers(theirs, int(shares.sum()), events, links)


def ring_bytes(plan: RingPlan, theirs: Sharers, decisions: int) -> int:
    """What the rings hold at most: of events as read and counted, links, ids, users, decisions."""
    cells = len(plan.measures) + 1
    summed = {m.column for m in plan.measures if m.column is not None}
    event = 8 + 9 * len(plan.columns) + 32 + 8 * len(summed)
    ids = sum(len(theirs.folder.dictionary(column)) for column in plan.links.caps)
    everyone = len(theirs.folder.dictionary("user_id"))
    return (
        event * theirs.events
        + 60 * theirs.links
        + 24 * ids
        + 16 * everyone
        + (16 * cells + 32) * theirs.users
        + (8 * cells + 64) * decisions
    )
