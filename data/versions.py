"""Two versions of one ledger: what was known some nights ago must still be there, unchanged.

In: the rows of the older and of the newer version. Out: what changed about events that the older
one should have known, that is up to its last `known_ts`. An append-only ledger has no such change.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.check import open_input
from data.contract import Contract
from data.errors import ContractError
from data.folder import is_ledger_folder, read_manifest
from data.part import read_rows
from data.validation import check_batches

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Change:
    """Rows of an event type that changed: `rows` of its `of` rows in the older version.

    `kind` is `removed`, `back_dated` (added later with a `known_ts` in the older one's time),
    `filled` (a null became a value) or `altered`; the last two name the column. `event_id` is the
    first such row's.
    """

    kind: str
    event_type: str
    column: str
    rows: int
    of: int
    event_id: str


def typed_rows(path: Path, contract: Contract | None = None) -> pa.Table:
    """All rows of a ledger, `event_id` included.

    Raises
    ------
    ContractError : unreadable, or a row breaks the contract.
    """
    if is_ledger_folder(path):
        return read_rows(path, read_manifest(path))
    opened = open_input(path, contract)
    checked = check_batches(opened.batches, opened.contract, source=opened.name)
    checked.report.raise_if_broken()
    return checked.table


def changes(old: pa.Table, new: pa.Table) -> list[Change]:
    """What changed between two versions, the most rows first.

    Parameters
    ----------
    old, new : typed rows (see `typed_rows`), each `event_id` once.

    Raises
    ------
    ContractError : the older version ends later, or no event of it is in the newer one.
    """
    if pc.greater(pc.max(old.column("known_ts")), pc.max(new.column("known_ts"))).as_py():
        fix = "give the newer ledger first and the older one to --before"
        raise ContractError(
            "the older version ends later than the ledger", where="--before", fix=fix
        )
    new = new.filter(pc.less_equal(new.column("known_ts"), pc.max(old.column("known_ts"))))
    ids, now = _plain(old, "event_id"), _plain(new, "event_id")
    if ids.type != now.type:  # a source that once had numbers and now has texts
        ids, now = ids.cast(pa.string()), now.cast(pa.string())
    place = pd.Index(now.to_pandas()).get_indexer(pd.Index(ids.to_pandas()))
    if (place < 0).all():
        fix = "let the mapping give each event an event_id that stays the same in every version"
        raise ContractError("the two versions share no event", where="--before", fix=fix)
    of = _per_type(old, np.ones(len(old), bool))
    found = _counted("removed", old, place < 0, of)
    added = np.ones(len(new), bool)
    added[place[place >= 0]] = False
    found += _counted("back_dated", new, added, of)
    kept, same = old.filter(pa.array(place >= 0)), new.take(pa.array(place[place >= 0]))
    for name in dict.fromkeys([*old.column_names, *new.column_names]):
        if name == "event_id":
            continue
        before, after = _plain(kept, name), _plain(same, name)
        empty, differs = _differs(before, after)
        found += _counted("filled", kept, empty & differs, of, name)
        found += _counted("altered", kept, differs & ~empty, of, name)
    return sorted(found, key=lambda c: (-c.rows, c.kind, c.event_type, c.column))


def _differs(before: pa.Array, after: pa.Array) -> tuple[Mask, Mask]:
    """Where the older value is null, and where the two are not the same."""
    if before.type != after.type and not pa.types.is_null(before.type):
        if pa.types.is_null(after.type):
            after = after.cast(before.type)
        else:
            before, after = before.cast(pa.string()), after.cast(pa.string())
    empty, gone = (pc.is_null(a, nan_is_null=True).to_numpy(False) for a in (before, after))
    if pa.types.is_null(before.type):
        return empty, ~gone
    equal = pc.fill_null(pc.equal(before, after), False).to_numpy(False)
    return empty, ~(equal | (empty & gone))


def _plain(table: pa.Table, name: str) -> pa.Array:
    """A column without a dictionary; all null if the table lacks it."""
    if name not in table.column_names:
        return pa.nulls(len(table))
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _per_type(table: pa.Table, rows: Mask) -> dict[str, int]:
    words = pd.Series(_plain(table, "event_type").filter(pa.array(rows)).to_pandas())
    return {str(word): int(n) for word, n in words.value_counts().items()}


def _counted(
    kind: str, table: pa.Table, rows: Mask, of: dict[str, int], column: str = ""
) -> list[Change]:
    if not rows.any():
        return []
    words = np.asarray(_plain(table, "event_type").to_pandas())
    found = []
    for word, n in _per_type(table, rows).items():
        first: Any = table.column("event_id")[int(np.flatnonzero(rows & (words == word))[0])]
        found.append(Change(kind, word, column, n, of.get(word, 0), str(first.as_py())))
    return found
