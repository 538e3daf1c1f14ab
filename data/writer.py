"""The ledger on disk, written: typed rows become a folder, or one more part of it.

A part is written once and never again. Its columns are codes, its new values go to dictionaries of
their own, and the hashes of its event ids tell the next part what is known.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from data.contract import Contract, load_contract
from data.dictionaries import learnt, read_values
from data.encode import ledger_columns, ledger_order
from data.folder import Manifest
from data.ids import hashes
from data.ledger import Column
from data.part import count_nulls, write_part, write_table
from data.publish import extend, publish
from data.report import Report


def write_ledger(
    table: pa.Table,
    folder: Path,
    contract: Contract,
    *,
    currency: str = "CNY",
    report: Report | None = None,
    quarantine: pa.Table | None = None,
) -> Manifest:
    """Write typed rows that keep the contract (`data.validation`) as a ledger folder.

    The caller holds the folder's lock.

    Raises
    ------
    StorageError : the folder cannot be written; nothing changed.
    """
    columns, event_id = _sorted(table, contract)
    empty = replace(_described(table, columns, contract, report), currency=currency)

    def fill(temp: Path) -> Manifest:
        _write(temp, 1, columns, event_id, quarantine)
        for name, column in columns.items():
            if column.dictionary is not None:
                _write_values(temp, 1, name, _values(column))
        return empty

    return publish(folder, fill)


def append_part(
    table: pa.Table,
    folder: Path,
    contract: Contract,
    old: Manifest,
    *,
    report: Report,
    quarantine: pa.Table | None = None,
) -> Manifest:
    """Append typed rows, all known after the ledger's last one, with ids that it does not hold.

    The caller holds the folder's lock and has read `old` under it.

    Raises
    ------
    StorageError : the folder cannot be written; nothing changed.
    """
    columns, event_id = _sorted(table, contract)
    grown = old.grown(_described(table, columns, contract, report))
    number = len(old.parts) + 1

    def fill(temp: Path) -> Manifest:
        for name, column in columns.items():
            if column.dictionary is not None:
                codes, new = learnt(read_values(folder, old, name), _values(column))
                columns[name] = replace(column, values=codes[column.values])
                _write_values(temp, number, name, new)
        _write(temp, number, columns, event_id, quarantine)
        return grown

    return extend(folder, fill)


def _sorted(table: pa.Table, contract: Contract) -> tuple[dict[str, Column], pa.ChunkedArray]:
    order = ledger_order(table)
    event_id = table.column("event_id")
    return (
        ledger_columns(table, contract, order),
        event_id if order is None else event_id.take(order),
    )


def _described(
    table: pa.Table, columns: dict[str, Column], contract: Contract, report: Report | None
) -> Manifest:
    """What a manifest says of these rows alone."""
    known = columns["known_ts"].values
    builtin = load_contract()
    return Manifest(
        rows=table.num_rows,
        currency="",
        watermark=int(known[-1]),
        first_known=int(known[0]),
        columns={n: _facts(c, contract.columns[n].type) for n, c in columns.items()},
        event_types=tuple(t for t in contract.event_types if t not in builtin.event_types),
        key_types=dict(contract.key_types) | key_types(table, contract),
        one_clock=report.one_clock if report else (),
        quarantined=report.quarantined if report else 0,
        duplicates_dropped=report.dropped if report else 0,
    )


def key_types(table: pa.Table, contract: Contract) -> dict[str, str]:
    """Whether a key of typed rows is int or text; a key without a value is neither."""
    keys = [n for n in table.column_names if contract.columns[n].type == "key"]
    return {
        n: "int" if pa.types.is_integer(table.column(n).type) else "text"
        for n in keys
        if table.column(n).null_count < table.num_rows
    }


def _facts(column: Column, kind: str) -> dict[str, Any]:
    total = np.abs(column.values.astype(np.float64)).sum() if column.kind == "int" else 0
    return {"type": kind, "nulls": count_nulls(column), "total": int(total)}


def _values(column: Column) -> pa.Array:
    return pa.array(column.dictionary, from_pandas=True)


def _write_values(folder: Path, number: int, name: str, values: pa.Array) -> None:
    """The values that a part brings; none, no file."""
    if len(values):
        (folder / "dict").mkdir(exist_ok=True)
        write_table(pa.table({"value": values}), folder / "dict" / f"{name}-{number}.parquet")


def _write(
    folder: Path,
    number: int,
    columns: dict[str, Column],
    event_id: pa.ChunkedArray,
    quarantine: pa.Table | None,
) -> None:
    write_part(folder / f"part-{number}.parquet", columns, event_id)
    held = pa.table({"hash": np.sort(hashes(event_id))})
    write_table(held, folder / f"ids-{number}.parquet")
    if quarantine is not None:
        (folder / "quarantine").mkdir()
        write_table(quarantine, folder / "quarantine" / f"part-{number}.parquet")
