"""Personalised PageRank from users known to be bad: a column that is computed for one moment.

In: ledger, a way of linking, the bad event set, a moment. Out: one value per user. A walker starts
at every known-bad user, goes on with probability `damping` to an identity of the user, each as
likely, and from there to another of its users, each as likely: so an identity of many users says
little, and a hub (see `features.links`) nothing. A user's value is how often walkers who started at
*other* users stop there. It is an eigenvector, not a difference of sums: too dear for every
decision, made for the standing stage or to be joined to X.
"""

from typing import Final

import numpy as np
import pandas as pd
from scipy import sparse

from data.errors import UsageError
from data.ledger import Ledger
from features.declarations import Events, Links
from features.event_sets import members
from features.ring_kernels import NEVER
from features.rings import met
from features.spine import Moment, instant

CHUNK: Final = 256  # bad users whose own walks are followed at one time


def personalised_pagerank(
    ledger: Ledger,
    links: Links,
    bad: Events,
    as_of: Moment,
    *,
    damping: float = 0.85,
    tolerance: float = 1e-4,
    steps: int | None = None,
) -> "pd.Series[float]":
    """How near every user is to the others who are known to be bad, strictly before a moment.

    Parameters
    ----------
    bad : whoever has such an event known before `as_of` starts one walker, however many they have.
    damping : probability of going on, in (0, 1).
    tolerance : walkers rarer than this are given up. A finer one follows every bad user further,
        in the end through the whole cluster.
    steps : the most hops; 1 is the users who share an identity. By default until hardly anybody
        walks on.

    Returns
    -------
    Per user of the ledger, `user_id` as the index, in [0, number of bad users). The user's own
    walker is left out: nobody is made bad by themselves. 0 for whoever is linked with nobody.

    Raises
    ------
    UsageError : damping or tolerance is not in (0, 1), or steps is not positive.
    """
    _check(damping, tolerance, steps)
    end = int(np.searchsorted(ledger.known_us, instant(as_of)))
    past = ledger.take(np.arange(len(ledger)) < end)
    users = past["user_id"].dictionary
    names = pd.Index([] if users is None else users, name="user_id")
    hops = steps or int(np.ceil(np.log(tolerance) / np.log(damping)))
    step = transitions(past, links, len(names))
    starts = np.zeros(len(names))
    codes = past["user_id"].values[members(past, bad)]
    starts[codes[codes >= 0]] = 1.0
    own = sparse.csr_array(sparse.diags_array(starts))[:, np.flatnonzero(starts)]
    found = _stops(sparse.csr_array(starts[:, None]), step, damping, hops).toarray().ravel()
    for at in range(0, own.shape[1], CHUNK):
        start = own[:, at : at + CHUNK]
        found -= (_stops(start, step, damping, hops, tolerance) * start).sum(axis=1)
    known = np.unique(past["user_id"].values)
    known = known[known >= 0]
    name = f"pagerank_{links.name}_{bad.name}"
    return pd.Series(np.maximum(found[known], 0.0), index=names[known], name=name)


def transitions(past: Ledger, links: Links, users: int) -> "sparse.csr_array":
    """`step[v, u]`: the chance that a walker at u is at v one hop later; 0 on the diagonal."""
    total = sparse.csr_array((users, users))
    for column, cap in links.caps.items():
        place = met(past, column, cap)
        linking = np.where((place.ends == NEVER) & (place.size > 1), place.size, 0)
        identity = np.repeat(np.arange(len(linking)), linking)
        first = np.repeat(place.start[:-1] - np.cumsum(linking) + linking, linking)
        user = place.users[first + np.arange(len(identity))]
        shape = (users, len(linking))
        at = sparse.csr_array((np.ones(len(user)), (user, identity)), shape)
        total += at @ (at / np.maximum(linking - 1, 1)).T
    total = total - sparse.csr_array(sparse.diags_array(total.diagonal()))
    leaving = total.sum(axis=0)
    share = np.divide(1.0, leaving, out=np.zeros(users), where=leaving > 0)
    return sparse.csr_array(total @ sparse.diags_array(share))


def _stops(
    start: "sparse.csr_array",
    step: "sparse.csr_array",
    damping: float,
    hops: int,
    negligible: float = 0.0,
) -> "sparse.csr_array":
    """Where the walkers of each column stop; walkers rarer than `negligible` are given up."""
    here, total = start, (1 - damping) * start
    for hop in range(1, hops + 1):
        here = step @ here
        if negligible:
            here.data[here.data < negligible] = 0.0
            here.eliminate_zeros()
        total = total + (1 - damping) * damping**hop * here
    return total


def _check(damping: float, tolerance: float, steps: int | None) -> None:
    for name, value in (("damping", damping), ("tolerance", tolerance)):
        if not 0 < value < 1:
            fix = "give a number between 0 and 1, such as 0.85 and 1e-4"
            raise UsageError(f"{name} is {value}", where="personalised_pagerank", fix=fix)
    if steps is not None and steps < 1:
        fix = "walk at least one hop, or leave it out"
        raise UsageError(f"steps is {steps}", where="personalised_pagerank", fix=fix)
