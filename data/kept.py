"""Rows kept of row groups: chosen by hand, and collected into columns.

What `data.slices` does with each row group, in memory alone.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hands = NDArray[np.int16]
Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]
Values = tuple[NDArray[Any], Mask | None]  # values, and where an integer is not null
Kept = tuple[Rows, dict[str, Values]]  # places in the ledger, and the columns there


@dataclass
class Growing:
    """Columns that row groups are added to.

    They are allocated once, for as many events as there can be: memory that stays untouched costs
    nothing, and touching it twice does.
    """

    values: dict[str, NDArray[Any]]
    valid: dict[str, Mask]
    places: Rows | None
    size: int = 0

    def add(self, rows: Rows, chunk: dict[str, Values]) -> None:
        """Rows of the ledger, and their values."""
        here = slice(self.size, self.size + len(rows))
        for name, (values, known) in chunk.items():
            self.values[name][here] = values
            if known is not None:
                self.valid[name][here] = known
        if self.places is not None:
            self.places[here] = rows
        self.size += len(rows)

    def column(self, name: str) -> tuple[NDArray[Any], Mask | None]:
        """A column's values, and where an integer is not null."""
        valid = self.valid.get(name)
        return self.values[name][: self.size], None if valid is None else valid[: self.size]


def dealt(hand: Hands, many: int) -> list[Rows]:
    """The rows of each hand, in order."""
    if many == 1:
        return [np.flatnonzero(hand == 0)]
    order = np.argsort(hand, kind="stable")
    cuts = np.searchsorted(hand[order], np.arange(many + 1))
    return [order[a:b] for a, b in pairwise(cuts)]


def taken(rows: Rows, values: NDArray[Any], valid: Mask | None) -> Values:
    """A column at some of its rows."""
    if len(rows) == len(values):
        return values, valid
    return values.take(rows), None if valid is None else valid.take(rows)
