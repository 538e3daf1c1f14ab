"""The loops over windows: one idea per function, plain arrays in and out, compiled once and cached.

All of them read a grouped log (`features.sorting`). `word` and `bit` say which of its events are in
the set; `pos[edge, decision]` holds positions, and `lo` and `hi` name the two edges of each window.
Most see the decisions in their own order, and write to `out[row]`, one contiguous row per feature.
Those that walk through the events of an entity (`ages`, `largest`, `distinct`) see its decisions by
time, `first` says which, and what is found waits in the same order: `found[window, decision]`.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]
Bits = NDArray[np.unsignedinteger[Any]]
Floats = NDArray[np.float64]

TILE: Final = 256  # decisions whose positions and results stay in the nearest cache
LANES: Final = 4  # running totals side by side; written out in `running` and `sums`
DAY_US: Final = 86_400_000_000.0


@njit(cache=True, nogil=True)
def running(word: Bits, bits: Ints, counted: Ints, shift: int, values: Ints, total: Ints) -> None:
    """Running sums of the values in `LANES` sets side by side, exact; below them running counts.

    `shift` bits of lane s hold the number of events of set `counted[s]`, the sum over set `bits[s]`
    stands above them; without a shift there are sums only. A mask of -1 or 0 instead of a choice
    leaves the processor nothing to guess.
    """
    b0, b1, b2, b3 = np.uint64(bits[0]), np.uint64(bits[1]), np.uint64(bits[2]), np.uint64(bits[3])
    c0, c1 = np.uint64(counted[0]), np.uint64(counted[1])
    c2, c3 = np.uint64(counted[2]), np.uint64(counted[3])
    bit, one = np.uint64(1), np.uint64(1 if shift else 0)
    s0 = s1 = s2 = s3 = np.int64(0)
    for p in range(word.size):
        w, value = np.uint64(word[p]), values[p] << shift
        s0 += (value & -np.int64((w >> b0) & bit)) + np.int64((w >> c0) & one)
        s1 += (value & -np.int64((w >> b1) & bit)) + np.int64((w >> c1) & one)
        s2 += (value & -np.int64((w >> b2) & bit)) + np.int64((w >> c2) & one)
        s3 += (value & -np.int64((w >> b3) & bit)) + np.int64((w >> c3) & one)
        total[p, 0], total[p, 1], total[p, 2], total[p, 3] = s0, s1, s2, s3


@njit(cache=True, nogil=True)
def running_floats(word: Bits, bit: int, start: Shorts, values: Floats, total: Floats) -> None:
    """Running sum that restarts at each entity: rounding must not carry one into another."""
    one = np.uint64(1)
    shift = np.uint64(bit)
    for s in range(start.size - 1):
        sofar = 0.0
        for p in range(start[s], start[s + 1]):
            sofar += values[p] if (np.uint64(word[p]) >> shift) & one else 0.0
            total[p] = sofar


@njit(cache=True, nogil=True)
def tally(word: Bits, bit: int, total: Ints) -> None:
    """Running number of events in a set."""
    one = np.uint64(1)
    shift = np.uint64(bit)
    count = np.int64(0)
    for p in range(word.size):
        count += np.int64((np.uint64(word[p]) >> shift) & one)
        total[p] = count


@njit(cache=True, nogil=True)
def latest(word: Bits, bit: int, start: Shorts, last: Ints) -> None:
    """Position of the set's last event at or before each; the entity's sentinel if none."""
    one = np.uint64(1)
    shift = np.uint64(bit)
    for s in range(start.size - 1):
        seen = start[s]
        for p in range(start[s], start[s + 1]):
            if (np.uint64(word[p]) >> shift) & one:
                seen = p
            last[p] = seen


@njit(cache=True, nogil=True)
def following(word: Bits, bit: int, start: Shorts, after: Ints) -> None:
    """Position of the set's first event after each; the next entity's sentinel if none."""
    one = np.uint64(1)
    shift = np.uint64(bit)
    for s in range(start.size - 1):
        seen = int(start[s + 1])
        for p in range(start[s + 1] - 1, start[s] - 1, -1):
            after[p] = seen
            if (np.uint64(word[p]) >> shift) & one:
                seen = p


@njit(cache=True, nogil=True)
def additive(total: NDArray[Any], pos: Shorts, lo: Ints, hi: Ints, rows: Ints, out: Floats) -> None:
    """Difference of one running total over every window.

    A tile of decisions at a time: each edge is gathered once, and the differences go out in order.
    """
    tile = np.empty((pos.shape[0], TILE), total.dtype)
    for begin in range(0, pos.shape[1], TILE):
        size = min(TILE, pos.shape[1] - begin)
        for k in range(pos.shape[0]):
            at = pos[k, begin : begin + size]
            for i in range(size):
                tile[k, i] = total[np.uint32(at[i])]  # unsigned: no test for a negative index
        for w in range(rows.size):
            upper, lower = tile[hi[w]], tile[lo[w]]
            column = out[rows[w], begin : begin + size]
            for i in range(size):
                column[i] = upper[i] - lower[i]


@njit(cache=True, nogil=True)
def sums(
    total: Ints, shift: int, pos: Shorts, lane: Ints, lo: Ints, hi: Ints, rows: Ints,
    count_rows: Ints, out: Floats,
) -> None:  # fmt: skip
    """Sum of every window, and where a row is given its count, of `running` totals.

    A position is read once for all lanes: they share a line of the cache.
    """
    tile = np.empty((LANES, pos.shape[0], TILE), np.int64)
    below = (np.int64(1) << shift) - 1
    for begin in range(0, pos.shape[1], TILE):
        size = min(TILE, pos.shape[1] - begin)
        for k in range(pos.shape[0]):
            at = pos[k, begin : begin + size]
            t0, t1, t2, t3 = tile[0, k], tile[1, k], tile[2, k], tile[3, k]
            for i in range(size):
                p = np.uint32(at[i])
                t0[i], t1[i], t2[i], t3[i] = total[p, 0], total[p, 1], total[p, 2], total[p, 3]
        for w in range(rows.size):
            upper, lower = tile[lane[w], hi[w]], tile[lane[w], lo[w]]
            column = out[rows[w], begin : begin + size]
            for i in range(size):
                column[i] = (upper[i] - lower[i]) >> shift
            if count_rows[w] >= 0:
                column = out[count_rows[w], begin : begin + size]
                for i in range(size):
                    column[i] = (upper[i] - lower[i]) & below


@njit(cache=True, nogil=True)
def streak(
    total: Ints, last: Ints, pos: Shorts, lo: Ints, hi: Ints, rows: Ints, out: Floats
) -> None:
    """Events of a set since the last breaker; `last` is the breakers'."""
    for i in range(pos.shape[1]):
        for w in range(rows.size):
            end = pos[hi[w], i]
            out[rows[w], i] = total[end] - total[max(last[end], np.int64(pos[lo[w], i]))]


