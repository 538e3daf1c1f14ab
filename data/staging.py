"""From sources to batches of raw ledger rows: a mapping is run, or a table is taken as it is.

Sources are opened first; then DuckDB runs the mapping's SQL with no access to files or network and
its configuration locked. Out: `Batch`es, whose columns have the contract's names and still the
source's own types and values.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

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
from data.views import ROW, create_view, run_sql, try_sql, unread_rows


@dataclass(frozen=True)
class Batch:
    """Raw rows of one kind; `rows` are their positions in `source`, from 0.

    `delay` is set where the source has one clock; `declared` is the event's place in its mapping.
    Where `unread` is set, no row can be read: its
    (column, type, positions in `table`) say which value does not fit its declared type.
    """

    label: str
    table: pa.Table
    source: Source
    rows: NDArray[np.int64]
    zone: str | None = None
    delay: timedelta | None = None
    declared: str = ""
    unread: tuple[tuple[str, str, NDArray[np.int64]], ...] = ()


def whole(source: Source) -> Batch:
    """A source that is in ledger form already."""
    try:
        with reading(source.name):
            table = source.table if isinstance(source.table, pa.Table) else source.table.to_table()
    except ContractError:
        source.check_readable()
        raise
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
            create_view(connection, source, spec, where)
            if spec.types:
                with _blaming(source):
                    lost, rows, unread = unread_rows(connection, source, spec, where)
                if len(rows):
                    yield Batch(spec.name, lost, source, rows, unread=unread)
        for number, event in enumerate(mapping.events, start=1):
            spec, source = mapping.sources[event.source], sources[event.source]
            where = f"{mapping.name} [[event]] {number} ({event.source})"
            with _blaming(source):
                table = _select(connection, event, number, where)
            rows = table.column(ROW).to_numpy() - 1
            label = f"{event.source}/{event.type or number}"
            batch = Batch(label, table.drop_columns([ROW]), source, rows, spec.zone, event.delay)
            yield replace(batch, declared=where)


@contextmanager
def _blaming(source: Source) -> Iterator[None]:
    """If a query fails because a file of the source cannot be read, say which file."""
    try:
        yield
    except ContractError as e:
        if "IOError" in e.what or "reading the stream" in e.what:
            source.check_readable()
        raise


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


def _select(
    connection: duckdb.DuckDBPyConnection, event: EventSpec, number: int, where: str
) -> pa.Table:
    base = quoted(event.source)
    fields = dict(event.fields)
    if event.type:
        fields["event_type"] = literal(event.type)
    ids = literal(f"{event.source}/{event.type or 'event'}/{number}/")
    fields.setdefault("event_id", f"{ids} || {ROW}")
    for name, sql in fields.items():
        try_sql(connection, sql, base, f"{where} field '{name}'")
    try_sql(connection, event.where, base, f"{where} where")
    inner = ", ".join(f"({sql}\n) AS {quoted('field ' + name)}" for name, sql in fields.items())
    outer = ", ".join(f"{quoted('field ' + name)} AS {quoted(name)}" for name in fields)
    everything = f"SELECT {ROW}, ({event.where}\n) AS {quoted('field taken')}, {inner} FROM {base}"
    sql = f"SELECT {outer}, {ROW} FROM ({everything}) WHERE {quoted('field taken')}"
    try:
        return run_sql(connection, sql, where)
    except ContractError:  # a value that does not fit an expression: say whose
        for name, sql in fields.items():
            run_sql(connection, f"SELECT ({sql}\n) FROM {base}", f"{where} field '{name}'")
        taken = f"SELECT 1 FROM {base} WHERE ({event.where}\n)"
        run_sql(connection, taken, f"{where} where")
        raise
