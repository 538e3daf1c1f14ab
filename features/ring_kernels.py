"""The loops of rings: who is linked with whom, from when until when, and what their cluster has.

Time is a position in the ledger: what a decision knows are the events before its own position. An
identity (a value of a key column) links its users one by one to its first user; when it has more
than `cap` users it is a hub, and all its links end. When a link will end is found in a first pass:
it decides where the link stands in the forest, and never what an answer is.

The forest keeps, of every circle of links, all but the one that ends first. A user's parent is
somebody of higher rank, ranks are random, and on the way to the root links end earlier and earlier.
So a link that ends has nothing above it that lasts: cutting it leaves the two clusters, without any
search. A way to the root is short, whatever is linked: each step leads to the highest rank of a
larger cluster, which for random ranks happens about log n times.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

NEVER: Final = np.int32(np.iinfo(np.int32).max)
NOBODY: Final = np.int32(-1)
PARENT, LASTS, BY, RANK = 0, 1, 2, 3  # columns of `node`: LASTS is when the link BY to PARENT ends
DAY_MS: Final = 86_400_000


@njit(cache=True, nogil=True)
def meetings(
    user: Shorts, key: Shorts, start: Ints, cap: int, met: Shorts, size: Shorts, ends: Shorts,
    at: Shorts, a: Shorts, b: Shorts, of: Shorts,
) -> int:  # fmt: skip
    """Find the links of one key column, in the order of the ledger; returns how many.

    Parameters
    ----------
    start : room for the users of identity k is `met[start[k]:start[k + 1]]`.
    size, ends : per identity, its users so far (all 0) and its end as a link (all `NEVER`); filled.
    at, a, b, of : position, both users and the identity of each link; filled.
    """
    found = 0
    for j in range(key.size):
        k, u = key[j], user[j]
        if k < 0 or u < 0 or ends[k] != NEVER:
            continue
        first = start[k]
        s = first
        while s < first + size[k] and met[s] != u:
            s += 1
        if s < first + size[k]:
            continue
        if size[k] == cap:
            ends[k] = j
            continue
        if size[k]:
            at[found], a[found], b[found], of[found] = j, met[first], u, k
            found += 1
        met[s] = u
        size[k] += 1
    return found


@njit(cache=True, nogil=True)
def sharing(user: Shorts, key: Shorts, first: Shorts, shares: NDArray[np.bool_]) -> int:
    """Mark who has an identity in common with another; `first` holds each one's first user.

    Returns how many events there are at an identity of another user: no more links can there be.
    """
    links = 0
    for j in range(key.size):
        k, u = key[j], user[j]
        if k < 0 or u < 0:
            continue
        if first[k] == NOBODY:
            first[k] = u
        elif first[k] != u:
            shares[u] = shares[first[k]] = True
            links += 1
    return links


@njit(cache=True, nogil=True)
def firsts(word: Words, bit: int, to: int, who: Shorts, seen: NDArray[np.bool_]) -> None:
    """Set bit `to` of everybody's first event that has bit `bit`; `seen` is scratch, all False."""
    from_, into = np.uint64(1) << np.uint64(bit), np.uint64(1) << np.uint64(to)
    for e in range(word.size):
        if word[e] & from_ and not seen[who[e]]:
            seen[who[e]] = True
            word[e] |= into


@njit(cache=True, nogil=True)
def sweep(
    a: Shorts, b: Shorts, made: Shorts, ends: Shorts, by_end: Ints,
    event_at: Shorts, who: Shorts, word: Words, values: Ints,
    bits: Ints, columns: Ints, leaving: Ints, shares: Ints,
    node: Shorts, asked: Shorts, known: Shorts, gone: Shorts, as_of_ms: Ints, out: Floats,
) -> None:  # fmt: skip
    """Answer the decisions one after the other, in order of time.

    Parameters
    ----------
    a, b, made, ends : both users of each link, and the positions where it is made and where it
        ends, by `made`. by_end : the order of the links that end, by their end.
    event_at, who, word : position, user and sets of the events that count.
    values : shape (columns, events). bits, columns : per measure, the set and the column that is
        summed, -1 for a count. leaving : per measure the row of `gone` where its window begins.
    shares : per measure -1, or the measure that counts what this one is the mean moment of.
    node : shape (users, 4), nobody linked, with their ranks; changed.
    asked, known, as_of_ms : per decision the user, or -1, the events known, the time.
    gone : shape (lengths, n), the events before each window.
    out : shape (measures + 1, n); the last row is the size of the cluster.
    """
    measures = bits.size
    own = np.zeros((node.shape[0], measures + 1), np.int64)
    below = np.zeros((node.shape[0], measures + 1), np.int64)
    below[:, measures] = 1
    holder = np.full(a.size, NOBODY, np.int32)
    told = np.zeros(measures + 1, np.int64)
    touched, amount = np.empty(measures, np.int64), np.empty(measures, np.int64)
    left = np.zeros(gone.shape[0], np.int64)
    link, cut, entered = 0, 0, 0
    for i in range(asked.size):
        while link < a.size and made[link] < known[i]:
            if ends[link] >= known[i]:
                _link(a[link], b[link], link, ends, node, holder, below, told)
            link += 1
        while cut < by_end.size and ends[by_end[cut]] < known[i]:
            _cut(holder[by_end[cut]], node, below)
            cut += 1
        while entered < who.size and event_at[entered] < known[i]:
            _count(
                entered,
                -1,
                1,
                who,
                word,
                values,
                bits,
                columns,
                leaving,
                node,
                own,
                below,
                touched,
                amount,
            )
            entered += 1
        for k in range(left.size):
            while left[k] < who.size and event_at[left[k]] < gone[k, i]:
                _count(
                    left[k],
                    k,
                    -1,
                    who,
                    word,
                    values,
                    bits,
                    columns,
                    leaving,
                    node,
                    own,
                    below,
                    touched,
                    amount,
                )
                left[k] += 1
        _answer(i, asked[i], node, own, below, shares, as_of_ms[i], out)


