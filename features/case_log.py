"""Some events of a ledger by case, for questions about what followed.

A ledger is sorted by the time its events became known, so a stretch of time is a stretch of
positions `[lo, hi)`, and one ascending int64 `case << 32 | position` answers every question about
one case with a binary search: no loop over cases, no join.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Column, Ledger
from features.declarations import Events
from features.event_sets import bitmask

Positions = NDArray[np.int64]
NOWHERE = -1
_LOW = 32


@dataclass(frozen=True)
class CaseLog:
    """Events as ascending keys; the position is the event's place in the ledger.

    Every question takes `case` (codes; negative ones have no events), `lo` and `hi` of one shape
    and answers in it. `first` and `last` give a position, or -1.
    """

    keys: Positions

    @property
    def rows(self) -> Positions:
        """Places in the ledger."""
        return np.asarray(self.keys & (2**_LOW - 1), np.int64)

    @property
    def cases(self) -> Positions:
        """Codes of the cases."""
        return self.keys >> _LOW

    def first(self, case: NDArray[Any], lo: Positions, hi: Positions) -> Positions:
        """The first event in `[lo, hi)`."""
        return self._at(np.searchsorted(self.keys, _key(case, lo)), case, lo, hi)

    def last(self, case: NDArray[Any], lo: Positions, hi: Positions) -> Positions:
        """The last event in `[lo, hi)`."""
        return self._at(np.searchsorted(self.keys, _key(case, hi)) - 1, case, lo, hi)

    def total(
        self, values: NDArray[np.int64], case: NDArray[Any], lo: Positions, hi: Positions
    ) -> NDArray[np.int64]:
        """The sum of `values` (one a ledger row) over the events in `[lo, hi)`."""
        prefix = np.concatenate([[0], np.cumsum(values[self.rows])])
        end = np.searchsorted(self.keys, _key(case, np.maximum(lo, hi)))
        return np.asarray(prefix[end] - prefix[np.searchsorted(self.keys, _key(case, lo))])

    def where(self, kept: NDArray[np.bool_]) -> "CaseLog":
        """The log without some of its events."""
        return CaseLog(self.keys[kept])

    def places(self, rows: Positions, case: NDArray[Any]) -> Positions:
        """Places in this log of the events that `first` or `last` found; -1 stays -1."""
        found = np.searchsorted(self.keys, _key(case, np.maximum(rows, 0)))
        return np.where(rows >= 0, found, NOWHERE)

    def _at(self, place: Positions, case: NDArray[Any], lo: Positions, hi: Positions) -> Positions:
        keys = np.append(self.keys, NOWHERE)  # both ends of the log lead to a key nobody asks for
        found = keys[np.clip(place, NOWHERE, len(self.keys))]
        inside = (found >= _key(case, lo)) & (found < _key(case, hi)) & (case >= 0)
        return np.where(inside, found & (2**_LOW - 1), NOWHERE)


def case_logs(
    ledger: Ledger, case: str, sets: Mapping[str, Events], stop: int
) -> dict[str, CaseLog]:
    """The events below place `stop` of some event sets, by the key column `case`.

    An event without a case belongs to none and is left out.
    """
    column = ledger[case]
    if column.kind != "code":
        fix = f'declare it as a key: [columns] {case} = "key"'
        raise ContractError(f"column '{case}' is no key", where=ledger.source, fix=fix)
    word = bitmask(ledger, [(events, None) for events in sets.values()])[:stop]
    logs = {}
    for bit, name in enumerate(sets):
        rows = np.flatnonzero(word & word.dtype.type(1 << bit))
        codes = column.values[rows]
        keys = _key(codes, rows)[codes >= 0]
        keys.sort()
        logs[name] = CaseLog(keys)
    return logs


def joined(logs: Sequence[CaseLog]) -> tuple[CaseLog, NDArray[np.int64]]:
    """Several logs as one, and which of them each event came from."""
    if not logs:
        return CaseLog(np.zeros(0, np.int64)), np.zeros(0, np.int64)
    keys = np.concatenate([log.keys for log in logs])
    source = np.repeat(np.arange(len(logs)), [len(log.keys) for log in logs])
    order = np.argsort(keys, kind="stable")
    return CaseLog(keys[order]), source[order]


def matches(column: Column, wanted: Collection[Any], at: Positions) -> NDArray[np.bool_]:
    """Where the column has one of the `wanted` values; a null, or place -1, has none.

    A value the column has never held matches nothing.
    """
    if not len(column.values):
        return np.zeros(len(at), bool)
    values = column.values[at]
    if column.kind == "code":
        return np.asarray(_table(column, wanted)[values] & (at >= 0))
    valid = True if column.valid is None else column.valid[at]
    return np.asarray(np.isin(values, list(wanted)) & valid & (at >= 0))


def _table(column: Column, wanted: Collection[Any]) -> NDArray[np.bool_]:
    """Per code, whether it is wanted; the code of null, -1, picks the last entry."""
    known = pd.Index([]) if column.dictionary is None else column.dictionary
    return np.append(known.isin(list(wanted)), False)


def _key(case: NDArray[Any], position: Positions) -> Positions:
    return np.asarray((np.asarray(case, np.int64) << _LOW) | position)
