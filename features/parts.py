"""Features of more events than memory holds: the same kernel, on one share of the ids at a time.

In: a ledger folder, decisions, a number of bytes. Out: the columns of `features.engine`, bit for
bit, a block of decisions at a time. A window needs the events of one id only; so the ids of each
entity are dealt into shares, and what the kernel says of a share waits in a scratch folder until
all entities are done.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from data.ledger import Column, Ledger
from data.slices import RESIDUES, Dealt, LedgerFolder
from features.declarations import Declaration, unique
from features.engine import decision_times, existing, fill, finished, masked, stages_of
from features.event_sets import WORD
from features.grouping import Asked, asked_codes
from features.kernels import LANES
from features.own_case import REQUEST, Own, own_cases
from features.plan import EntityPlan, Part, compile_plan
from features.ring_parts import counted, ring_bytes, sharers
from features.ring_plan import RingPlan

BLOCK: Final = 1 << 17  # decisions whose columns are in memory at one time
GIB: Final = 1 << 30
BASE: Final = GIB  # the interpreter, the libraries, and what their allocators keep
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Share:
    """One run of the kernel: a part of the plan, and the residues of its first key's codes."""

    plan: Part
    folder: LedgerFolder
    dealt: Dealt
    first: bool
    events: int


@dataclass(frozen=True)
class Waiting:
    """What a share came to: `rows` of the plan's result at the decisions `at`, in a file."""

    path: Path
    rows: tuple[int, ...]
    at: NDArray[np.int64]

    def into(self, matrix: NDArray[np.float64], lo: int, hi: int) -> None:
        """Put what it says of the decisions `[lo, hi)` into their block."""
        a, b = np.searchsorted(self.at, [lo, hi])
        if a == b:
            return
        saved = np.memmap(self.path, np.float64, "r", shape=(len(self.rows), len(self.at)))
        place = self.at[a:b] - lo
        for row, values in zip(self.rows, saved, strict=True):
            matrix[row, place] = values[a:b]


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
    scratch : an empty folder with room for 8 bytes per window and decision; used up files are
        removed.
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
    whole, done = sum(s.events for s in shares), 0
    waiting = []
    for number, share in enumerate(shares):
        waiting.append(_run(share, asked, as_of, own, scratch / f"{number}.f8"))
        done += share.events
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
    """Bytes that stay in memory all the time."""
    dictionaries = sum(int(d.memory_usage()) for d in folder.dictionaries.values())
    return int(cases.memory_usage().sum()) + sum(a.nbytes for a in asked.values()) + dictionaries


def _shares(
    plan: EntityPlan, folder: LedgerFolder, codes: NDArray[np.int32], room: int
) -> Iterator[Share]:
    """As few shares as fit into the room, each of neighbouring residues."""
    events = folder.census(plan.entity[0], plan.types)
    decisions = np.bincount(np.maximum(codes, 0) % RESIDUES, minlength=RESIDUES)
    load = events * _event_bytes(plan, folder) + decisions * _decision_bytes(plan)
    if load.max() > room:
        more = -(-(int(load.max()) - room) // GIB)
        raise UsageError(
            f"a share of '{plan.entity[0]}' that cannot be split needs more memory",
            where=str(folder.path),
            fix=f"give {more} GiB more",
        )
    filled, number = 0, np.empty(RESIDUES, np.int64)
    share = 0
    for residue, size in enumerate(load):
        if filled + size > room:
            share, filled = share + 1, 0
        filled += int(size)
        number[residue] = share
    for k in range(share + 1):
        dealt = number == k
        yield Share(plan, folder, dealt, k == 0, int(events[dealt].sum()))


def _whole(plan: RingPlan, folder: LedgerFolder, decisions: int, room: int) -> Share:
    """Rings in one piece."""
    theirs = sharers(plan, folder)
    events, users = counted(theirs), len(folder.dictionary("user_id"))
    load = ring_bytes(plan, events, users, decisions)
    if load > room:
        raise UsageError(
            "rings, which cannot be split, need more memory",
            where=str(folder.path),
            fix=f"give {-(-(load - room) // GIB)} GiB more, or leave the rings out of the task",
        )
    return Share(plan, theirs, np.ones(RESIDUES, np.bool_), True, events)


def _run(
    share: Share, asked: Asked, as_of: NDArray[np.int64], own: Own | None, path: Path
) -> Waiting:
    """Read the share's events, run the kernel, and put the result aside."""
    codes = asked[share.plan.entity[0]]
    mine = share.dealt[np.maximum(codes, 0) % RESIDUES]  # nobody and unknown ids go with code 0
    at = np.flatnonzero(mine)
    plan, rows = share.plan.alone(), share.plan.rows
    columns = dict.fromkeys([*plan.columns, *([own.column] if own else [])])
    types = None if isinstance(plan, RingPlan) else plan.types  # any event may link
    ledger = share.folder.read(columns, types=types, entity=plan.entity[0], dealt=share.dealt)
    theirs = {name: asked[name][at] for name in plan.entity}
    out = np.empty((len(rows), len(at)), np.float64)
    order = np.argsort(as_of[at], kind="stable")
    fill(plan, ledger, theirs, as_of[at], order, out, own.take(at) if own else None)
    out.tofile(path)
    return Waiting(path, rows, at)


def _event_bytes(plan: EntityPlan, folder: LedgerFolder) -> int:
    """What the kernel holds of an event at most: as read, as grouped, and running totals."""
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
    return read + grouped + pairs + scratch


def _decision_bytes(plan: EntityPlan) -> int:
    """What the kernel holds of a decision: both forms of its positions, its results, its place."""
    return 8 * len(plan.edges) + 8 * len(plan.rows) + 64