@njit(cache=True, nogil=True)
def _link(
    u: int, v: int, link: int, ends: Shorts, node: Shorts, holder: Shorts, below: Ints, told: Ints
) -> None:
    """Put a link into the forest; of a circle the link that ends first falls out.

    The two ways to the root become one. `told` is what the nodes above u have gained so far, and
    those above v lost.
    """
    moved = False
    told[:] = 0
    while True:
        u = _climb(u, ends[link], node, below, told, 1 if moved else 0)
        v = _climb(v, ends[link], node, below, told, -1 if moved else 0)
        if u == v:
            holder[link] = NOBODY
            return
        if node[u, RANK] > node[v, RANK]:
            u, v = v, u
            _turn(told)
        parent, weaker = node[u, PARENT], node[u, BY]
        node[u, PARENT], node[u, LASTS], node[u, BY] = v, ends[link], link
        holder[link] = u
        for m in range(told.size):
            below[v, m] += below[u, m]
            told[m] = below[u, m] - told[m]
        moved = True
        if parent == NOBODY:
            _add_above(below, v, told, node)
            return
        _add(below, parent, told, -1)
        u, v, link = v, parent, weaker


@njit(cache=True, nogil=True)
def _climb(u: int, lasts: int, node: Shorts, below: Ints, told: Ints, sign: int) -> int:
    """The last user on the way up over links that end no earlier, telling everybody passed."""
    while node[u, LASTS] >= lasts:
        u = node[u, PARENT]
        if sign != 0:
            _add(below, u, told, sign)
    return u


@njit(cache=True, nogil=True)
def _add_above(below: Ints, u: int, told: Ints, node: Shorts) -> None:
    while node[u, PARENT] != NOBODY:
        u = node[u, PARENT]
        _add(below, u, told, 1)


@njit(cache=True, nogil=True)
def _turn(told: Ints) -> None:
    for m in range(told.size):
        told[m] = -told[m]


@njit(cache=True, nogil=True)
def _add(below: Ints, u: int, told: Ints, sign: int) -> None:
    for m in range(told.size):
        below[u, m] += sign * told[m]


@njit(cache=True, nogil=True)
def _cut(child: int, node: Shorts, below: Ints) -> None:
    """End the link to a user's parent, if the forest still holds it."""
    if child == NOBODY:
        return
    parent = node[child, PARENT]
    node[child, PARENT], node[child, LASTS], node[child, BY] = NOBODY, NOBODY, NOBODY
    while parent != NOBODY:
        _add(below, parent, below[child], -1)
        parent = node[parent, PARENT]


@njit(cache=True, nogil=True)
def _count(
    e: int, window: int, sign: int, who: Shorts, word: Words, values: Ints,
    bits: Ints, columns: Ints, leaving: Ints, node: Shorts, own: Ints, below: Ints,
    touched: Ints, amount: Ints,
) -> None:  # fmt: skip
    """An event enters all windows (-1), or leaves those of one length."""
    n = 0
    for m in range(bits.size):
        if (window < 0 or leaving[m] == window) and (word[e] >> np.uint64(bits[m])) & np.uint64(1):
            amount[n] = sign * (values[columns[m], e] if columns[m] >= 0 else np.int64(1))
            touched[n] = m
            own[who[e], m] += amount[n]
            n += 1
    u = who[e] if n else NOBODY
    while u != NOBODY:
        for t in range(n):
            below[u, touched[t]] += amount[t]
        u = node[u, PARENT]


@njit(cache=True, nogil=True)
def _answer(
    i: int, u: int, node: Shorts, own: Ints, below: Ints, shares: Ints, now_ms: int, out: Floats
) -> None:
    """What the others of the cluster have; the user's own is left out."""
    if u == NOBODY:
        return
    root = u
    while node[root, PARENT] != NOBODY:
        root = node[root, PARENT]
    for m in range(shares.size):
        value = below[root, m] - own[u, m]
        if shares[m] < 0:
            out[m, i] = value
        else:
            n = below[root, shares[m]] - own[u, shares[m]]
            out[m, i] = (n * now_ms - value) / n / DAY_MS if n else np.nan
    out[shares.size, i] = below[root, shares.size]
