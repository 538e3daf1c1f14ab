"""Rows that share an `event_id`: those that agree are one event, those that differ are doubtful.

Judged among the rows that keep every other rule: a row that is set aside anyway makes no other
row doubtful.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.sql import quoted


@dataclass(frozen=True)
class Duplicates:
    """Row positions: `dropped` agree with an earlier row, `conflicting` share an id and differ."""

    dropped: NDArray[np.int64]
    conflicting: NDArray[np.int64]


def find_duplicates(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> Duplicates:
    """Both kinds of duplicates among typed rows; null equals null."""
    table = table.append_column("at$", pa.array(np.arange(table.num_rows)))
    connection.register("events", table)
    rows = connection.sql(
        "SELECT at$ FROM events WHERE event_id IN "
        "(SELECT event_id FROM events GROUP BY event_id HAVING count(*) > 1) ORDER BY at$"
    ).to_arrow_table()
    connection.unregister("events")
    if not rows.num_rows:
        return Duplicates(np.empty(0, np.int64), np.empty(0, np.int64))
    connection.register("shared", table.take(rows.column(0)))
    names = ", ".join(quoted(n) for n in table.column_names if n != "at$")
    differing = connection.sql(
        "SELECT at$ FROM shared WHERE event_id IN (SELECT event_id FROM "
        f"(SELECT DISTINCT {names} FROM shared) GROUP BY event_id HAVING count(*) > 1) ORDER BY at$"
    ).to_arrow_table()
    agreeing = connection.sql(
        "SELECT at$ FROM shared QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY at$) > 1 "
        "ORDER BY at$"
    ).to_arrow_table()
    connection.unregister("shared")
    conflicting = differing.column(0).to_numpy()
    return Duplicates(np.setdiff1d(agreeing.column(0).to_numpy(), conflicting), conflicting)
