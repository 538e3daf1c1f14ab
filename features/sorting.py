"""The loops that bring a ledger into one entity's order and find the edges of windows in it.

A *grouped log* holds the events of each asked entity side by side, in the ledger's order, every
entity opened by a sentinel that belongs to no set and has no time. So "the last event before"
always exists, and a window is a pair of positions (lo, hi]: what happened after position
lo, up to and including position hi. What is computed of a window is `features.kernels`.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]
Places = NDArray[np.uint32]
Bits = NDArray[np.unsignedinteger[Any]]

BLOCK: Final = np.uint64(32)  # events that are compared at once
FEW: Final = np.uint64(48)
LIFE_US: Final = np.iinfo(np.int64).max  # the offset of a window without a beginning


@njit(cache=True, nogil=True)
def look_up(codes: NDArray[Any], table: Bits, word: Bits) -> None:
    """Keep of each word what the table allows its code; code -1 reads the last entry."""
    for j in range(codes.size):
        word[j] &= table[codes[j]]


@njit(cache=True, nogil=True)
def census(codes: Shorts, word: Bits, counts: Ints) -> None:
    """Count the events per code; those without an entity or in no set are nobody's."""
    for j in range(codes.size):
        if codes[j] >= 0 and word[j] != 0:
            counts[codes[j]] += 1


@njit(cache=True, nogil=True)
def place(codes: Shorts, word: Bits, cursor: Shorts, goal: Places) -> None:
    """Where each wanted event goes: behind the last one of its entity.

    `cursor[code]` is where the entity's last event is: its sentinel at first, -1 if unwanted. What
    is left out goes to 0, the first sentinel. The columns move afterwards, one at a time: a loop
    that wrote them here would wait for the cursor's memory at every event.
    """
    for j in range(codes.size):
        goal[j] = 0
        if codes[j] >= 0 and word[j] != 0:
            code = np.uint32(codes[j])
            if cursor[code] >= 0:
                cursor[code] += 1
                goal[j] = np.uint32(cursor[code])


@njit(cache=True, nogil=True)
def carry(values: NDArray[Any], goal: Places, log: NDArray[Any]) -> None:
    """Move a column to where its events went."""
    for j in range(goal.size):
        log[goal[j]] = values[j]
    log[0] = 0  # where everything went that was left out


@njit(cache=True, nogil=True)
def line_up(slots: Shorts, by_time: Ints, first: Shorts, order: Shorts) -> None:
    """Decisions by entity and then by time; entity s has `order[first[s]:first[s + 1]]`."""
    for i in range(slots.size):
        first[slots[i] + 1] += 1
    for s in range(first.size - 1):
        first[s + 1] += first[s]
    cursor = first.copy()
    for n in range(by_time.size):
        i = by_time[n]
        order[cursor[slots[i]]] = i
        cursor[slots[i]] += 1


@njit(cache=True, nogil=True)
def bounds(log_ts: Ints, start: Shorts, first: Shorts, as_of: Ints, edges: Ints) -> Shorts:
    """Position of the entity's last event with `known_ts < as_of - edge`, as `pos[edge, decision]`.

    Decisions, and their `as_of`, come by entity and time: every pointer moves forward only. Few
    events are counted whole, many in blocks: a count has no branch that could be guessed wrong.
    """
    pos = np.empty((edges.size, as_of.size), np.int32)
    at = np.empty(edges.size, np.uint64)
    for s in range(start.size - 1):
        begin, end = np.uint64(start[s] + 1), np.uint64(start[s + 1])
        few = end - begin <= FEW
        at[:] = begin
        # Edges inside: one pointer would wait for its own last step, several do not.
        for n in range(first[s], first[s + 1]):
            for k in range(edges.size):
                p = at[k]
                if edges[k] != LIFE_US:
                    stop = as_of[n] - edges[k]
                    if few:
                        p = begin + _known(log_ts, begin, end - begin, stop)
                    else:
                        step = BLOCK
                        while step == BLOCK and p + BLOCK <= end:
                            step = _known(log_ts, p, BLOCK, stop)
                            p += step
                        if step == BLOCK:
                            p += _known(log_ts, p, end - p, stop)
                        at[k] = p
                pos[k, n] = p - np.uint64(1)
    return pos


@njit(cache=True, nogil=True)
def _known(log_ts: Ints, begin: np.uint64, size: np.uint64, stop: np.int64) -> np.uint64:
    """How many of `size` events, in order of time, were known before `stop`."""
    count = np.uint64(0)
    for p in range(size):
        count += np.uint64(log_ts[begin + p] < stop)  # the only cut of the engine
    return count


@njit(cache=True, nogil=True)
def put_back(found: NDArray[Any], order: Shorts, rows: Ints, out: NDArray[Any]) -> None:
    """Rows that lie by entity, put into the decisions' own order and where they belong."""
    for k in range(rows.size):
        for n in range(order.size):
            out[rows[k], np.uint32(order[n])] = found[k, n]


@njit(cache=True, nogil=True)
def number(asked: Shorts, slot_of: Shorts, slots: Shorts) -> None:
    """Number the codes that are asked for; a decision without one gets the number after the last.

    `slot_of[code]` is the number, by ascending code, or -1.
    """
    for i in range(asked.size):
        if asked[i] >= 0:
            slot_of[asked[i]] = 0
    count = 0
    for code in range(slot_of.size):
        if slot_of[code] == 0:
            slot_of[code] = count
            count += 1
    for i in range(asked.size):
        slots[i] = slot_of[asked[i]] if asked[i] >= 0 else count


@njit(cache=True, nogil=True)
def extremes(values: Ints) -> tuple[np.int64, np.int64]:
    """Smallest and largest value, with 0 among them."""
    low, high = np.int64(0), np.int64(0)
    for p in range(values.size):
        low, high = min(low, values[p]), max(high, values[p])
    return low, high


@njit(cache=True, nogil=True)
def learn_pairs(a: Shorts, b: Shorts, keys: Ints, codes: Shorts, found: Shorts) -> int:
    """Number the pairs asked for in `keys`, an open hash table of a power-of-two size.

    `found` gets each pair's number; -1 if a side is null, else -2 if a side is unknown.
    """
    mask, count = keys.size - 1, 0
    for i in range(a.size):
        if a[i] < 0 or b[i] < 0:
            found[i] = -1 if a[i] == -1 or b[i] == -1 else -2
            continue
        key = (np.int64(a[i]) << 32) | np.int64(b[i])
        at = _hash(key) & mask
        while keys[at] != -1 and keys[at] != key:
            at = (at + 1) & mask
        if keys[at] == -1:
            keys[at] = key
            codes[at] = count
            count += 1
        found[i] = codes[at]
    return count


@njit(cache=True, nogil=True)
def find_pairs(a: Shorts, b: Shorts, word: Bits, keys: Ints, codes: Shorts, found: Shorts) -> None:
    """The number of each event's pair, -1 where nobody asked for it."""
    mask = keys.size - 1
    for j in range(a.size):
        found[j] = -1
        if word[j] != 0 and a[j] >= 0 and b[j] >= 0:
            key = (np.int64(a[j]) << 32) | np.int64(b[j])
            at = _hash(key) & mask
            while keys[at] != -1 and keys[at] != key:
                at = (at + 1) & mask
            if keys[at] == key:
                found[j] = codes[at]


@njit(cache=True, nogil=True)
def _hash(key: np.int64) -> np.int64:
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(24))
