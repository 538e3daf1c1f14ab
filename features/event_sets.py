"""Which events of the ledger belong to which set: resolved once, through the dictionaries.

In: `Events` and a ledger. Out: a mask (`members`), or one bit per set and event (`bitmask`), which
is all that the kernels know of types and conditions.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError
from data.ledger import Column, Ledger
from features.declarations import Events
from features.sorting import look_up

WORD: Final = 64

Words = NDArray[np.unsignedinteger[Any]]
Member = tuple[Events, str | None]  # a set, and a column that must not be null


def members(ledger: Ledger, events: Events) -> NDArray[np.bool_]:
    """Mask of the events in one set."""
    return bitmask(ledger, [(events, None)]).astype(bool)


def bitmask(ledger: Ledger, sets: Sequence[Member]) -> Words:
    """Bit s of an event is 1 if it is in set s and that set's column is not null there.

    The words are as narrow as the sets allow: they are moved and read many times.

    Parameters
    ----------
    sets : at most 64.
    """
    every = 2 ** len(sets) - 1
    rules = [("event_type", s, e.types) for s, (e, _) in enumerate(sets)]
    rules += [(c, s, v) for s, (e, _) in enumerate(sets) for c, v in e.where.items()]
    word = np.full(len(ledger), every, np.min_scalar_type(every))
    for name in dict.fromkeys(c for c, _, _ in rules):
        _keep(word, ledger[name], [(s, v) for c, s, v in rules if c == name], every)
    for name in dict.fromkeys(c for _, c in sets if c):
        bits = _bits([s for s, (_, c) in enumerate(sets) if c == name])
        null_or_not = np.array([every & ~bits, every], word.dtype)
        look_up(ledger[name].filled.view(np.int8), null_or_not, word)
    return word


def _keep(word: Words, column: Column, rules: list[tuple[int, Any]], every: int) -> None:
    """Clear the bits of the sets whose rule the column's value does not meet."""
    free = every & ~_bits([s for s, _ in rules])
    if column.kind == "code" and column.dictionary is not None:
        # The last entry is for a null, code -1.
        table = np.full(len(column.dictionary) + 1, free, word.dtype)
        for s, values in rules:
            table[_codes(column, values)] |= word.dtype.type(_bits([s]))
        look_up(column.values, table, word)
        return
    if column.kind == "time":
        fix = "a where names a key, text, truth or number column"
        raise UsageError("a time cannot be matched by value", where="where", fix=fix)
    for s, values in rules:
        out = ~(np.isin(column.values, values) & column.filled)
        word[out] &= word.dtype.type(every & ~_bits([s]))


def _codes(column: Column, values: Sequence[Any]) -> NDArray[np.intp]:
    """Codes of the values that the ledger has ever held."""
    known = column.dictionary
    if known is None:
        return np.empty(0, np.intp)
    return np.array([known.get_loc(v) for v in values if v in known], np.intp)


def _bits(positions: Sequence[int]) -> int:
    return sum(1 << s for s in positions)
