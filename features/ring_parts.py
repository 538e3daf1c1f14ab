"""Rings of a ledger larger than memory: only the events of users who share something are read.

In: a `RingPlan` and a ledger folder. Out: the folder without all other users, who are linked with
nobody at any time, and what computing the rings on it takes. Rings are computed in one piece: of
the rest anybody may be linked with anybody.
"""

import numpy as np
from numpy.typing import NDArray

from data.slices import LedgerFolder
from features import ring_kernels
from features.ring_plan import RingPlan


def sharers(plan: RingPlan, folder: LedgerFolder) -> tuple[LedgerFolder, int]:
    """The folder without the users who never had an identity in common with another, and the rest.

    A user whom a hub keeps out stays: that one made it a hub.
    """
    shares = np.zeros(len(folder.dictionary("user_id")), np.bool_)
    for column in plan.links.caps:
        first = np.full(len(folder.dictionary(column)), ring_kernels.NOBODY, np.int32)
        for users, keys in folder.streamed(("user_id", column)):
            ring_kernels.sharing(users, keys, first, shares)
    return folder.without("user_id", np.flatnonzero(~shares)), int(shares.sum())


def ring_bytes(
    plan: RingPlan, folder: LedgerFolder, events: int, linked: int, decisions: int
) -> int:
    """What the rings hold at most: as read, as linked, as counted; per id, user and decision."""
    cells = len(plan.measures) + 1
    event = 8 + 9 * len(plan.columns) + 52 * len(plan.links.caps) + 32 + 8 * cells
    ids = sum(len(folder.dictionary(column)) for column in plan.links.caps)
    users = 16 * len(folder.dictionary("user_id")) + linked * (16 * cells + 32)
    return events * event + 24 * ids + users + decisions * (8 * cells + 64)


def counted(folder: LedgerFolder) -> int:
    """How many events a folder's users have."""
    total: NDArray[np.int64] = folder.census("user_id")
    return int(total.sum())
