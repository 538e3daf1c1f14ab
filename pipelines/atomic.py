"""Results that exist whole or not at all.

A run is written into a hidden sibling, flushed to the disk and renamed to `runs/<run_id>`; the
symlink `current` moves last. A job killed at any moment leaves the old result or the new one. A
reader that resolves `current` first never mixes two runs.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.durable import put, sync
from data.errors import StorageError


@contextmanager
def run_folder(root: Path, run_id: str, *, current: Path | None = None) -> Iterator[Path]:
    """A folder to write a run into; on success it becomes `root / run_id`.

    The caller holds the lock of its kind of run (`data.lock`). If the body raises, nothing remains.
    A run that exists already is replaced in one step.

    Parameters
    ----------
    current : symlink pointed at the finished run, last.
    """
    with storing(root):
        root.mkdir(parents=True, exist_ok=True)
        hidden = f".tmp-{digest(run_id)}"
        for stale in root.glob(f"{hidden}-*"):  # of a job that was killed
            shutil.rmtree(stale, ignore_errors=True)
        draft = root / f"{hidden}-{os.getpid()}"
        draft.mkdir()
    try:
        with storing(root):
            yield draft
            flush(draft)
            put(draft, root / run_id)
            sync(root)
            if current is not None:
                point(current, root / run_id)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def publish(root: Path, fill: Callable[[Path], str]) -> Path:
    """A folder that is named by its content: `fill` writes it and returns its name.

    The caller holds the lock of everything that publishes below `root`.
    """
    with storing(root):
        root.mkdir(parents=True, exist_ok=True)
        for stale in root.glob(".tmp-*"):  # of a job that was killed
            shutil.rmtree(stale, ignore_errors=True)
        draft = root / f".tmp-{os.getpid()}"
        draft.mkdir()
    try:
        with storing(root):
            final = root / fill(draft)
            flush(draft)
            put(draft, final)
            sync(root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` if the body succeeds."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".tmp-{os.getpid()}-{path.name}")
        try:
            yield draft
            sync(draft)
            draft.replace(path)
            sync(path.parent)
        finally:
            draft.unlink(missing_ok=True)


def point(link: Path, target: Path) -> None:
    """Make `link` a relative symlink to `target`, in one step; the caller holds its lock."""
    draft = link.with_name(f".tmp-{link.name}")
    draft.unlink(missing_ok=True)  # of a job that was killed
    draft.symlink_to(os.path.relpath(target, link.parent))
    draft.replace(link)
    sync(link.parent)


def flush(folder: Path) -> None:
    """Write every file below `folder` through to the disk."""
    for path in sorted(folder.rglob("*")):
        sync(path)
    sync(folder)


def digest(*parts: str | bytes) -> str:
    """12 hex digits that name these parts, in this order."""
    state = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode()
        state.update(len(raw).to_bytes(8, "big") + raw)
    return state.hexdigest()[:12]


@contextmanager
def storing(path: Path) -> Iterator[None]:
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