@njit(cache=True, nogil=True)
def tenure(
    after: Ints, log_ts: Ints, as_of: Ints, pos: Shorts, lo: Ints, hi: Ints, rows: Ints, out: Floats
) -> None:
    """Days from the window's first event to as_of."""
    for i in range(pos.shape[1]):
        for w in range(rows.size):
            p = after[pos[lo[w], i]]
            found = p <= pos[hi[w], i]
            out[rows[w], i] = (as_of[i] - log_ts[p]) / DAY_US if found else np.nan


@njit(cache=True, nogil=True)
def ages(
    word: Bits, bits: Bits, log_ts: Ints, start: Shorts, first: Shorts, as_of: Ints, pos: Shorts,
    member: Ints, lo: Ints, hi: int, found: Floats,
) -> None:  # fmt: skip
    """Days from the last event of every window that ends at edge `hi`, of several sets in one walk.

    Window w is over set `bits[member[w]]`.
    """
    one = np.uint64(1)
    last = np.empty(bits.size, np.int64)
    for s in range(start.size - 1):
        p = start[s]
        last[:] = p
        for n in range(first[s], first[s + 1]):
            while p < pos[hi, n]:
                p += 1
                for b in range(bits.size):
                    last[b] = p if (np.uint64(word[p]) >> bits[b]) & one else last[b]
            for w in range(lo.size):
                q = last[member[w]]
                there = q > pos[lo[w], n]
                found[w, n] = (as_of[n] - log_ts[q]) / DAY_US if there else np.nan


@njit(cache=True, nogil=True)
def largest(
    word: Bits, bit: int, values: NDArray[Any], start: Shorts, first: Shorts, pos: Shorts,
    lo: Ints, hi: int, found: Floats,
) -> None:  # fmt: skip
    """Largest value of every window that ends at edge `hi`.

    The stack keeps the events that no later, larger one hides; its first entry after lo is the
    maximum, found by halving.
    """
    one = np.uint64(1)
    shift = np.uint64(bit)
    stack = np.empty(np.max(np.diff(start)) if start.size > 1 else 1, np.int32)
    for s in range(start.size - 1):
        depth, p = 0, start[s]
        for n in range(first[s], first[s + 1]):
            while p < pos[hi, n]:
                p += 1
                if (np.uint64(word[p]) >> shift) & one:
                    while depth and values[stack[depth - 1]] <= values[p]:
                        depth -= 1
                    stack[depth] = p
                    depth += 1
            for w in range(lo.size):
                at = np.searchsorted(stack[:depth], pos[lo[w], n], side="right")
                found[w, n] = values[stack[at]] if at < depth else np.nan


@njit(cache=True, nogil=True)
def neighbours(
    word: Bits, bit: int, codes: Shorts, start: Shorts, seen: Shorts
) -> tuple[Shorts, Shorts]:
    """Per event of a set the positions of the same code before (or -1) and after it (or the end).

    `seen` is scratch space, one entry per code, all -1. An event outside the set gets a `before`
    and an `after` that make it count for nothing.
    """
    one = np.uint64(1)
    shift = np.uint64(bit)
    never = np.int32(word.size)
    before = np.full(word.size, never, np.int32)
    after = np.zeros(word.size, np.int32)
    for s in range(start.size - 1):
        for p in range(start[s] + 1, start[s + 1]):
            if (np.uint64(word[p]) >> shift) & one:
                q = seen[codes[p]]
                if q >= start[s]:
                    after[q] = p
                else:
                    q = -1
                before[p] = q
                after[p] = never
                seen[codes[p]] = p
    return before, after


@njit(cache=True, nogil=True)
def distinct(
    before: Shorts, after: Shorts, start: Shorts, first: Shorts, pos: Shorts,
    lo: Ints, hi: Ints, found: Floats,
) -> None:  # fmt: skip
    """Different codes in every window: the events without an equal one earlier in the window."""
    for w in range(lo.size):
        for s in range(start.size - 1):
            low, high, count = start[s], start[s], 0
            for n in range(first[s], first[s + 1]):
                while high < pos[hi[w], n]:
                    high += 1
                    count += before[high] <= low
                while low < pos[lo[w], n]:
                    low += 1
                    count -= after[low] > high
                found[w, n] = count
