"""Features of more events than memory holds: the same kernel, on one share of the ids at a time.

In: a ledger folder, decisions, a number of bytes. Out: the columns of `features.engine`, bit for
bit, a block of decisions at a time. A window needs the events of one id only; so the ids of each
entity are dealt into shares, which are read, and a share into hands, which the kernel takes: what
it holds of an event is several times what is read. What it says of a hand waits in a scratch folder
until all entities are done.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from data.kept import Hands
from data.ledger import Column, Ledger
from data.slices import NO_HAND, RESIDUES, LedgerFolder
from features.aside import Aside, put_aside
from features.declarations import Declaration, unique
from features.engine import decision_times, existing, fill, finished, masked, stages_of
from features.event_sets import WORD
from features.grouping import Asked, asked_codes
from features.kernels import LANES
from features.own_case import REQUEST, Own, own_cases
from features.plan import EntityPlan, Part, compile_plan
from features.ring_parts import ring_bytes, sharers
from features.ring_plan import RingPlan

BLOCK: Final = 1 << 17  # decisions whose columns are in memory at one time
GIB: Final = 1 << 30
BASE: Final = 3 * GIB // 2  # the interpreter, the libraries, and what their allocators keep
HAND: Final = GIB  # what the kernel works in: pages touched for the first time cost more than sums
THREADS: Final = 2  # hands at one time, if they fit
Told = Callable[[int, int], None]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Share:
    """What is read at one time: of a part of the plan, some residues of its first key's codes.

    The kernel takes one hand at a time, in so many `threads`; `sizes` counts the events of each.
    """

    plan: Part
    folder: LedgerFolder
    hands: Hands
    sizes: tuple[int, ...]
    threads: int


def feature_blocks(
    definitions: Iterable[Declaration],
    folder: LedgerFolder,
    cases: pd.DataFrame,
    *,
    memory: int,
    scratch: Path,
    case: str = "case_id",
    told: Told = lambda _done, _whole: None,
) -> Iterator[tuple[slice, pd.DataFrame]]:
    """The columns of `features.engine.features`, a block of decisions after the other.

    Parameters
    ----------
    definitions, cases, case : as of `features`; without a case there is one empty block.
    memory : bytes that the process may take in all; the cases are among them.
    scratch : an empty folder with room for at most 8 bytes per window and decision, and mostly a
        third; used up files are removed.
    told : gets the events that are done and those to do, over all entities.

    Raises
    ------
    UsageError : one share of the ids, which cannot be split, needs more memory.
    ContractError : as of `features` and `LedgerFolder.read`.
    """
    declared = unique(definitions)
    stages = stages_of(cases, declared)
    plan = compile_plan(existing(declared, stages))
    as_of = decision_times(cases)
    keys = dict.fromkeys(key for part in plan.parts for key in part.entity)
    asked = asked_codes(plan.parts, _dictionaries(keys, folder), cases)
    late = [case] if (stages > REQUEST).any() else []
    own = own_cases(_dictionaries(late, folder), cases, stages, case)
    room = memory - BASE - _held(cases, asked, folder)
    shares = [_whole(ring, folder, len(cases), room) for ring in plan.rings]
    shares += [s for e in plan.entities for s in _shares(e, folder, asked[e.entity[0]], room)]
    whole, done = sum(sum(s.sizes) for s in shares), 0
    waiting: list[Aside] = []
    for number, share in enumerate(shares):
        waiting += _run(share, asked, as_of, own, scratch / f"{number}")
        done += sum(share.sizes)
        told(done, whole)
    for lo in range(0, max(len(cases), 1), BLOCK):
        hi = min(lo + BLOCK, len(cases))
        matrix = np.empty((plan.height, hi - lo), np.float64)
        for file in waiting:
            file.into(matrix, lo, hi)
        X = finished(plan, cases.iloc[lo:hi], matrix)
        yield slice(lo, hi), masked(X, declared, stages[lo:hi])
    for file in waiting:
        file.path.unlink()


def _dictionaries(names: Iterable[str], folder: LedgerFolder) -> Ledger:
    """The ledger's keys without its events: what the codes of the cases are found with."""
    empty = np.empty(0, np.int32)
    columns = {n: Column("code", empty, dictionary=folder.dictionary(n)) for n in names}
    return Ledger(columns, source=str(folder.path))


def _held(cases: pd.DataFrame, asked: Asked, folder: LedgerFolder) -> int:
    """Bytes that stay in memory all the time; ids of cases are codes of the same dictionaries."""
    dictionaries = sum(int(d.memory_usage()) for d in folder.dictionaries.values())
    columns = (cases[name].array for name in cases)
    held = sum(c.codes.nbytes if isinstance(c, pd.Categorical) else c.nbytes for c in columns)
    return held + sum(a.nbytes for a in asked.values()) + dictionaries


