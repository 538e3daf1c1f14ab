"""From one entity's plan to its rows of results: each aggregate's way through the kernels.

In: an `EntityPlan`, ledger and codes of the cases. Out: the plan's rows of `out`, filled; nulls
where the key is null. What a kernel does is `features.kernels`, how the log is grouped
`features.grouping`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Column, Ledger
from features import kernels, sorting
from features.event_sets import WORD, Words
from features.grouping import Asked, Grouped, group
from features.kernels import LANES
from features.own_case import Own, leave_out
from features.plan import EntityPlan, Measure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Work:
    """What every measure of an entity reads, where it writes, and scratch space (`total`).

    `pos` is in the decisions' own order, `walk` by entity and time, as `log.order` has them.
    """

    ledger: Ledger
    log: Grouped
    pos: NDArray[np.int32]
    walk: NDArray[np.int32]
    as_of: Ints
    out: Floats
    total: Ints

    def word(self, member: int) -> tuple[Words, int]:
        """The bits that hold an event set, and which of them it is."""
        return self.log.words[member // WORD], member % WORD

    def numbers(self, m: Measure) -> NDArray[Any]:
        """A measure's integer or float column, in the order of the log."""
        column = self._column(m)
        if column.kind not in ("int", "float"):
            fix = "sum, mean and max read integer or float columns"
            raise ContractError(f"{m.aggregate} of the {column.kind} column '{m.column}'", fix=fix)
        return self.log.carried(str(m.column), column.values)

    def integer_sum(self, m: Measure) -> bool:
        """Whether a measure is a sum of integers, which are exact in any order."""
        return m.aggregate == "sum" and self._column(m).kind == "int"

    def codes(self, m: Measure) -> tuple[NDArray[np.int32], int]:
        """A measure's coded column, in the order of the log, and how many codes there are."""
        column = self._column(m)
        if column.dictionary is None:
            fix = "count different values of a key, text or truth column"
            raise ContractError(f"distinct of the {column.kind} column '{m.column}'", fix=fix)
        return self.log.carried(str(m.column), column.values), len(column.dictionary)

    def _column(self, m: Measure) -> Column:
        return self.ledger[str(m.column)]


