"""The ledger on disk, read: of a folder only the columns asked for, of a table all of it.

A read verifies sizes and the checksums of the pages it reads; the hashes of whole files are
`data.check`'s to verify.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from data.contract import Contract, load_contract
from data.encode import ledger_columns, ledger_order, null_column
from data.errors import ContractError, nearest
from data.folder import Manifest, is_ledger_folder, read_manifest
from data.ledger import Column, Ledger
from data.part import read_columns
from data.sources import open_file, open_frame, reading
from data.staging import whole
from data.validation import check_batches
from data.watch import check_unchanged, stamps

_ALWAYS = ("event_type", "known_ts", "user_id")


def read_ledger(
    path: "str | Path | pd.DataFrame | pa.Table",
    columns: Collection[str] | None = None,
    *,
    contract: Contract | None = None,
) -> Ledger:
    """Read a ledger.

    Parameters
    ----------
    path : a ledger folder; or a table in ledger form (a frame, a Parquet file or folder, a CSV),
        which is checked and refused if any row breaks the contract.
    columns : what to read beyond event type, `known_ts` and user, which always are; all without it.
        A column of the contract that the ledger lacks reads as null.
    contract : of a table in ledger form; a ledger folder knows its own.

    Raises
    ------
    ContractError : unreadable, damaged or broken; a column that is not there.
    """
    files: tuple[Path, ...] = (Path(path),) if isinstance(path, str | Path) else ()
    if files and is_ledger_folder(files[0]):
        return _read_folder(files[0], columns)
    seen = stamps(files)
    source = open_file(Path(path)) if isinstance(path, str | Path) else open_frame(path)
    contract = contract or load_contract()
    checked = check_batches([whole(source)], contract, source=source.name)
    check_unchanged(files, seen)
    checked.report.raise_if_broken()
    found = ledger_columns(checked.table, contract, ledger_order(checked.table))
    ledger = Ledger(found, fingerprint=_fingerprint(found), source=source.name)
    ledger = widened(ledger, columns or ())
    wanted = _wanted(ledger.columns, columns, source.name)
    return replace(ledger, columns={n: ledger[n] for n in wanted})


def widened(ledger: Ledger, names: Collection[str]) -> Ledger:
    """The ledger with those of some columns that the contract knows and it lacks, null."""
    known = load_contract().columns
    lacks = [n for n in names if n not in ledger and n in known]
    nulls = {n: null_column(known[n].type, len(ledger)) for n in lacks}
    return replace(ledger, columns={**ledger.columns, **nulls}) if nulls else ledger


def contract_of(manifest: Manifest) -> Contract:
    """The contract a ledger folder was written under."""
    return load_contract().adding(
        columns={n: c["type"] for n, c in manifest.columns.items()},
        event_types=manifest.event_types,
        key_types=manifest.key_types,
    )


def _fingerprint(columns: Mapping[str, Column]) -> str:
    """A hash over all values of a ledger that is no folder."""
    total = hashlib.sha256()
    for name, column in columns.items():
        total.update(name.encode())
        total.update(column.values.tobytes())
        if column.valid is not None:
            total.update(column.valid.tobytes())
        if column.dictionary is not None:
            values = pa.table({"value": pa.array(column.dictionary, from_pandas=True)})
            for batch in values.combine_chunks().to_batches():
                total.update(batch.serialize())
    return total.hexdigest()


def _read_folder(folder: Path, columns: Collection[str] | None) -> Ledger:
    for _ in range(3):
        manifest = read_manifest(folder)
        widened = manifest.lacking(columns or (), load_contract())
        wanted = _wanted(widened.columns, columns, str(folder))
        try:
            with reading(str(folder)):
                found = read_columns(folder, widened, wanted)
        except ContractError:
            if read_manifest(folder) == manifest:
                raise
        else:
            if read_manifest(folder) == manifest:
                return Ledger(found, manifest.currency, manifest.fingerprint, str(folder))
    fix = "try again when the writer is done"
    raise ContractError("the ledger is replaced faster than it is read", where=str(folder), fix=fix)


def _wanted(
    present: Mapping[str, Any], columns: Collection[str] | None, where: str
) -> tuple[str, ...]:
    """The columns to read, in the ledger's order."""
    for name in columns or ():
        if name not in present:
            fix = nearest(name, list(present)) or f"columns: {', '.join(present)}"
            raise ContractError(f"no column '{name}'", where=where, fix=fix)
    return tuple(n for n in present if columns is None or n in columns or n in _ALWAYS)
