"""A source as a view of the mapping's database: numbered, typed, filtered, widened.

In: a connection and an opened source. Out: the view that the expressions of the events see, and
the rows that could not be typed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import ContractError, UsageError
from data.mapping import SourceSpec
from data.sources import Source
from data.sql import literal, quoted

ROW = "source_row"  # a column every mapped source has: its row number, from 1, before any `where`
_SQL = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}


def create_view(
    connection: duckdb.DuckDBPyConnection, source: Source, spec: SourceSpec, where: str
) -> None:
    """Make the view `spec.name`.

    Raises
    ------
    ContractError, UsageError : an expression or a name that does not fit the source.
    """
    _check_names(source, spec, where)
    raw, numbered, typed = (f"{spec.name} {step}" for step in ("raw", "numbered", "typed"))
    connection.register(raw, source.table)
    number = f"SELECT *, row_number() OVER () AS {ROW} FROM {quoted(raw)}"
    _view(connection, numbered, number, where)
    casts = ", ".join(f"{_cast(c, t, source)} AS {quoted(c)}" for c, t in spec.types.items())
    found = "".join(f", {quoted(c)} AS {quoted(_found(c))}" for c in spec.types)
    replaced = f"REPLACE ({casts})" if casts else ""
    _view(connection, typed, f"SELECT * {replaced}{found} FROM {quoted(numbered)}", where)
    try_sql(connection, spec.where, quoted(typed), f"{where} where")
    kept = f"(SELECT * FROM {quoted(typed)} WHERE ({spec.where}\n) AND NOT {_lost(spec)})"
    for name, sql in spec.derive.items():
        try_sql(connection, sql, kept, f"{where} derive '{name}'")
    derived = "".join(f", ({sql}\n) AS {quoted(name)}" for name, sql in spec.derive.items())
    _view(connection, spec.name, f"SELECT *{derived} FROM {kept}", where)


def unread_rows(
    connection: duckdb.DuckDBPyConnection, source: Source, spec: SourceSpec, where: str
) -> tuple[pa.Table, NDArray[np.int64], tuple[tuple[str, str, NDArray[np.int64]], ...]]:
    """Rows with a value that does not fit its declared type, unless `where` drops them anyway.

    Returns
    -------
    The rows as found, their positions in the source, and (column, type, positions in the table).
    """
    some = f"{_lost(spec)} AND coalesce(({spec.where}\n), true)"
    table = run_sql(connection, f"SELECT * FROM {quoted(f'{spec.name} typed')} WHERE {some}", where)
    lost = []
    for column, kind in spec.types.items():
        null = table.column(column).is_null().to_numpy()
        rows = np.flatnonzero(table.column(_found(column)).is_valid().to_numpy() & null)
        if len(rows):
            lost.append((column, kind, rows))
    names = source.schema.names
    as_found = table.select([_found(n) if n in spec.types else n for n in names])
    return as_found.rename_columns(names), table.column(ROW).to_numpy() - 1, tuple(lost)


def try_sql(connection: duckdb.DuckDBPyConnection, sql: str, base: str, where: str) -> None:
    """Bind one expression alone, so that an error names it."""
    run_sql(connection, f"SELECT ({sql}\n) FROM {base} LIMIT 0", where)


def run_sql(connection: duckdb.DuckDBPyConnection, sql: str, where: str) -> Any:
    """The table of a query.

    Raises
    ------
    ContractError : an SQL error of the mapping.
    """
    with _explaining(where):
        return connection.sql(sql).to_arrow_table()


def _cast(column: str, kind: str, source: Source) -> str:
    """A value of its declared type; DuckDB alone would read 1_0 as 10 and round 1.5 to an int."""
    cast = f"TRY_CAST({quoted(column)} AS {_SQL[kind]})"
    if not pa.types.is_string(source.schema.field(column).type) or kind == "bool":
        return cast
    plain = r"^\s*[+-]?\d+(\.0*)?\s*$" if kind == "int" else "^[^_]*$"
    return f"CASE WHEN regexp_matches({quoted(column)}, {literal(plain)}) THEN {cast} END"


def _found(column: str) -> str:
    return f"{column} as found"


def _lost(spec: SourceSpec) -> str:
    tests = (f"({quoted(_found(c))} IS NOT NULL AND {quoted(c)} IS NULL)" for c in spec.types)
    return f"({' OR '.join(tests) or 'false'})"


def _check_names(source: Source, spec: SourceSpec, where: str) -> None:
    names = source.schema.names
    for name in (*spec.derive, ROW):
        if name in names:
            fix = "choose another name, or drop the column with `query`"
            raise UsageError(f"the source has a column '{name}' already", where=where, fix=fix)
    for name in spec.types:
        if name not in names:
            fix = f"columns: {', '.join(names)}"
            raise ContractError(f"no column '{name}' to type", where=where, fix=fix)


def _view(connection: duckdb.DuckDBPyConnection, name: str, sql: str, where: str) -> None:
    with _explaining(where):
        connection.execute(f"CREATE VIEW {quoted(name)} AS {sql}")


@contextmanager
def _explaining(where: str) -> Iterator[None]:
    """An SQL error of the mapping, said as ours; DuckDB names the nearest column itself."""
    try:
        yield
    except duckdb.Error as e:
        said = " ".join(str(e).split("\n\n")[0].split())
        fix = "mend the expression; it sees the source's own columns"
        raise ContractError(said, where=where, fix=fix) from e
