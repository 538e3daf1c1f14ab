"""From one plan of rings to its rows of results: linked accounts, as they were linked then.

In: a `RingPlan`, ledger and codes of the cases. Out: the plan's rows of `out`, filled. What the
loops do is `features.ring_kernels`. A ring cannot be cut by an id: it is computed in one piece.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import NULL_CODE, Ledger
from features import ring_kernels
from features.event_sets import bitmask
from features.grouping import Asked
from features.ring_kernels import NEVER, NOBODY, RANK
from features.ring_plan import CLOCK, SETS, RingPlan
from features.sorting import LIFE_US

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shorts = NDArray[np.int32]
SEED: Final = 7  # of the ranks, which decide how long a way is, and never an answer


@dataclass(frozen=True)
class Met:
    """Who was met at the identities of one key column.

    Parameters
    ----------
    users : identity k has `users[start[k]:start[k] + size[k]]`, its first ones up to the cap.
    ends : the position in the ledger where identity k became a hub, or `NEVER`.
    links : position, one user, another user, end; of every link, in the ledger's order.
    """

    users: Shorts
    start: Ints
    size: Shorts
    ends: Shorts
    links: tuple[Shorts, Shorts, Shorts, Shorts]


@dataclass(frozen=True)
class Counted:
    """The events of linked users that some measure counts: position, whose, in which sets."""

    at: Shorts
    who: Shorts
    word: NDArray[np.uint64]
    values: Ints


def fill_ring(
    plan: RingPlan, ledger: Ledger, asked: Asked, as_of: Ints,
    by_time: NDArray[np.intp], out: Floats,
) -> None:  # fmt: skip
    """Fill the rows of one way of linking; see `features.measures.fill_entity`."""
    made, a, b, ends = _merged([met(ledger, c, cap).links for c, cap in plan.links.caps.items()])
    slots, node = _nodes(ledger, a, b)
    counted = _counted(plan, ledger, slots)
    codes, now = asked["user_id"][by_time], as_of[by_time]
    lengths = list(dict.fromkeys(m.over for m in plan.measures if m.over != LIFE_US))
    leaving = [lengths.index(m.over) if m.over != LIFE_US else -1 for m in plan.measures]
    columns = _columns(plan)
    found = np.zeros((len(plan.measures) + 1, len(now)))
    found[[m.column == CLOCK for m in plan.measures] + [False]] = np.nan
    found[-1] = 1.0
    ring_kernels.sweep(
        slots[a], slots[b], made, ends, np.argsort(ends, kind="stable")[: np.sum(ends != NEVER)],
        counted.at, counted.who, counted.word, counted.values,
        _ints(m.bit for m in plan.measures),
        _ints(-1 if m.column is None else columns.index(m.column) for m in plan.measures),
        _ints(leaving), _ints(m.counted for m in plan.measures),
        node, slots[np.maximum(codes, NOBODY)], _before(ledger, now),
        np.array([_before(ledger, now - over) for over in lengths], np.int32)
        .reshape(len(lengths), len(now)),
        now // 1000 - _origin(ledger), found,
    )  # fmt: skip
    found[:, codes == NULL_CODE] = np.nan
    for row, values in zip([*(m.row for m in plan.measures), plan.size_row], found, strict=True):
        if row >= 0:
            out[row, by_time] = values


def met(ledger: Ledger, column: str, cap: int) -> Met:
    """Who was met where, in the order of the ledger.

    Raises
    ------
    ContractError : the column is no key.
    """
    key, users = ledger[column], ledger["user_id"].values
    if key.dictionary is None:
        fix = f'declare it as a key: [columns] {column} = "key"'
        raise ContractError(f"'{column}' is not a key column", where=ledger.source, fix=fix)
    known = key.values[(key.values >= 0) & (users >= 0)]
    room = np.minimum(np.bincount(known, minlength=len(key.dictionary)), cap)
    start = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
    size, ends = np.zeros(len(room), np.int32), np.full(len(room), NEVER, np.int32)
    here = np.empty(start[-1], np.int32)
    at, a, b, of = (np.empty(start[-1], np.int32) for _ in range(4))
    n = ring_kernels.meetings(users, key.values, start, cap, here, size, ends, at, a, b, of)
    return Met(here, start, size, ends, (at[:n], a[:n], b[:n], ends[of[:n]]))


def _merged(links: list[tuple[Shorts, ...]]) -> tuple[Shorts, ...]:
    """The links of all columns, in the order of the ledger."""
    together = [np.concatenate(parts) for parts in zip(*links, strict=True)]
    order = np.argsort(together[0], kind="stable")
    return tuple(part[order] for part in together)


def _nodes(ledger: Ledger, a: Shorts, b: Shorts) -> tuple[Shorts, Shorts]:
    """A slot for every user who is ever linked, -1 for the others; and a node for every slot."""
    users = ledger["user_id"].dictionary
    linked = np.zeros(0 if users is None else len(users), np.bool_)
    linked[a] = linked[b] = True
    slots = np.where(linked, np.cumsum(linked) - 1, NOBODY).astype(np.int32)
    node = np.full((int(linked.sum()), 4), NOBODY, np.int32)
    node[:, RANK] = np.random.default_rng(SEED).permutation(len(node))
    return np.append(slots, NOBODY), node  # the last one for nobody's events, code -1


def _counted(plan: RingPlan, ledger: Ledger, slots: Shorts) -> Counted:
    who = slots[ledger["user_id"].values]
    word = bitmask(ledger, plan.members) if plan.members else np.zeros(len(ledger), np.uint64)
    at = np.flatnonzero((who >= 0) & (word != 0)).astype(np.int32)
    who, word = who[at], word[at].astype(np.uint64)
    for bit in dict.fromkeys(m.bit for m in plan.measures if m.bit >= SETS):
        seen = np.zeros(len(slots), np.bool_)
        ring_kernels.firsts(word, bit - SETS, bit, who, seen)
    values = np.empty((len(_columns(plan)), len(at)), np.int64)
    for n, column in enumerate(_columns(plan)):
        values[n] = _numbers(ledger, column, at)
    return Counted(at, who, word, values)


def _columns(plan: RingPlan) -> list[str]:
    return list(dict.fromkeys(m.column for m in plan.measures if m.column is not None))


def _numbers(ledger: Ledger, column: str, at: Shorts) -> Ints:
    if column == CLOCK:  # from the ledger's beginning: the sum over a large cluster must fit
        return ledger.known_us[at] // 1000 - _origin(ledger)
    read = ledger[column].take(at)
    values = np.where(read.filled, read.values, 0)
    with np.errstate(invalid="ignore"):  # what does not fit is another number then
        whole = values.astype(np.int64)
    if read.kind not in ("int", "float") or (whole != values).any():
        fix = "a ring sums whole numbers, which are exact in any order"
        raise ContractError(
            f"sum of the {read.kind} column '{column}'", where=ledger.source, fix=fix
        )
    return whole


def _origin(ledger: Ledger) -> int:
    return int(ledger.known_us[0]) // 1000 if len(ledger) else 0


def _before(ledger: Ledger, moments: Ints) -> Shorts:
    """How many events were known before each moment, strictly."""
    return np.searchsorted(ledger.known_us, moments, side="left").astype(np.int32)


def _ints(values: Iterable[int]) -> Ints:
    return np.fromiter(values, np.int64)
