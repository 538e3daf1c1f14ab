"""Columns that are filled later than their row: empty in recent rows, filled in older ones.

In: a ledger. Out: per event type and column the evidence. A value that arrives days after its row
and is written into it leaves this trace at the ledger's end. So does a column that a source has
stopped to fill; a ledger of some nights ago tells the two apart (`data.versions`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.ledger import Column, Ledger

DAY_US: Final = 86_400_000_000
AGES: Final = (3, 7, 14, 30, 90)  # days
EARLIER: Final = 3  # stretches before the recent one, each as long: one campaign fills one of them
Z: Final = 3.5  # thousands of pairs are looked at
FALL: Final = 0.5  # of the fill rate: seasons move it, but rarely by half in every stretch
_CLOCKS: Final = ("event_type", "event_ts", "known_ts", "user_id")


@dataclass(frozen=True)
class LateFill:
    """A column of an event type, `filled` of `rows` in the last `days`, `before` earlier.

    `value`: what counts as filled, `not null`, `not zero` or `true`. `before` is the smallest share
    among the earlier stretches.
    """

    event_type: str
    column: str
    value: str
    days: int
    filled: int
    rows: int
    before: float


def late_fills(ledger: Ledger) -> tuple[list[LateFill], int]:
    """The columns filled late, and how many pairs of event type and column were looked at."""
    types, known = ledger["event_type"], ledger.known_us
    words = [] if types.dictionary is None else [str(w) for w in types.dictionary]
    found: list[LateFill] = []
    pairs = 0
    for code, word in enumerate(words):
        rows = np.flatnonzero(types.values == code)
        for name in (n for n in ledger.columns if n not in _CLOCKS):
            column = ledger[name].take(rows)
            pairs += 1
            for value, filled in _ways(column):
                late = _late(filled, known[rows], int(known[-1]) + 1)
                if late is not None:
                    found.append(LateFill(word, name, value, *late))
                    break
    return found, pairs


def _ways(column: Column) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """What may count as filled, and where it is."""
    filled = column.filled
    yield "not null", filled
    if column.kind in ("int", "float"):
        yield "not zero", filled & (column.values != 0)
    elif column.dictionary is not None and column.dictionary.dtype == bool:
        yield "true", np.append(column.dictionary.to_numpy(np.bool_), False)[column.values]


def _late(
    filled: NDArray[np.bool_], known: NDArray[np.int64], end: int
) -> tuple[int, int, int, float] | None:
    """The first age at which the recent stretch is clearly emptier than each earlier one."""
    total = np.append(0, np.cumsum(filled))
    if total[-1] == 0:
        return None
    for days in AGES:
        edges = end - np.arange(EARLIER + 2)[::-1] * days * DAY_US
        if edges[0] < known[0] - DAY_US:
            return None
        at = np.searchsorted(known, edges)
        rows, hits = np.diff(at), np.diff(total[at])
        low, _ = bounds(int(hits[:-1].sum()), int(rows[:-1].sum()))
        _, high = bounds(int(hits[-1]), int(rows[-1]))
        shares = hits / np.maximum(rows, 1)
        if high < FALL * low and shares[-1] < FALL * shares[:-1].min():
            return days, int(hits[-1]), int(rows[-1]), float(shares[:-1].min())
    return None


def bounds(hits: int, rows: int, z: float = Z) -> tuple[float, float]:
    """Wilson's interval of a share; (0, 1) without a row.

    >>> [round(b, 2) for b in bounds(0, 100, z=1.96)]
    [0.0, 0.04]
    """
    if rows == 0:
        return 0.0, 1.0
    share = hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return max(0.0, middle - half), min(1.0, middle + half)
