"""The ledger folder: its manifest, and how a whole folder appears at once or not at all.

A folder is written beside its place under a hidden name, flushed, and swapped in; a reader that
compares the manifest before and after never mixes two ledgers. Same rows, same bytes: no clock
time and no path is in a data file or in the fingerprint.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.durable import put, sync
from data.errors import ContractError, StorageError
from data.sources import reading

FORMAT = 1
MANIFEST = "manifest.json"
_OURS = {MANIFEST, "dict", "quarantine"}


@dataclass(frozen=True)
class Manifest:
    """What a ledger folder holds.

    `columns[name]` = {type, nulls}, `type` the contract's; `event_types` and `key_types` are what
    the mapping declared beyond the contract; `watermark` is the last `known_ts` in microseconds;
    `files[name]` = {sha256, bytes}. `fingerprint` covers the data and the currency, not the
    quarantine, whose rows name the paths they came from.
    """

    rows: int
    currency: str
    watermark: int
    first_known: int
    columns: Mapping[str, Mapping[str, Any]]
    event_types: tuple[str, ...] = ()
    key_types: Mapping[str, str] = field(default_factory=dict)
    one_clock: tuple[str, ...] = ()
    quarantined: int = 0
    duplicates_dropped: int = 0
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fingerprint: str = ""
    format: int = FORMAT

    @property
    def parts(self) -> tuple[str, ...]:
        """The data files, in order."""
        return tuple(f for f in self.files if f.startswith("part-"))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a ledger folder.

    Raises
    ------
    ContractError : missing, damaged, or of another format.
    """
    where = str(folder / MANIFEST)
    with reading(where):
        text = (folder / MANIFEST).read_bytes()
    try:
        raw = json.loads(text)
        tuples = {k: tuple(raw[k]) for k in ("event_types", "one_clock")}
        manifest = Manifest(**{**raw, **tuples})
    except (ValueError, TypeError, KeyError) as e:
        raise ContractError(f"no usable manifest: {e!r}", where=where, fix=_FIX) from e
    if manifest.format != FORMAT:
        raise ContractError(f"format {manifest.format} is unknown", where=where, fix=_FIX)
    return manifest


_FIX = "build the ledger again with `clawback map`"


def is_ledger_folder(path: Path) -> bool:
    """Whether a folder says it is a ledger."""
    with reading(str(path)):
        return (path / MANIFEST).is_file()


def check_sizes(folder: Path, manifest: Manifest, names: tuple[str, ...]) -> None:
    """Refuse a file that is missing or has another size than the manifest says.

    Raises
    ------
    ContractError : naming the file.
    """
    for name in names:
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != manifest.files[name]["bytes"]:
            found = "is missing" if size is None else f"has {size} bytes, not as written"
            raise ContractError(f"file {name} {found}", where=str(folder), fix=_FIX)


def check_hashes(folder: Path, manifest: Manifest) -> None:
    """Refuse a file whose content is not what was written.

    Raises
    ------
    ContractError : naming the file.
    """
    check_sizes(folder, manifest, tuple(manifest.files))
    for name, entry in manifest.files.items():
        if sha256(folder / name) != entry["sha256"]:
            what = f"file {name} was changed after it was written (its hash differs)"
            raise ContractError(what, where=str(folder), fix=_FIX)


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def fingerprint(files: Mapping[str, Mapping[str, Any]], currency: str) -> str:
    """One hash over the names and hashes of all data files, and the currency."""
    data = {n: f["sha256"] for n, f in sorted(files.items()) if not n.startswith("quarantine")}
    return hashlib.sha256(json.dumps([FORMAT, currency, data]).encode()).hexdigest()


def publish(folder: Path, fill: Callable[[Path], Manifest]) -> Manifest:
    """Write a ledger folder: all of it, or nothing and the old one stays.

    Parameters
    ----------
    fill : writes the files into the folder it is given and returns the manifest without `files`.

    Raises
    ------
    StorageError : the place is taken by something else, is not writable, or the disk is full.
    """
    folder = Path(os.path.abspath(folder))
    _refuse_foreign(folder)
    temp = folder.parent / f".{folder.name}.{os.getpid()}.tmp"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temp, ignore_errors=True)
        temp.mkdir()
        manifest = _seal(temp, fill(temp))
        put(temp, folder)
        sync(folder.parent)
    except OSError as e:
        full = e.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        what = "no space left to write the ledger" if full else f"cannot write the ledger: {e}"
        fix = "free some space" if full else "choose a folder this user may write to"
        raise StorageError(f"{what}; nothing was changed", where=str(folder), fix=fix) from e
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    return manifest


def _seal(temp: Path, manifest: Manifest) -> Manifest:
    """Flush every file, hash it, and write the manifest last."""
    paths = sorted(p for p in temp.rglob("*") if p.is_file())
    files = {}
    for path in paths:
        sync(path)
        size = path.stat().st_size
        files[path.relative_to(temp).as_posix()] = {"sha256": sha256(path), "bytes": size}
    total = fingerprint(files, manifest.currency)
    sealed = Manifest(**{**asdict(manifest), "files": files, "fingerprint": total})
    text = json.dumps(asdict(sealed), indent=1, ensure_ascii=False)
    (temp / MANIFEST).write_text(text + "\n", "utf-8")
    for path in (temp / MANIFEST, temp / "dict", temp):
        sync(path)
    return sealed


def _refuse_foreign(folder: Path) -> None:
    """Never replace a folder that holds anything but a ledger."""
    if not folder.exists():
        return
    strange = not folder.is_dir() or [
        p.name for p in folder.iterdir() if p.name not in _OURS and not p.match("part-*.parquet")
    ]
    if strange:
        found = "is a file" if strange is True else f"holds {strange[0]}, which is no ledger's"
        raise StorageError(found, where=str(folder), fix="choose a new or empty folder")
