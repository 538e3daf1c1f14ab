"""Every broken rule of every row, in one pass over each batch.

In: batches of raw rows and the contract. Out: a `Checked` with the rows that keep it (typed,
duplicates dropped), the rows set aside and a `Report`. Opening sources is `data.check`'s work.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.contract import Contract
from data.duplicates import find_duplicates
from data.errors import ContractError, NothingToDoError
from data.known import Known, Positions
from data.quarantine import Broken, list_faults, list_reasons
from data.report import Report
from data.rules import TypedColumn, compile_column, family, order_rule
from data.sources import reading
from data.sql import Rule, quoted, typed
from data.staging import Batch, connect

_CONFLICT = Rule("event_id", "conflict", "is shared by rows that differ", "")
_UTC = pa.timestamp("us", tz="UTC")
_NONE: Positions = np.empty(0, np.int64)
LookUp: TypeAlias = Callable[[duckdb.DuckDBPyConnection, pa.Table], Known]


@dataclass(frozen=True)
class Checked:
    """`table`: typed rows that keep the contract; `broken`: the others, rule by rule."""

    table: pa.Table
    broken: tuple[Broken, ...]
    report: Report


def check_batches(
    batches: Iterable[Batch],
    contract: Contract,
    *,
    source: str,
    known: LookUp | None = None,
) -> Checked:
    """Check every row of every batch.

    Parameters
    ----------
    known : says which typed rows a ledger holds already, and which it refuses.

    Raises
    ------
    ContractError : a fault of a whole table (columns, types, no row at all).
    NothingToDoError : no row to look up.
    """
    batches = list(batches)
    if sum(b.table.num_rows for b in batches) == 0:
        if known:
            raise NothingToDoError("no row is new: the source has none", where=source)
        fix = "check the source, and the `where` of its mapping"
        raise ContractError("the ledger is empty: no row at all", where=source, fix=fix)
    with connect() as connection:
        found = [_check_rows(connection, b, contract) for b in batches]
        good = [_good(b, f) for b, f in zip(batches, found, strict=True)]
        tables = [
            _typed(connection, b, contract, g)
            for b, g in zip(batches, good, strict=True)
            if not b.unread
        ]
        table = _together(tables, source)
        _check_sums(table, contract, source)
        twice = find_duplicates(connection, table)
        stored = known(connection, table) if known else Known(_NONE, ())
    refused = [(_CONFLICT, twice.conflicting)]
    refused += [(rule, np.setdiff1d(at, twice.dropped)) for rule, at in stored.broken]
    held = np.setdiff1d(stored.held, np.concatenate([twice.dropped, twice.conflicting]))
    broken = [b for f in found for b in f] + _led_back(batches, good, refused)
    table = _without(table, np.concatenate([twice.dropped, held, *(at for _, at in refused)]))
    counts = table.num_rows, len(twice.dropped), len(held)
    return Checked(table, tuple(broken), _report(batches, broken, contract, source, counts))


def _check_rows(
    connection: duckdb.DuckDBPyConnection, batch: Batch, contract: Contract
) -> list[Broken]:
    at = np.arange(batch.table.num_rows)
    if batch.unread:
        text = "does not fit its declared type {}"
        return [
            Broken(Rule(c, "untyped", text.format(t), ""), batch, r) for c, t, r in batch.unread
        ]
    columns = _compile(batch, contract)
    rules = [r for c in columns for r in c.rules] + [order_rule()]
    typing = ", ".join(f"{quoted(c.name) if c.same else c.sql} AS {typed(c.name)}" for c in columns)
    each = ", ".join(f"coalesce({r.sql}, false) AS r{i}" for i, r in enumerate(rules))
    anything = " OR ".join(f"({r.sql})" for r in rules)
    connection.register("raw", batch.table.append_column("at$", pa.array(at)))
    with reading(batch.declared or batch.label):
        found = connection.sql(
            f"SELECT at$, {each} FROM (SELECT *, {typing} FROM raw) WHERE {anything} ORDER BY at$"
        ).to_arrow_table()
    connection.unregister("raw")
    at = found.column("at$").to_numpy()
    flags = (found.column(f"r{i}").to_numpy() for i in range(len(rules)))
    return [Broken(r, batch, at[f]) for r, f in zip(rules, flags, strict=True) if f.any()]


def _compile(batch: Batch, contract: Contract) -> list[TypedColumn]:
    """The batch's columns, in the contract's order."""
    delay, place = batch.delay, batch.declared or batch.label
    names = batch.table.column_names + (["known_ts"] if delay is not None else [])
    contract.require(names, where=place)
    kinds = {f.name: f.type for f in batch.table.schema}
    columns = {
        name: compile_column(spec, kinds[name], contract, zone=batch.zone, where=place)
        for name, spec in contract.columns.items()
        if name in kinds
    }
    if delay is not None:  # no rule of its own: a broken event_ts is reported once, as itself
        sql = f"{columns['event_ts'].sql} + INTERVAL {int(delay.total_seconds())} SECOND"
        columns["known_ts"] = TypedColumn("known_ts", sql, False, ())
    return list(columns.values())


def _good(batch: Batch, broken: list[Broken]) -> NDArray[np.int64]:
    good = np.ones(batch.table.num_rows, bool)
    for b in broken:
        good[b.rows] = False
    return np.flatnonzero(good)


def _typed(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    contract: Contract,
    good: NDArray[np.int64],
) -> pa.Table:
    """The good rows with the contract's types; a column that has its type already is not copied."""
    table = batch.table if len(good) == batch.table.num_rows else batch.table.take(pa.array(good))
    columns = _compile(batch, contract)
    arrays = {c.name: table.column(c.name) for c in columns if c.same}
    listed = ", ".join(f"{c.sql} AS {quoted(c.name)}" for c in columns if not c.same)
    if listed:
        connection.register("raw", table)
        made = connection.sql(f"SELECT {listed} FROM raw").to_arrow_table()
        connection.unregister("raw")
        arrays |= {name: made.column(name) for name in made.column_names}
    ordered = {c.name: arrays[c.name] for c in columns}
    return pa.table(
        {n: a.cast(_UTC) if family(a.type) == "time" else a for n, a in ordered.items()}
    )