def fill_entity(
    plan: EntityPlan, ledger: Ledger, asked: Asked, as_of: Ints,
    by_time: NDArray[np.intp], out: Floats, own: Own | None = None,
) -> None:  # fmt: skip
    """Fill the rows of one entity.

    Parameters
    ----------
    asked : see `features.grouping.asked_codes`; shape (n,) each.
    as_of : shape (n,), microseconds. by_time : the order of the cases in time.
    out : shape (rows, n). own : the cases whose events are left out; none by default.
    """
    log = group(plan, ledger, asked, by_time)
    edges = np.array(plan.edges, np.int64)
    walk = sorting.bounds(log.ts, log.start, log.first, as_of[log.order], edges)
    pos = np.empty_like(walk)
    sorting.put_back(walk, log.order, np.arange(len(edges)), pos)
    work = Work(ledger, log, pos, walk, as_of, out, np.empty(len(log.ts), np.int64))
    for measure in plan.measures:
        if measure.aggregate in FAMILIES and not work.integer_sum(measure):
            FAMILIES[measure.aggregate](measure, work)
    ages = [m for m in plan.measures if m.aggregate == "age"]
    for word in sorted({m.member // WORD for m in ages}):
        _ages([m for m in ages if m.member // WORD == word], work)
    sums = [m for m in plan.measures if work.integer_sum(m)]
    lanes = np.empty((len(log.ts) if sums else 0, LANES), np.int64)
    for key in sorted({_lane_key(m) for m in sums}):
        alike = [m for m in sums if _lane_key(m) == key]
        for at in range(0, len(alike), LANES):
            _integer_sums(alike[at : at + LANES], work, lanes)
    if own is not None:
        leave_out(plan, ledger, log, pos, as_of, own, out)
    if log.null.any():
        rows = np.array([r for m in plan.measures for r in m.rows()])
        out[np.ix_(rows, np.flatnonzero(log.null))] = np.nan


def _count(m: Measure, w: Work) -> None:
    lo, hi, rows, _ = _leaves(m)
    kernels.tally(*w.word(m.member), w.total)
    kernels.additive(w.total, w.pos, lo, hi, rows, w.out)


def _float_sum(m: Measure, w: Work) -> None:
    lo, hi, rows, count_rows = _leaves(m)
    floats = np.empty(len(w.log.ts))
    kernels.running_floats(*w.word(m.member), w.log.start, w.numbers(m), floats)
    kernels.additive(floats, w.pos, lo, hi, rows, w.out)
    _counts_apart(m, w, lo, hi, count_rows)


def _lane_key(m: Measure) -> tuple[str, int]:
    """Sums with the same key read the same values and the same words of bits."""
    return str(m.column), m.member // WORD


def _integer_sums(measures: Sequence[Measure], w: Work, total: Ints) -> None:
    """Up to `LANES` sums of one column and, packed below them where both fit, their counts."""
    values = w.numbers(measures[0])
    shift = w.log.room_for_counts(str(measures[0].column))
    lane, columns = [], []
    bits, counted = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    for at, m in enumerate(measures):
        found = np.array(_leaves(m))
        packed = shift and m.counted is not None and m.counted // WORD == m.member // WORD
        bits[at], counted[at] = m.member % WORD, (m.counted or 0) % WORD if packed else 0
        if not packed:
            _counts_apart(m, w, *found[[0, 1, 3]])
            found[3] = -1
        lane += [at] * len(m.leaves)
        columns.append(found)
    word = w.log.words[measures[0].member // WORD]
    kernels.running(word, bits, counted, shift, values, total)
    lo, hi, rows, count_rows = np.concatenate(columns, axis=1)
    lanes = np.array(lane, np.int64)
    kernels.sums(total, shift, w.pos, lanes, lo, hi, rows, count_rows, w.out)


def _counts_apart(m: Measure, w: Work, lo: Ints, hi: Ints, count_rows: Ints) -> None:
    """The counts that come with a sum, in a pass of their own."""
    apart = count_rows >= 0
    if m.counted is not None and apart.any():
        kernels.tally(*w.word(m.counted), w.total)
        kernels.additive(w.total, w.pos, lo[apart], hi[apart], count_rows[apart], w.out)


def _ages(measures: Sequence[Measure], w: Work) -> None:
    """Ages of sets whose bits stand in the same words: one walk for all that end at one edge."""
    log, word = w.log, w.word(measures[0].member)[0]
    bits = np.array([m.member % WORD for m in measures], np.uint64)
    found = np.concatenate([_leaves(m) for m in measures], axis=1)
    member = np.repeat(np.arange(len(measures)), [len(m.leaves) for m in measures])
    for end in np.unique(found[1]):
        at = found[1] == end
        lo, _, rows, _ = found[:, at]
        ages = np.empty((len(rows), len(log.order)))
        kernels.ages(
            word, bits, log.ts, log.start, log.first, w.as_of[log.order], w.walk,
            member[at], lo, end, ages,
        )  # fmt: skip
        sorting.put_back(ages, log.order, rows, w.out)


def _tenure(m: Measure, w: Work) -> None:
    lo, hi, rows, _ = _leaves(m)
    kernels.following(*w.word(m.member), w.log.start, w.total)
    kernels.tenure(w.total, w.log.ts, w.as_of, w.pos, lo, hi, rows, w.out)


def _streak(m: Measure, w: Work) -> None:
    lo, hi, rows, _ = _leaves(m)
    last = np.empty_like(w.total)
    kernels.tally(*w.word(m.member), w.total)
    kernels.latest(*w.word(m.breaker or 0), w.log.start, last)
    kernels.streak(w.total, last, w.pos, lo, hi, rows, w.out)


def _max(m: Measure, w: Work) -> None:
    lo, hi, rows, _ = _leaves(m)
    log, values = w.log, w.numbers(m)
    for end in np.unique(hi):
        at = hi == end
        found = np.empty((int(at.sum()), len(log.order)))
        kernels.largest(*w.word(m.member), values, log.start, log.first, w.walk, lo[at], end, found)
        sorting.put_back(found, log.order, rows[at], w.out)


def _distinct(m: Measure, w: Work) -> None:
    lo, hi, rows, _ = _leaves(m)
    log, (codes, size) = w.log, w.codes(m)
    seen = np.full(size, -1, np.int32)
    before, after = kernels.neighbours(*w.word(m.member), codes, log.start, seen)
    found = np.empty((len(rows), len(log.order)))
    kernels.distinct(before, after, log.start, log.first, w.walk, lo, hi, found)
    sorting.put_back(found, log.order, rows, w.out)


FAMILIES: Final[dict[str, Callable[[Measure, Work], None]]] = {
    "count": _count, "sum": _float_sum, "tenure": _tenure, "streak": _streak, "max": _max,
    "distinct": _distinct,
}  # fmt: skip


def _leaves(m: Measure) -> tuple[Ints, Ints, Ints, Ints]:
    """The measure's windows as columns: lo, hi, row, count_row."""
    found = np.array([(x.lo, x.hi, x.row, x.count_row) for x in m.leaves], np.int64)
    lo, hi, rows, count_rows = np.ascontiguousarray(found.T)
    return lo, hi, rows, count_rows
