"""From any input to a ledger folder: map, check, set broken rows aside, code, sort, write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from data.check import Input, Opened, open_input
from data.contract import Contract
from data.errors import ContractError, NothingToDoError, QuarantineLimitError, UsageError
from data.folder import check_sizes, is_ledger_folder, read_manifest
from data.known import Known, find_known
from data.lock import locked
from data.matching import check_declared, check_types
from data.quarantine import quarantine_table
from data.report import Report
from data.store import contract_of
from data.writer import append_part, write_ledger


def build_ledger(
    source: Input,
    folder: str | Path,
    *,
    max_quarantine: float = 0.01,
    contract: Contract | None = None,
    currency: str | None = None,
) -> Report:
    """Build a ledger folder; a row that breaks the contract goes to its `quarantine/`.

    Parameters
    ----------
    source : a mapping (`.toml`), a file or folder in ledger form, a frame.
    folder : replaced as a whole if it holds a ledger already, and nothing but a ledger.
    max_quarantine : share of the rows that may be set aside, in [0, 1].
    currency : of all money; a mapping states its own, CNY without either.

    Raises
    ------
    UsageError : a mapping that cannot be meant; the folder holds the source.
    ContractError : a fault of a whole file. Nothing is written.
    QuarantineLimitError : too many broken rows. Nothing is written.
    StorageError : the folder cannot be written; an old ledger stays as it was.
    BusyError : another job writes this ledger.
    """
    with _writing(folder) as place:
        return _build(source, place, max_quarantine, contract, currency)


def append_ledger(
    source: Input,
    folder: str | Path,
    *,
    max_quarantine: float = 0.01,
    contract: Contract | None = None,
    currency: str | None = None,
) -> Report:
    """Add to a ledger folder what is new in the source; nothing that it holds is rewritten.

    A row that it holds already is left out. One that is known no later than its last row, or has
    an id that it holds with another content, is a broken row. A ledger that is not there is built.

    Parameters
    ----------
    source, max_quarantine : as of `build_ledger`.
    contract, currency : the ledger's own by default; others are refused.

    Raises
    ------
    NothingToDoError : no row is new.
    ContractError, UsageError, QuarantineLimitError, StorageError, BusyError : see `build_ledger`;
        also a ledger that is damaged or of another format.
    """
    with _writing(folder) as place:
        if not is_ledger_folder(place):
            return _build(source, place, max_quarantine, contract, currency)
        return _append(source, place, max_quarantine, contract, currency)


def write_ledger_table(
    table: "pa.Table | pd.DataFrame",
    folder: str | Path,
    *,
    contract: Contract | None = None,
    currency: str = "CNY",
) -> Report:
    """Write a table in ledger form that is known to be clean.

    Raises
    ------
    ContractError : a row breaks the contract after all. Nothing is written.
    StorageError, BusyError : see `build_ledger`.
    """
    with _writing(folder) as place:
        opened = open_input(table, contract)
        checked = opened.checked()
        checked.report.raise_if_broken()
        write_ledger(checked.table, place, opened.contract, currency=currency)
    return checked.report


@contextmanager
def _writing(folder: str | Path) -> Iterator[Path]:
    """The folder, links followed, while nobody else writes it."""
    place = Path(os.path.realpath(folder))
    with locked(place.parent / f".{place.name}.lock", place):
        yield place


def _build(
    source: Input,
    folder: Path,
    max_quarantine: float,
    contract: Contract | None,
    currency: str | None,
) -> Report:
    opened = _open(source, folder, max_quarantine, contract)
    checked = opened.checked()
    _refuse(checked.report, max_quarantine)
    if not checked.report.kept:
        raise ContractError("no row is left", where=opened.name, fix="check the source")
    write_ledger(
        checked.table,
        folder,
        opened.contract,
        currency=currency or opened.currency or "CNY",
        report=checked.report,
        quarantine=quarantine_table(checked.broken),
    )
    return checked.report


def _append(
    source: Input,
    folder: Path,
    max_quarantine: float,
    contract: Contract | None,
    currency: str | None,
) -> Report:
    old = read_manifest(folder)
    check_sizes(folder, old, tuple(old.files))
    own = replace(contract_of(old), key_types={})  # whether an id is a text is the source's to say
    opened = _open(source, folder, max_quarantine, contract or own)
    check_declared(opened.contract, currency or opened.currency, old, opened.name)

    def known(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> Known:
        check_types(table, opened.contract, old, opened.name)
        return find_known(connection, folder, old, table)

    checked = opened.checked(known)
    report = checked.report
    _refuse(report, max_quarantine, _FIX_NIGHT)
    if not report.kept:
        raise _nothing_new(report, folder)
    append_part(
        checked.table,
        folder,
        opened.contract,
        old,
        report=report,
        quarantine=quarantine_table(checked.broken),
    )
    return report


def _open(source: Input, folder: Path, max_quarantine: float, contract: Contract | None) -> Opened:
    if not 0 <= max_quarantine <= 1:
        raise UsageError(f"max_quarantine is {max_quarantine}", fix="a share from 0 to 1")
    opened = open_input(source, contract)
    for path in opened.paths:  # a ledger that replaces what it was made of cannot be made again
        if Path(os.path.realpath(path)).is_relative_to(folder):
            what = f"'{folder}' holds the source {path}"
            raise UsageError(what, where=opened.name, fix="write the ledger to another folder")
    return opened


_FIX = "mend the source or its mapping (`clawback check` lists the rows), or raise max_quarantine"
_FIX_NIGHT = (
    "mend the source or its mapping, which gives every event an event_id of its own for good; "
    "build the ledger again where its past changed; or raise max_quarantine"
)


def _refuse(report: Report, max_quarantine: float, fix: str = _FIX) -> None:
    share = report.quarantined / report.rows
    if share > max_quarantine:
        raise QuarantineLimitError(
            f"{report.quarantined:,} of {report.rows:,} rows ({share:.1%}) break the contract, "
            f"the limit is {max_quarantine:.1%}: {'; '.join(str(f) for f in report.faults)}",
            where=report.source,
            fix=f"{fix}; nothing was written",
        )


def _nothing_new(report: Report, folder: Path) -> NothingToDoError:
    broken = f", {report.quarantined:,} break a rule: " if report.quarantined else ""
    faults = "; ".join(str(f) for f in report.faults)
    what = f"no row is new: {report.held:,} of {report.rows:,} stand in the ledger already"
    return NothingToDoError(f"{what}{broken}{faults}", where=str(folder))
