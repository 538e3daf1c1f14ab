"""From any input to a ledger folder: map, check, set broken rows aside, code, sort, write."""

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa

from data.check import Input, Opened, open_input
from data.contract import Contract
from data.errors import ContractError, QuarantineLimitError, UsageError
from data.quarantine import quarantine_table
from data.report import Report
from data.store import write_ledger
from data.validation import Checked, check_batches


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
    """
    if not 0 <= max_quarantine <= 1:
        raise UsageError(f"max_quarantine is {max_quarantine}", fix="a share from 0 to 1")
    opened = open_input(source, contract)
    _refuse_own_source(opened, Path(folder))
    checked = check_batches(opened.batches, opened.contract, source=opened.name)
    _refuse(checked.report, max_quarantine)
    write_ledger(
        checked.table,
        Path(folder),
        opened.contract,
        currency=currency or opened.currency or "CNY",
        report=checked.report,
        quarantine=quarantine_table(checked.broken),
    )
    return checked.report


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
    StorageError : see `build_ledger`.
    """
    opened = open_input(table, contract)
    checked: Checked = check_batches(opened.batches, opened.contract, source=opened.name)
    checked.report.raise_if_broken()
    write_ledger(checked.table, Path(folder), opened.contract, currency=currency)
    return checked.report


def _refuse_own_source(opened: Opened, folder: Path) -> None:
    """A ledger that replaces what it was made of could not be made again."""
    target = Path(os.path.realpath(folder))
    for path in opened.paths:
        if Path(os.path.realpath(path)).is_relative_to(target):
            what = f"'{folder}' holds the source {path}"
            raise UsageError(what, where=opened.name, fix="write the ledger to another folder")


def _refuse(report: Report, max_quarantine: float) -> None:
    share = report.quarantined / report.rows
    if report.kept and share <= max_quarantine:
        return
    if share <= max_quarantine:
        raise ContractError("no row is left", where=report.source, fix="check the source")
    raise QuarantineLimitError(
        f"{report.quarantined:,} of {report.rows:,} rows ({share:.1%}) break the contract, "
        f"the limit is {max_quarantine:.1%}: {'; '.join(str(f) for f in report.faults)}",
        where=report.source,
        fix="mend the source or its mapping (`clawback check` lists the rows), or raise "
        "max_quarantine; nothing was written",
    )
