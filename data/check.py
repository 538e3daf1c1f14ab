"""Check any ledger: a ledger folder, a file or folder in ledger form, a frame, or a mapping."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from data.contract import Contract, load_contract
from data.folder import check_hashes, is_ledger_folder, read_manifest
from data.mapping import MappingFile, load_mapping
from data.part import read_rows
from data.report import Report
from data.sources import Source, open_file, open_frame
from data.staging import Batch, run_mapping, whole
from data.store import contract_of
from data.validation import Checked, LookUp, check_batches
from data.watch import Stamps, check_unchanged, stamps

Input: TypeAlias = "str | Path | pd.DataFrame | pa.Table | MappingFile"


@dataclass(frozen=True)
class Opened:
    """A source of any kind as batches of raw rows, with the contract they must keep.

    `paths` are the files and folders the rows come from, `seen` how these were before;
    None of a ledger folder, whose manifest says what is whole.
    """

    name: str
    batches: Iterable[Batch]
    contract: Contract
    currency: str | None = None
    notes: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    seen: Stamps | None = field(default=None, repr=False)

    def checked(self, known: LookUp | None = None) -> Checked:
        """Check every row (`data.validation`).

        Raises
        ------
        ContractError : a fault of a whole file; a file that changed while it was read.
        """
        found = check_batches(self.batches, self.contract, source=self.name, known=known)
        if self.seen is not None:
            check_unchanged(self.paths, self.seen)
        return found


def check(source: Input, *, contract: Contract | None = None) -> Report:
    """Find every broken rule of every row.

    Parameters
    ----------
    source : a ledger folder (its hashes are verified as well), a Parquet file or folder or a CSV
        in ledger form, a frame, or a mapping (`.toml`), which is run.
    contract : the built-in one, or one a task has widened; a ledger folder knows its own.

    Raises
    ------
    ContractError : a fault of a whole file.
    UsageError : a mapping that cannot be meant.
    """
    opened = open_input(source, contract)
    return replace(opened.checked().report, notes=opened.notes)


def open_input(source: Input, contract: Contract | None = None) -> Opened:
    """Any kind of input, told apart by its type, its ending and a manifest.

    Raises
    ------
    ContractError, UsageError : see `check`.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        if is_ledger_folder(path):
            return _open_ledger(path)
        if path.suffix == ".toml":
            source = load_mapping(path, contract=contract)
        else:
            seen = stamps((path,))
            return replace(_open_table(open_file(path), contract), paths=(path,), seen=seen)
    if isinstance(source, MappingFile):
        paths = tuple(s.path for s in source.sources.values() if s.path is not None)
        rows = run_mapping(source)
        return Opened(
            source.name, rows, source.contract, source.currency, paths=paths, seen=stamps(paths)
        )
    return _open_table(open_frame(source), contract)


def _open_table(source: Source, contract: Contract | None) -> Opened:
    return Opened(source.name, [whole(source)], contract or load_contract())


def _open_ledger(folder: Path) -> Opened:
    manifest = read_manifest(folder)
    check_hashes(folder, manifest)
    table = read_rows(folder, manifest)
    source = Source(str(folder), table, ((str(folder), table.num_rows),))
    batch = Batch(str(folder), table, source, np.arange(table.num_rows))
    notes = (
        *manifest.one_clock,
        f"{manifest.quarantined:,} rows stand in quarantine, {manifest.duplicates_dropped:,} "
        "agreeing duplicates were dropped when it was built",
    )
    return Opened(str(folder), [batch], contract_of(manifest), manifest.currency, notes, (folder,))
