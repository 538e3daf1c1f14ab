"""The own case left out: at a later stage a case's own earlier events are no history of anybody.

A request is invisible to its own windows, for they end strictly before it. At the first scan of the
parcel the same case has a past: its request, perhaps its pay-out. Counted as the buyer's or the
merchant's history it would say of every case that there was one more. So a window over anything
but the case itself leaves the events of the row's own case out; windows over the case see nothing
but them. What the few own events add is subtracted. Only a window whose end, maximum or streak they
made is looked at again: a carrier's whole month, once for each of its parcels, would be too much.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import NULL_CODE, Ledger
from features.declarations import STAGES
from features.event_sets import WORD
from features.grouping import Grouped
from features.kernels import DAY_US, neighbours
from features.plan import EntityPlan

Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
REQUEST: Final = STAGES.index("request")
EVERYWHERE: Final = slice(None)
ADDED: Final = ("count", "sum", "distinct")


@dataclass(frozen=True)
class Own:
    """Which case each decision is about: codes of the key `column`, negative for none."""

    column: str
    codes: Shorts

    def take(self, rows: NDArray[Any]) -> "Own":
        """Those of some decisions."""
        return Own(self.column, self.codes[rows])


@dataclass(frozen=True)
class _Leaf:
    """A window of the plan without its pairing: what to do, of which set, between which edges."""

    aggregate: str
    member: int
    column: str | None
    breaker: int | None
    lo: int
    hi: int
    row: int


def own_cases(
    ledger: Ledger, cases: pd.DataFrame, stages: NDArray[np.int8], case: str
) -> Own | None:
    """The cases of the decisions later than the request; None if there is none."""
    later = stages > REQUEST
    if not later.any():
        return None
    if case not in cases:
        fix = "build cases with spine(task, ledger, stage)"
        raise ContractError(f"no column '{case}'", where="cases", fix=fix)
    if ledger[case].dictionary is None:
        fix = f'declare it as a key: [columns] {case} = "key"'
        raise ContractError(f"column '{case}' is no key", where=ledger.source, fix=fix)
    codes = ledger[case].encode(cases[case])
    return Own(case, np.where(later, codes, NULL_CODE).astype(np.int32))


def leave_out(
    plan: EntityPlan, ledger: Ledger, log: Grouped, pos: Shorts, as_of: Ints, own: Own, out: Floats
) -> None:
    """Correct the rows of an entity that the kernels have filled with everybody's events.

    Parameters
    ----------
    pos : positions of the edges, shape (edges, n). own : shape (n,). out : shape (rows, n).
    """
    if own.column in plan.entity:
        return
    at, place = _own_events(ledger, log, own)
    case = log.carried(own.column, ledger[own.column].values)
    for x in _flat(plan):
        matters = _inside(log, x.member, place)
        if x.breaker is not None:
            matters |= _inside(log, x.breaker, place)
        hit = matters & (place > pos[x.lo, at]) & (place <= pos[x.hi, at])
        values: Any = None
        if x.column is not None:
            values = log.carried(x.column, ledger[x.column].values)
        if x.aggregate == "max":
            hit &= values[place] == out[x.row, at]
        if x.aggregate in ADDED:
            window = (case, own.codes, pos[x.lo], pos[x.hi])
            _subtract(x, log, window, values, (at[hit], place[hit]), out[x.row])
            continue
        rows = np.unique(at[hit])
        window = (case, own.codes[rows], pos[x.lo, rows], pos[x.hi, rows])
        out[x.row, rows] = _again(x, log, window, values, as_of[rows], out[x.row, rows])


def _subtract(
    x: _Leaf,
    log: Grouped,
    window: tuple[Any, ...],
    values: Any,
    hits: tuple[Ints, Ints],
    out: Floats,
) -> None:
    """Take off what the own events add: each one, its value, or a code that only they bring."""
    at, place = hits
    if x.aggregate == "distinct":
        codes = values.astype(np.int32)
        seen = np.full(int(codes.max(initial=0)) + 1, -1, np.int32)
        words, bit = log.words[x.member // WORD], x.member % WORD
        added = _alone(*neighbours(words, bit, codes, log.start, seen), *hits, *window)
    else:
        added = np.ones(len(at)) if x.aggregate == "count" else values[place]
    out -= np.bincount(at, added, len(out))
    if added.dtype.kind == "f" and x.aggregate == "sum":  # 0.3 - 0.1 - 0.2 is not nothing
        total = np.cumsum(_inside(log, x.member), dtype=np.int32)
        _, _, lo, hi = window
        out[total[hi] - total[lo] == np.bincount(at, minlength=len(out))] = 0.0


def _again(
    x: _Leaf, log: Grouped, window: tuple[Any, ...], values: Any, as_of: Ints, most: Floats
) -> Floats:
    """The aggregate over windows that hold own events, without them."""
    inside = _inside(log, x.member)
    if x.aggregate == "streak":
        return _streaks(inside, _inside(log, x.breaker or 0), *window)
    if x.aggregate == "max":
        return _largest(inside, values.astype(np.float64), most, *window)
    found = _end(inside, x.aggregate == "age", *window)
    return np.where(found < 0, np.nan, (as_of - log.ts[found]) / DAY_US)


def _flat(plan: EntityPlan) -> Iterator[_Leaf]:
    for m in plan.measures:
        for x in m.leaves:
            yield _Leaf(m.aggregate, m.member, m.column, m.breaker, x.lo, x.hi, x.row)
            if x.count_row >= 0 and m.counted is not None:
                yield _Leaf("count", m.counted, None, None, x.lo, x.hi, x.count_row)


def _inside(log: Grouped, member: int, places: Ints | slice = EVERYWHERE) -> Mask:
    """Whether the events at some positions of the log are in a set of the plan."""
    word = log.words[member // WORD][places]
    return np.asarray((word >> word.dtype.type(member % WORD)) & word.dtype.type(1), bool)


def _own_events(ledger: Ledger, log: Grouped, own: Own) -> tuple[Ints, Ints]:
    """Pairs of a decision and the position of an event of its own case in the grouped log."""
    column = ledger[own.column]
    rows = np.flatnonzero((column.values >= 0) & (log.goal > 0))
    rows = rows[np.isin(column.values[rows], own.codes)]
    rows = rows[np.argsort(column.values[rows], kind="stable")]
    codes = column.values[rows]
    start, end = (np.searchsorted(codes, own.codes, side) for side in ("left", "right"))
    sizes = np.where(own.codes >= 0, end - start, 0)
    at = np.repeat(np.arange(len(sizes)), sizes)
    step = np.arange(len(at)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return at, log.goal[rows[start[at] + step]].astype(np.int64)


@njit(cache=True, nogil=True)
def _end(inside: Mask, last: bool, case: Shorts, own: Shorts, lo: Shorts, hi: Shorts) -> Ints:
    """Position of the first, or the last, event in `(lo, hi]` that is not own; -1 without any."""
    found = np.full(own.size, -1)
    for i in range(own.size):
        p = hi[i] if last else lo[i] + 1
        while lo[i] < p <= hi[i] and (not inside[p] or case[p] == own[i]):
            p += -1 if last else 1
        if lo[i] < p <= hi[i]:
            found[i] = p
    return found


@njit(cache=True, nogil=True)
def _largest(
    inside: Mask, values: Floats, most: Floats, case: Shorts, own: Shorts, lo: Shorts, hi: Shorts
) -> Floats:
    """Maximum (null without any) of the values in `(lo, hi]` that are not own; at best `most`."""
    largest = np.full(own.size, np.nan)
    for i in range(own.size):
        for p in range(lo[i] + 1, hi[i] + 1):
            if inside[p] and case[p] != own[i] and not values[p] <= largest[i]:
                largest[i] = values[p]
                if values[p] == most[i]:
                    break
    return largest


@njit(cache=True, nogil=True)
def _streaks(
    inside: Mask, breaks: Mask, case: Shorts, own: Shorts, lo: Shorts, hi: Shorts
) -> Floats:
    """Events in `(lo, hi]` since the last breaker, both not own."""
    count = np.zeros(own.size)
    for i in range(own.size):
        for p in range(hi[i], lo[i], -1):
            if case[p] != own[i]:
                if breaks[p]:
                    break
                count[i] += inside[p]
    return count


@njit(cache=True, nogil=True)
def _alone(
    before: Shorts, after: Shorts, at: Ints, place: Ints,
    case: Shorts, own: Shorts, lo: Shorts, hi: Shorts,
) -> Floats:  # fmt: skip
    """1 for every first own event of a code that nobody else has in `(lo, hi]`, else 0."""
    alone = np.zeros(at.size)
    for h in range(at.size):
        i, p = at[h], place[h]
        if before[p] <= lo[i]:
            while p <= hi[i] and case[p] == own[i]:
                p = after[p]
            alone[h] = p > hi[i]
    return alone
