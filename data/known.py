"""Which of tonight's rows a ledger holds already, and which it can no longer take.

A ledger only grows at its end. A row that it holds with the same content is no news; an id that it
holds with another content, or a row known no later than the ledger's last one, is a broken row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.encode import microseconds
from data.folder import Manifest, check_sizes
from data.ids import hashes, plain, present
from data.part import Job, decoded, read_dictionaries, read_group, row_groups
from data.sources import reading
from data.sql import Rule, quoted

LATE = Rule("known_ts", "late", "is not after the last known_ts of the ledger", "")
CHANGED = Rule("event_id", "changed", "stands in the ledger with another content", "")

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Known:
    """Positions of rows: `held` agree with the ledger's, `broken` are refused, rule by rule."""

    held: Positions
    broken: tuple[tuple[Rule, Positions], ...]


def find_known(
    connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, table: pa.Table
) -> Known:
    """Look typed rows up in a ledger; key columns have the ledger's types.

    Raises
    ------
    ContractError : the ledger is damaged.
    """
    late = microseconds(table.column("known_ts")) <= manifest.watermark
    asked = hashes(table.column("event_id"))
    held, changed = np.zeros((2, table.num_rows), bool)
    files = tuple(f"ids-{n}.parquet" for n in range(1, len(manifest.parts) + 1))
    check_sizes(folder, manifest, files)
    dictionaries: dict[str, pa.Array] = {}  # read once, and only if a row may stand there
    with reading(str(folder)):
        jobs = row_groups(folder, manifest)
        for part, ids in zip(manifest.parts, files, strict=True):
            at = np.flatnonzero(present(folder / ids, asked))
            if len(at):
                dictionaries = dictionaries or read_dictionaries(folder, manifest)
                found = [j for j in jobs if j.path == folder / part]
                for stored in _twins(manifest, found, table.column("event_id").take(at)):
                    twins = decoded(dictionaries, stored)
                    rows, same = _compared(connection, table.take(at), at, twins)
                    held[rows[same]], changed[rows[~same]] = True, True
    late &= ~(held | changed)
    broken = tuple((r, np.flatnonzero(f)) for r, f in ((CHANGED, changed), (LATE, late)) if f.any())
    return Known(np.flatnonzero(held), broken)


def _twins(manifest: Manifest, jobs: list[Job], ids: pa.ChunkedArray) -> Iterator[pa.Table]:
    """The stored rows with one of these ids."""
    ids = plain(ids)
    for job in jobs:
        at = pc.is_in(plain(read_group(job, manifest, ["event_id"]).column(0)), value_set=ids)
        if pc.any(at).as_py():
            yield read_group(job, manifest, ["event_id", *manifest.columns]).filter(at)


def _compared(
    connection: duckdb.DuckDBPyConnection, table: pa.Table, at: Positions, twins: pa.Table
) -> tuple[Positions, NDArray[np.bool_]]:
    """Positions of the rows that have a twin, and whether all their values are the same."""
    columns = dict.fromkeys([*table.column_names, *twins.column_names])
    equal = " AND ".join(
        f"{_side('one', table, c)} IS NOT DISTINCT FROM {_side('two', twins, c)}" for c in columns
    )
    connection.register("one", table.append_column("at$", pa.array(at)))
    connection.register("two", twins)
    found = connection.sql(
        f"SELECT at$, {equal} AS same FROM one JOIN two ON one.event_id = two.event_id"
    ).to_arrow_table()
    connection.unregister("one")
    connection.unregister("two")
    return found.column(0).to_numpy(), found.column(1).to_numpy()


def _side(name: str, table: pa.Table, column: str) -> str:
    if column not in table.column_names:
        return "NULL"
    value = f"{name}.{quoted(column)}"
    if table.schema.field(column).type == pa.float64():  # a part holds a null as NaN
        return f"nullif({value}, 'NaN'::DOUBLE)"
    return value
