"""Clocks that cannot be right: event types that were known too early, or all at once.

In: a ledger. Out: what is odd about the two clocks of its event types. A rule of the contract
looks at one row; these look at all rows of a type, so each says how many rows it speaks of.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.ledger import Ledger

DAY_US: Final = 86_400_000_000
MONTH_US: Final = 30 * DAY_US
ENOUGH: Final = 20  # rows below which a pattern may be chance
BATCH: Final = 100
NEARLY_ALL: Final = 0.95
# Somebody else sees these first (a carrier, a court, a bank), or somebody has to look.
TOLD: Final = (
    "order_delivered", "first_scan", "logistics_abnormal", "return_delivered", "audit_flagged",
    "arbitration_ruled", "arbitration_overturned", "chargeback_filed",
)  # fmt: skip
Micros = NDArray[np.int64]


@dataclass(frozen=True)
class OddClock:
    """What is odd about an event type: `rows` of its `of` rows.

    `kind` is `no_delay` (news from others, always known the moment it happened), `backfilled`
    (older rows without the delay that later rows have), `dates` (known at midnight, before its day
    has passed) or `bulk` (a history that became known in one instant).
    """

    kind: str
    event_type: str
    rows: int
    of: int
    first_us: int
    last_us: int


def odd_clocks(ledger: Ledger) -> list[OddClock]:
    """Every odd clock of a ledger with `event_ts`; at most one of a kind per event type."""
    types = ledger["event_type"]
    words = [] if types.dictionary is None else [str(w) for w in types.dictionary]
    found: list[OddClock] = []
    for code, word in enumerate(words):
        rows = np.flatnonzero(types.values == code)
        if len(rows) >= ENOUGH:
            known, event = ledger.known_us[rows], ledger["event_ts"].values[rows]
            found += _odd(word, known, event)
    return found


def _odd(word: str, known: Micros, event: Micros) -> Iterator[OddClock]:
    at_once = known == event
    if word in TOLD and at_once.all():
        yield _told("no_delay", word, known, at_once)
    elif (early := _backfilled(event, at_once)).any():
        yield _told("backfilled", word, known, early)
    midnight = at_once & (known % DAY_US == known[0] % DAY_US) & (known % (DAY_US // 24) == 0)
    if midnight.mean() >= NEARLY_ALL and len(np.unique(known // DAY_US)) >= ENOUGH:
        yield _told("dates", word, known, midnight)
    if (load := _bulk(known, event)).any():
        yield _told("bulk", word, known, load)


def _backfilled(event: Micros, at_once: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows of months without a delay that lie before a month in which most rows have one."""
    months, month = np.unique(event // MONTH_US, return_inverse=True)
    rows = np.bincount(month, minlength=len(months))
    share = np.bincount(month, at_once, len(months)) / rows
    enough = rows >= ENOUGH
    late = np.flatnonzero(enough & (share <= 0.5))
    early = enough & (share >= NEARLY_ALL)
    early[late[-1] if len(late) else 0 :] = False
    return np.asarray(early[month] & at_once)


def _bulk(known: Micros, event: Micros) -> NDArray[np.bool_]:
    """Rows of the largest batch known in one instant, if they happened over more than a month."""
    start = np.flatnonzero(np.append(True, known[1:] != known[:-1]))
    size = np.diff(np.append(start, len(known)))
    span = np.maximum.reduceat(event, start) - np.minimum.reduceat(event, start)
    size = np.where((size >= BATCH) & (span > MONTH_US), size, 0)
    batch = int(size.argmax())
    inside = np.zeros(len(known), bool)
    inside[start[batch] : start[batch] + size[batch]] = True
    return inside


def _told(kind: str, word: str, known: Micros, rows: NDArray[np.bool_]) -> OddClock:
    at = known[rows]
    return OddClock(kind, word, int(rows.sum()), len(known), int(at[0]), int(at[-1]))
