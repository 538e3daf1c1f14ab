"""Clusters of linked users at one moment: whom a split must not part, and a bootstrap draws as one.

In: a ledger, ways of linking, a moment. Out: a number for every user of the ledger. The links are
those that rings count by (`features.rings`): made by any event known before the moment, and ended
where their identity had become a hub by then. Two users of one cluster share their fate; neither is
a witness of his own.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from data.errors import ContractError
from data.ledger import Ledger
from features.links import Links
from features.rings import met
from features.spine import Moment, instant

Codes = NDArray[np.int64]


def clusters(ledger: Ledger, links: Iterable[Links], as_of: Moment) -> Codes:
    """The cluster of every user in the ledger's dictionary, numbers from 0; most are alone in it.

    Parameters
    ----------
    links : their links count together: whoever is linked in one way or another is in one cluster.

    Raises
    ------
    ContractError : an identity is no key column, or the ledger has no users.
    """
    users = ledger["user_id"].dictionary
    if users is None:
        raise ContractError("the ledger has no users", where=ledger.source, fix="map `user_id`")
    stop = int(np.searchsorted(ledger.known_us, instant(as_of)))
    pairs = [_pairs(ledger, c, cap, stop) for way in links for c, cap in way.caps.items()]
    a, b = np.concatenate([np.empty((2, 0), np.int64), *pairs], axis=1)
    graph = coo_array((np.ones(a.size, np.int8), (a, b)), shape=(len(users), len(users)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def cluster_of(ledger: Ledger, codes: Codes, users: "pd.Series[str]") -> Codes:
    """The cluster of each row's user; nobody, and each stranger, is a cluster of its own."""
    at = ledger["user_id"].encode(users)
    alone = codes.max(initial=-1) + 1 + np.arange(len(at))
    return np.where(at >= 0, codes[np.maximum(at, 0)] if codes.size else alone, alone)


def cluster_names(ledger: Ledger, codes: Codes, users: "pd.Series[Any]") -> NDArray[np.object_]:
    """The smallest user id in the cluster of each row's user; null for nobody and for strangers.

    Numbers of clusters, as codes of users, depend on how a ledger grew and on who came later; a
    split or a draw that hangs on them would, too.
    """
    column = ledger["user_id"]
    sorted_codes = column.distinct(np.arange(codes.size, dtype=np.int32))
    first = np.zeros(int(codes.max(initial=-1)) + 1, np.int64)
    first[codes[sorted_codes[::-1]]] = sorted_codes[::-1]
    at = column.encode(users)
    member = first[codes[np.maximum(at, 0)]] if codes.size else np.full(len(at), -1)
    names = column.decode(np.where(at >= 0, member, -1)).astype(object)
    return np.asarray(names.where(names.notna(), None), object)


def _pairs(ledger: Ledger, column: str, cap: int, stop: int) -> Codes:
    """Linked users, shape (2, links): the link was made, and its identity is no hub, at `stop`."""
    made, a, b, end = met(ledger, column, cap).links
    stands = (made < stop) & (end >= stop)
    return np.stack([a[stands], b[stands]]).astype(np.int64)
