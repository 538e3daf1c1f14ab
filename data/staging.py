"""From sources to batches of raw ledger rows: a mapping is run, or a table is taken as it is.

Sources are opened first; then DuckDB runs the mapping's SQL with no access to files or network and
its configuration locked. Out: `Batch`es, whose columns have the contract's names and still the
source's own types and values.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import ContractError, UsageError
from data.interrupts import stoppable
from data.mapping import EventSpec, MappingFile, SourceSpec
from data.postgres import open_postgres
from data.sources import Source, open_file, reading
from data.sql import literal, quoted

ROW = "source_row"  # a column every mapped source has: its row number, from 1, before any `where`
_SQL = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}


@dataclass(frozen=True)
class Batch:
    """Raw rows of one kind; `rows` are their positions in `source`, from 0.

    `delay` is set where the source has one clock; `unread` says why no row of it can be read.
    """

    label: str
    table: pa.Table
    source: Source
    rows: NDArray[np.int64]
    zone: str | None = None
    delay: timedelta | None = None
    unread: str = ""


def whole(source: Source) -> Batch:
    """A source that is in ledger form already."""
    with reading(source.name):
        table = source.table if isinstance(source.table, pa.Table) else source.table.to_table()
    return Batch(source.name, table, source, np.arange(table.num_rows))


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that reaches nothing but what is registered with it."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    with stoppable(connection), connection:
        yield connection


def run_mapping(mapping: MappingFile) -> Iterator[Batch]:
    """The batches of a mapping, one an event declaration, in the order of the file.

    Raises
    ------
    ContractError : a source cannot be read, or an expression does not fit it.
    """
    used = {e.source for e in mapping.events}
    sources = {k: _open(v, mapping.name) for k, v in mapping.sources.items() if k in used}
    with connect() as connection:
        for name, source in sources.items():
            spec = mapping.sources[name]
            where = f"{mapping.name} [source.{name}]"
            yield from _stage(connection, source, spec, where)
        for number, event in enumerate(mapping.events, start=1):
            spec, source = mapping.sources[event.source], sources[event.source]
            where = f"{mapping.name} [[event]] {number} ({event.source})"
            table = _select(connection, event, where)
            rows = table.column(ROW).to_numpy() - 1
            label = f"{event.source}/{event.type or number}"
            yield Batch(label, table.drop_columns([ROW]), source, rows, spec.zone, event.delay)


def _open(spec: SourceSpec, mapping: str) -> Source:
    if spec.path is not None:
        return open_file(spec.path, encoding=spec.encoding, delimiter=spec.delimiter)
    uri = spec.uri or os.environ.get(spec.uri_env, "")
    if not uri:
        raise UsageError(
            f"environment variable {spec.uri_env} is not set",
            where=f"{mapping} [source.{spec.name}]",
            fix=f"export {spec.uri_env}=postgresql://user:password@host/database",
        )
    return open_postgres(uri, spec.query, spec.name)


def _stage(
    connection: duckdb.DuckDBPyConnection, source: Source, spec: SourceSpec, where: str
) -> Iterator[Batch]:
    """Make the view `spec.name`: numbered, typed, filtered, widened. Yields rows it cannot read."""
    _check_names(source, spec, where)
    raw, numbered, typed = (f"{spec.name} {step}" for step in ("raw", "numbered", "typed"))
    connection.register(raw, source.table)
    lost = " OR ".join(
        f"{quoted(c)} IS NOT NULL AND TRY_CAST({quoted(c)} AS {_SQL[t]}) IS NULL"
        for c, t in spec.types.items()
    )
    cast = ", ".join(
        f"TRY_CAST({quoted(c)} AS {_SQL[t]}) AS {quoted(c)}" for c, t in spec.types.items()
    )
    _view(
        connection, numbered, f"SELECT *, row_number() OVER () AS {ROW} FROM {quoted(raw)}", where
    )
    body = f"SELECT * {f'REPLACE ({cast})' if cast else ''} FROM {quoted(numbered)}"
    _view(connection, typed, f"{body} WHERE NOT coalesce({lost or 'false'}, false)", where)
    if lost:
        table = _run(connection, f"SELECT * FROM {quoted(numbered)} WHERE {lost}", where)
        rows = table.column(ROW).to_numpy() - 1
        unread = f"has a value that does not fit its declared type ({', '.join(spec.types)})"
        if len(rows):
            yield Batch(spec.name, table.drop_columns([ROW]), source, rows, unread=unread)
    _try(connection, spec.where, quoted(typed), f"{where} where")
    kept = f"(SELECT * FROM {quoted(typed)} WHERE {spec.where}\n)"
    derived = "".join(f", ({sql}\n) AS {quoted(name)}" for name, sql in spec.derive.items())
    for name, sql in spec.derive.items():
        _try(connection, sql, kept, f"{where} derive '{name}'")
    _view(connection, spec.name, f"SELECT *{derived} FROM {kept}", where)


def _select(connection: duckdb.DuckDBPyConnection, event: EventSpec, where: str) -> pa.Table:
    base = quoted(event.source)
    fields = dict(event.fields)
    if event.type:
        fields["event_type"] = literal(event.type)
    ids = literal(f"{event.source}/{event.type or 'event'}/")
    fields.setdefault("event_id", f"{ids} || {ROW}")
    for name, sql in fields.items():
        _try(connection, sql, base, f"{where} field '{name}'")
    _try(connection, event.where, base, f"{where} where")
    inner = ", ".join(f"({sql}\n) AS {quoted('field ' + name)}" for name, sql in fields.items())
    outer = ", ".join(f"{quoted('field ' + name)} AS {quoted(name)}" for name in fields)
    everything = f"SELECT {ROW}, ({event.where}\n) AS {quoted('field taken')}, {inner} FROM {base}"
    sql = f"SELECT {outer}, {ROW} FROM ({everything}) WHERE {quoted('field taken')}"
    return _run(connection, sql, where)


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


def _try(connection: duckdb.DuckDBPyConnection, sql: str, base: str, where: str) -> None:
    """Bind one expression alone, so that an error names it."""
    _run(connection, f"SELECT ({sql}\n) FROM {base} LIMIT 0", where)


def _view(connection: duckdb.DuckDBPyConnection, name: str, sql: str, where: str) -> None:
    with _explaining(where):
        connection.execute(f"CREATE VIEW {quoted(name)} AS {sql}")


def _run(connection: duckdb.DuckDBPyConnection, sql: str, where: str) -> Any:
    with _explaining(where):
        return connection.sql(sql).to_arrow_table()


@contextmanager
def _explaining(where: str) -> Iterator[None]:
    """An SQL error of the mapping, said as ours; DuckDB names the nearest column itself."""
    try:
        yield
    except duckdb.Error as e:
        said = " ".join(str(e).split("\n\n")[0].split())
        fix = "mend the expression; it sees the source's own columns"
        raise ContractError(said, where=where, fix=fix) from e
