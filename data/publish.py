"""How a ledger folder appears or grows at once or not at all, never over somebody else's files.

A folder is written beside its place under a hidden name, flushed, and swapped in. A part is written
into the folder under a hidden name, flushed and moved to its place, where nobody sees it until the
manifest that lists it replaces the old one. A reader that compares the manifest before and after
never mixes two ledgers. The caller holds the folder's lock.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from glob import escape
from pathlib import Path

from data.durable import put, sync
from data.errors import StorageError
from data.folder import MANIFEST, Manifest, fingerprint, listed_files, sealed, sha256
from data.lock import held

_APPEND = ".clawback-append"


def publish(folder: Path, fill: Callable[[Path], Manifest]) -> Manifest:
    """Write a ledger folder: all of it, or nothing and the old one stays.

    Parameters
    ----------
    folder : new, empty, or a ledger with no file that its manifest does not list; links are
        followed.
    fill : writes the files into the folder it is given and returns the manifest without `files`.

    Raises
    ------
    StorageError : the place is taken by something else, is not writable, or the disk is full.
    """
    folder = Path(os.path.realpath(folder))
    temp = folder.parent / f".{folder.name}.{os.getpid()}.tmp"
    with _storing(folder):
        _remove_append(folder)
        _refuse_foreign(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        temp.mkdir()
        try:
            with held(temp):
                manifest = _seal(temp, fill(temp))
                put(temp, folder)
        finally:
            shutil.rmtree(temp, ignore_errors=True)
        sync(folder.parent)
    return manifest


def extend(folder: Path, fill: Callable[[Path], Manifest]) -> Manifest:
    """Add files to a ledger folder: all of them, or none.

    Parameters
    ----------
    fill : writes the new files into the folder it is given and returns the manifest of old and new,
        with the old ones' `files`.

    Raises
    ------
    StorageError : the place of a file is taken or not writable, or the disk is full.
    """
    folder = Path(os.path.realpath(folder))
    draft = folder / _APPEND
    with _storing(folder):
        _remove_append(folder)
        _refuse_foreign(folder)
        draft.mkdir()
        try:
            manifest = _seal(draft, fill(draft))
            for name in sorted(f for f in manifest.files if (draft / f).exists()):
                (folder / name).parent.mkdir(exist_ok=True)
                (draft / name).rename(folder / name)
            for path in {(folder / name).parent for name in manifest.files}:
                sync(path)
            (draft / MANIFEST).replace(folder / MANIFEST)
            sync(folder)
        finally:
            _remove_append(folder)
    return manifest


def _remove_append(folder: Path) -> None:
    """Remove what a killed append left, and its files if no manifest came to list them."""
    draft = folder / _APPEND
    if not draft.is_dir() or not (ours := listed_files(folder)):
        return
    for name in listed_files(draft) - ours:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(draft)


@contextmanager
def _storing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        full = e.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        what = "no space left to write the ledger" if full else f"cannot write the ledger: {e}"
        fix = "free some space" if full else "choose a folder this user may write to"
        raise StorageError(f"{what}; nothing was changed", where=str(folder), fix=fix) from e


def _remove_stale(folder: Path) -> None:
    """Remove what killed processes left: nobody holds it."""
    for stale in folder.parent.glob(f".{escape(folder.name)}.[0-9]*.tmp"):
        with suppress(OSError), held(stale):
            shutil.rmtree(stale, ignore_errors=True)


def _seal(temp: Path, manifest: Manifest) -> Manifest:
    """Flush every new file, hash it, and write the manifest last."""
    files = dict(manifest.files)
    for path in sorted(p for p in temp.rglob("*") if p.is_file()):
        sync(path)
        size = path.stat().st_size
        files[path.relative_to(temp).as_posix()] = {"sha256": sha256(path), "bytes": size}
    total = fingerprint(files, manifest.currency)
    whole = sealed(replace(manifest, files=files, fingerprint=total))
    text = json.dumps(vars(whole), indent=1, ensure_ascii=False)
    (temp / MANIFEST).write_text(text + "\n", "utf-8")
    for path in (temp / MANIFEST, *(p for p in temp.iterdir() if p.is_dir()), temp):
        sync(path)
    return whole


def _refuse_foreign(folder: Path) -> None:
    """Never replace a folder that holds a file no ledger of ours lists."""
    if not folder.exists():
        return
    fix = "choose a new or empty folder, or move what is there"
    if not folder.is_dir():
        raise StorageError("is a file", where=str(folder), fix=fix)
    ours = listed_files(folder)
    for path in sorted(p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()):
        if (name := path.relative_to(folder).as_posix()) not in ours:
            raise StorageError(f"holds {name}, which is no ledger's", where=str(folder), fix=fix)
