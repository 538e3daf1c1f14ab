"""Results that exist whole or not at all.

A run is written into a hidden sibling, flushed to the disk and renamed to `runs/<run_id>`; the
symlink `current` moves last. A job killed at any moment leaves the old result or the new one. A
reader that resolves `current` first never mixes two runs.
"""

import ctypes
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data.errors import BusyError, StorageError

EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
AT_FDCWD = -100


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; the system releases it however the process ends.

    Raises
    ------
    BusyError : another process holds it.
    """
    with _storage(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise BusyError(
            "another job is writing here", where=str(path.parent), fix="wait for it to end"
        ) from None
    with handle:
        yield


@contextmanager
def run_folder(root: Path, run_id: str, *, current: Path | None = None) -> Iterator[Path]:
    """A folder to write a run into; on success it becomes `root / run_id`.

    The caller holds the lock of its kind of run (`locked`). If the body raises, nothing remains.
    A run that exists already is replaced in one step.

    Parameters
    ----------
    current : symlink pointed at the finished run, last.
    """
    with _storage(root):
        root.mkdir(parents=True, exist_ok=True)
        hidden = f".tmp-{digest(run_id)}"
        for stale in root.glob(f"{hidden}-*"):  # of a job that was killed
            shutil.rmtree(stale, ignore_errors=True)
        draft = root / f"{hidden}-{os.getpid()}"
        draft.mkdir()
    try:
        with _storage(root):
            yield draft
            flush(draft)
            _put(draft, root / run_id)
            _sync(root)
            if current is not None:
                point(current, root / run_id)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def publish(root: Path, fill: Callable[[Path], str]) -> Path:
    """A folder that is named by its content: `fill` writes it and returns its name.

    The caller holds the lock of everything that publishes below `root`.
    """
    with _storage(root):
        root.mkdir(parents=True, exist_ok=True)
        for stale in root.glob(".tmp-*"):  # of a job that was killed
            shutil.rmtree(stale, ignore_errors=True)
        draft = root / f".tmp-{os.getpid()}"
        draft.mkdir()
    try:
        with _storage(root):
            final = root / fill(draft)
            flush(draft)
            _put(draft, final)
            _sync(root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` if the body succeeds."""
    with _storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".tmp-{os.getpid()}-{path.name}")
        try:
            yield draft
            _sync(draft)
            draft.replace(path)
            _sync(path.parent)
        finally:
            draft.unlink(missing_ok=True)


def point(link: Path, target: Path) -> None:
    """Make `link` a relative symlink to `target`, in one step."""
    draft = link.with_name(f".tmp-{link.name}-{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(os.path.relpath(target, link.parent))
    draft.replace(link)
    _sync(link.parent)


def flush(folder: Path) -> None:
    """Write every file below `folder` through to the disk."""
    for path in sorted(folder.rglob("*")):
        _sync(path)
    _sync(folder)


def digest(*parts: str | bytes) -> str:
    """12 hex digits that name these parts, in this order."""
    state = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode()
        state.update(len(raw).to_bytes(8, "big") + raw)
    return state.hexdigest()[:12]


def _put(draft: Path, final: Path) -> None:
    if not final.exists():
        draft.rename(final)
        return
    if not _exchange(draft, final):  # no such call here: a reader may find nothing for a moment
        aside = final.with_name(f".tmp-{final.name}-old")
        final.rename(aside)
        draft.rename(final)
        shutil.rmtree(aside)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    with suppress(OSError, AttributeError):
        call = ctypes.CDLL(None, use_errno=True).renameat2
        done: int = call(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), EXCHANGE)
        return done == 0
    return False


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    """Turn the system's complaints about a place into ours."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and isinstance(error, FileNotFoundError):
            raise
        raise StorageError(
            f"cannot write: {error.strerror or error}",
            where=str(path),
            fix="free space or permissions; the former result is untouched",
        ) from error
