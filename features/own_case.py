"""The own case left out: at a later stage a case's own earlier events are no history of anybody.

A request is invisible to its own windows, for they end strictly before it. At the first scan of the
parcel the same case has a past: its request, perhaps its pay-out. Counted as the buyer's or the
merchant's history it would say of every case that there was one more. So a window over anything
but the case itself leaves the events of the row's own case out; windows over the case see nothing
but them. Counts and sums subtract the few own events; the rest looks at the window again.
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
from features.kernels import DAY_US
from features.plan import EntityPlan

Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
REQUEST: Final = STAGES.index("request")
EVERYWHERE: Final = slice(None)


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
        values = None
        if x.column is not None:
            values = log.carried(x.column, ledger[x.column].values)
        if x.aggregate == "count" or (x.aggregate == "sum" and ledger[str(x.column)].kind == "int"):
            ones = np.ones(int(hit.sum())) if values is None else values[place[hit]]
            out[x.row] -= np.bincount(at[hit], ones, out.shape[1])
            continue
        rows = np.unique(at[hit])
        window = (case, own.codes[rows], pos[x.lo, rows], pos[x.hi, rows])
        out[x.row, rows] = _again(x, log, window, values, as_of[rows])


def _again(x: _Leaf, log: Grouped, window: tuple[Any, ...], values: Any, as_of: Ints) -> Floats:
    """The aggregate over windows that hold own events, without them."""
    inside = _inside(log, x.member)
    if x.aggregate in ("age", "tenure"):
        found = _ends(inside, *window)[int(x.aggregate == "age")]
        return np.where(found < 0, np.nan, (as_of - log.ts[found]) / DAY_US)
    if x.aggregate == "streak":
        return _streaks(inside, _inside(log, x.breaker or 0), *window)
    if x.aggregate == "distinct":
        codes = values.astype(np.int32)
        return _distinct(inside, codes, np.full(int(codes.max(initial=0)) + 1, -1), *window)
    return _folds(inside, values.astype(np.float64), *window)[int(x.aggregate == "max")]


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
def _ends(inside: Mask, case: Shorts, own: Shorts, lo: Shorts, hi: Shorts) -> tuple[Ints, Ints]:
    """Positions of the first and last event in `(lo, hi]` that are not own; -1 without any."""
    first, last = np.full(own.size, -1), np.full(own.size, -1)
    for i in range(own.size):
        for p in range(lo[i] + 1, hi[i] + 1):
            if inside[p] and case[p] != own[i]:
                first[i] = p
                break
        if first[i] >= 0:
            p = hi[i]
            while not inside[p] or case[p] == own[i]:
                p -= 1
            last[i] = p
    return first, last


@njit(cache=True, nogil=True)
def _folds(
    inside: Mask, values: Floats, case: Shorts, own: Shorts, lo: Shorts, hi: Shorts
) -> tuple[Floats, Floats]:
    """Sum and maximum (null without any) of the values in `(lo, hi]` that are not own."""
    total, most = np.zeros(own.size), np.full(own.size, np.nan)
    for i in range(own.size):
        for p in range(lo[i] + 1, hi[i] + 1):
            if inside[p] and case[p] != own[i]:
                total[i] += values[p]
                most[i] = values[p] if np.isnan(most[i]) else max(most[i], values[p])
    return total, most


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
def _distinct(
    inside: Mask, codes: Shorts, seen: Ints, case: Shorts, own: Shorts, lo: Shorts, hi: Shorts
) -> Floats:
    """Different codes in `(lo, hi]` that are not own; `seen` is scratch, one -1 per code."""
    count = np.zeros(own.size)
    for i in range(own.size):
        for p in range(lo[i] + 1, hi[i] + 1):
            if inside[p] and case[p] != own[i] and seen[codes[p]] != i:
                seen[codes[p]] = i
                count[i] += 1
    return count