def _shares(
    plan: EntityPlan, folder: LedgerFolder, codes: NDArray[np.int32], room: int
) -> Iterator[Share]:
    """As few shares as fit into the room beside the hands at work."""
    events = folder.census(plan.entity[0], plan.types)
    decisions = np.bincount(np.maximum(codes, 0) % RESIDUES, minlength=RESIDUES)
    read_bytes, worked_bytes = _event_bytes(plan, folder)
    read = events * read_bytes
    worked = events * worked_bytes + decisions * _decision_bytes(plan)
    hand = max(int(worked.max()), min(HAND, room // (2 * THREADS)))
    threads = THREADS if THREADS * hand + read.max() <= room else 1
    left = room - threads * hand
    if left < read.max():
        raise UsageError(
            f"a share of '{plan.entity[0]}' that cannot be split needs more memory",
            where=str(folder.path),
            fix=f"give {-(-int(read.max() - left) // GIB)} GiB more",
        )
    for share in _filled(read, left, np.arange(RESIDUES)):
        hands, sizes = np.full(RESIDUES, NO_HAND, np.int16), []
        for number, residues in enumerate(_filled(worked, hand, share)):
            hands[residues] = number
            sizes.append(int(events[residues].sum()))
        yield Share(plan, folder, hands, tuple(sizes), threads)


def _filled(load: Ints, room: int, among: Ints) -> Iterator[Ints]:
    """Some residues, neighbours together, as many as fit into the room at a time."""
    first, filled = 0, 0
    for at, residue in enumerate(among):
        if filled + load[residue] > room:
            yield among[first:at]
            first, filled = at, 0
        filled += int(load[residue])
    yield among[first:]


def _whole(plan: RingPlan, folder: LedgerFolder, decisions: int, room: int) -> Share:
    """Rings in one piece."""
    theirs = sharers(plan, folder)
    load = ring_bytes(plan, theirs, decisions)
    if load > room:
        raise UsageError(
            "rings, which cannot be split, need more memory",
            where=str(folder.path),
            fix=f"give {-(-(load - room) // GIB)} GiB more, or leave the rings out of the task",
        )
    return Share(plan, theirs.folder, np.zeros(RESIDUES, np.int16), (theirs.events,), 1)


def _run(share: Share, asked: Asked, as_of: Ints, own: Own | None, name: Path) -> list[Aside]:
    """Read the share's events, run the kernel on one hand after the other, put it all aside."""
    key, plan = share.plan.entity[0], share.plan.alone()
    columns = dict.fromkeys([*plan.columns, *([own.column] if own else [])])
    types = None if isinstance(plan, RingPlan) else plan.types  # any event may link
    dealt = share.folder.deal(columns, key, share.hands, share.sizes, types=types)
    ledgers = dict(enumerate(dealt))
    del dealt  # a hand that was taken makes room
    hand_of = share.hands[np.maximum(asked[key], 0) % RESIDUES]  # nobody goes with code 0

    def one(hand: int) -> Aside:
        at = np.flatnonzero(hand_of == hand)
        theirs = {k: asked[k][at] for k in plan.entity}
        out = np.empty((len(share.plan.rows), len(at)), np.float64)
        order = np.argsort(as_of[at], kind="stable")
        mine = own.take(at) if own else None
        fill(plan, ledgers.pop(hand), theirs, as_of[at], order, out, mine)
        return put_aside(out, share.plan.rows, at, name.with_suffix(f".{hand}"))

    with ThreadPoolExecutor(share.threads) as pool:
        return list(pool.map(one, range(len(share.sizes))))


def _event_bytes(plan: EntityPlan, folder: LedgerFolder) -> tuple[int, int]:
    """What is held of an event at most: as read; and beside it, as grouped, and running totals."""
    size = {"code": 4, "time": 8, "int": 9, "float": 8}
    kinds = {c: folder.kind(c) for c in plan.columns}
    words = [min(WORD, len(plan.members) - at) for at in range(0, len(plan.members), WORD)]
    word = sum(np.min_scalar_type(2**bits - 1).itemsize for bits in words)
    carried = {c for m in plan.measures if (c := m.column)}
    aggregates = {m.aggregate for m in plan.measures}
    integers = any(m.aggregate == "sum" and kinds[str(m.column)] == "int" for m in plan.measures)
    read = 8 + sum(size[k] for k in kinds.values())
    grouped = 8 + 4 + 2 * word + sum(size[kinds[c]] for c in carried)
    pairs = 4 if len(plan.entity) > 1 else 0
    scratch = 8 + (8 * LANES if integers else 0)
    scratch += 8 * sum(a in aggregates for a in ("max", "distinct", "streak"))
    return read, grouped + pairs + scratch


def _decision_bytes(plan: EntityPlan) -> int:
    """What the kernel holds of a decision: positions and results, both in two orders, and more."""
    return 8 * len(plan.edges) + 16 * len(plan.rows) + 64