def _together(tables: list[pa.Table], source: str) -> pa.Table:
    """One table of all batches; a key that is integer here and text there is a file's fault."""
    if len(tables) == 1:
        return tables[0]
    try:
        plain = [t.cast(pa.schema([_plain(f) for f in t.schema])) for t in tables]
        return pa.concat_tables(plain, promote_options="permissive")
    except pa.ArrowException as e:
        fix = 'give the key one type for all sources, for example `user_id = "text"` under [keys]'
        raise ContractError(f"ids of two types in one column: {e}", where=source, fix=fix) from e


def _check_sums(table: pa.Table, contract: Contract, source: str) -> None:
    """Refuse a column whose sum over all rows might leave 64 bits: sums are exact integers."""
    for name in table.column_names:
        if contract.columns[name].type == "int":
            column = table.column(name).cast(pa.float64(), safe=False)
            total = pc.sum(pc.abs(column)).as_py() or 0
            if total >= 2**63:
                what = f"the sum of column '{name}' does not fit 64 bits"
                raise ContractError(what, where=source, fix="check the column's unit")


def _plain(field: pa.Field) -> pa.Field:
    """The field without a dictionary: dictionaries of two tables differ."""
    kind = field.type
    return field.with_type(kind.value_type) if pa.types.is_dictionary(kind) else field


def _led_back(
    batches: list[Batch], good: list[NDArray[np.int64]], refused: list[tuple[Rule, Positions]]
) -> list[Broken]:
    """Refused rows of the joined table led back to their batch."""
    read = [(b, g) for b, g in zip(batches, good, strict=True) if not b.unread]
    ends = np.cumsum([len(g) for _, g in read])
    found = []
    for (batch, rows), end in zip(read, ends, strict=True):
        for rule, at in refused:
            own = at[(at >= end - len(rows)) & (at < end)]
            if len(own):
                found.append(Broken(rule, batch, rows[own - (end - len(rows))]))
    return found


def _without(table: pa.Table, rows: Positions) -> pa.Table:
    if not len(rows):
        return table
    keep = np.ones(table.num_rows, bool)
    keep[rows] = False
    return table.filter(pa.array(keep))


def _report(
    batches: list[Batch],
    broken: list[Broken],
    contract: Contract,
    source: str,
    counts: tuple[int, int, int],
) -> Report:
    rows, (kept, dropped, held) = sum(b.table.num_rows for b in batches), counts
    clocks = [(b.label, b.delay) for b in batches if b.delay is not None]
    keys = {c.name for c in contract.columns.values() if c.type == "key"}
    return Report(
        source=source,
        rows=rows,
        kept=kept,
        dropped=dropped,
        held=held,
        quarantined=rows - kept - dropped - held,
        faults=list_faults(broken, keys),
        one_clock=tuple(
            f"{at}: one clock, known_ts = event_ts + {d.total_seconds():.0f} s" for at, d in clocks
        ),
        batches=tuple((b.label, b.table.num_rows, len(b.source)) for b in batches),
        reasons=list_reasons(broken),
    )
