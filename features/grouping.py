"""The ledger from one entity's side: its events together, in order, ready for the sorting.

In: ledger, codes of the cases and an `EntityPlan`. Out: a `Grouped` log of the entities that the
cases ask for, and nobody else, with the cases lined up beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, UsageError, nearest
from data.ledger import NULL_CODE, Column, Ledger
from features import sorting
from features.event_sets import WORD, Words, bitmask
from features.plan import EntityPlan, Part

Asked = Mapping[str, NDArray[np.int32]]  # per key column, the codes of the cases


@dataclass(frozen=True)
class Grouped:
    """The events of the asked entities, side by side, and the decisions in the same order.

    Parameters
    ----------
    ts, words : time and set membership of each position.
    start : entity s has the positions `start[s]` (its sentinel) to `start[s + 1]`. The last entity
        has nothing but a sentinel: it stands for everybody unknown.
    goal : the position of every event of the ledger, 0 if it was left out.
    order, first : entity s decides at `order[first[s]:first[s + 1]]`, in order of time.
    null : decisions whose key is null.
    columns, rooms : what `carried` and `room_for_counts` found, kept for the next measure.
    """

    ts: NDArray[np.int64]
    words: list[Words]
    start: NDArray[np.int32]
    goal: NDArray[np.uint32]
    order: NDArray[np.int32]
    first: NDArray[np.int32]
    null: NDArray[np.bool_]
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    rooms: dict[str, int] = field(default_factory=dict)

    def carried(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """A column of the ledger in the order of the log, moved once."""
        if name not in self.columns:
            self.columns[name] = np.zeros(len(self.ts), values.dtype)
            sorting.carry(values, self.goal, self.columns[name])
        return self.columns[name]

    def room_for_counts(self, name: str) -> int:
        """Bits that any count of one entity's events needs; 0 if they do not fit beside its sums.

        A window's sum of the carried integer column `name` stands above them in 63 bits.
        """
        if name not in self.rooms:
            most = int(np.diff(self.start).max())
            low, high = map(int, sorting.extremes(self.columns[name]))
            largest, bits = max(-low, high), most.bit_length()
            self.rooms[name] = bits if largest * most < 2 ** (62 - bits) else 0
        return self.rooms[name]


def group(plan: EntityPlan, ledger: Ledger, asked: Asked, by_time: NDArray[np.intp]) -> Grouped:
    """Counting sort of the ledger by entity; `by_time` is the order of the cases in time."""
    words = [
        bitmask(ledger, plan.members[at : at + WORD]) for at in range(0, len(plan.members), WORD)
    ]
    live = words[0] if len(words) == 1 else np.bitwise_or.reduce(words)
    codes, wanted, size = _codes(plan.entity, ledger, asked, live)
    start, cursor, slots = _layout(codes, wanted, size, live)
    goal = np.empty(len(ledger), np.uint32)
    ts = np.empty(start[-1], np.int64)
    logs = [np.zeros(start[-1], word.dtype) for word in words]
    sorting.place(codes, live, cursor, goal)
    sorting.carry(ledger.known_us, goal, ts)
    for word, log in zip(words, logs, strict=True):
        sorting.carry(word, goal, log)
    first = np.zeros(len(start), np.int32)
    order = np.empty(len(wanted), np.int32)
    sorting.line_up(slots, by_time, first, order)
    return Grouped(ts, logs, start, goal, order, first, wanted == NULL_CODE)


def asked_codes(parts: Iterable[Part], ledger: Ledger, cases: pd.DataFrame) -> Asked:
    """The codes of the cases for every key that a part of the plan asks for.

    Raises
    ------
    ContractError : a key that the ledger does not code, or that the cases lack.
    """
    names = dict.fromkeys(name for part in parts for name in part.entity)
    return {name: _asked(name, ledger[name], ledger.source, cases) for name in names}


def _layout(
    codes: NDArray[np.int32], asked: NDArray[np.int32], size: int, live: Words
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Where each asked entity's events begin: starts, a cursor per code, a slot per decision."""
    counts = np.zeros(size, np.int64)
    sorting.census(codes, live, counts)
    slots, slot_of = np.empty(len(asked), np.int32), np.full(size, -1, np.int32)
    sorting.number(asked, slot_of, slots)
    wanted = slot_of >= 0
    sizes = np.append(counts[wanted] + 1, 1)
    if sizes.sum() >= np.iinfo(np.int32).max:
        fix = "compute the cases in parts, split by entity"
        raise UsageError("more than 2^31 events in one run", where="features", fix=fix)
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    cursor = np.full(size, -1, np.int32)
    cursor[wanted] = start[:-2]
    return start, cursor, slots


def _codes(
    entity: tuple[str, ...], ledger: Ledger, asked: Asked, live: Words
) -> tuple[NDArray[np.int32], NDArray[np.int32], int]:
    """Codes of the events and of the cases, and how many codes there are.

    Of a combination of columns only those that the cases ask for get a code.
    """
    codes, wanted = ledger[entity[0]].values, asked[entity[0]]
    dictionary = ledger[entity[0]].dictionary
    size = 0 if dictionary is None else len(dictionary)
    for name in entity[1:]:
        room = 1 << max(4, int(2 * len(wanted)).bit_length())
        keys, numbers = np.full(room, -1, np.int64), np.empty(room, np.int32)
        both, both_wanted = np.empty(len(codes), np.int32), np.empty(len(wanted), np.int32)
        size = sorting.learn_pairs(wanted, asked[name], keys, numbers, both_wanted)
        sorting.find_pairs(codes, ledger[name].values, live, keys, numbers, both)
        codes, wanted = both, both_wanted
    return codes, wanted, size


def _asked(name: str, column: Column, source: str, cases: pd.DataFrame) -> NDArray[np.int32]:
    if column.dictionary is None:
        fix = f'declare it as a key: [columns] {name} = "key"'
        raise ContractError(f"entity '{name}' is not a key column", where=source, fix=fix)
    if name not in cases:
        fix = nearest(name, [str(c) for c in cases.columns]) or "build cases with spine(task, ...)"
        raise ContractError(f"no column '{name}' for the entity", where="cases", fix=fix)
    return column.encode(cases[name])
