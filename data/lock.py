"""One writer at a place: a lock file that the system lets go however the process ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import BusyError, StorageError


@contextmanager
def locked(path: Path, guarded: Path | None = None) -> Iterator[None]:
    """Hold the lock file `path`, which is gone when nobody holds it.

    Parameters
    ----------
    guarded : what the lock is for, to be named in messages; the file's folder by default.

    Raises
    ------
    BusyError : another process holds it. StorageError : no file can be made there.
    """
    handle = _opened(path, str(guarded or path.parent))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock a folder for as long as this process lives; a process id says little in containers.

    Raises
    ------
    OSError : another process holds it, or it is gone.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _opened(path: Path, where: str) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is(handle, path):
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # its last holder removed it just before we got it
    except BlockingIOError:
        fix = "wait for it to end, and try again"
        raise BusyError("another job is writing here", where=where, fix=fix) from None
    except OSError as e:
        what, fix = f"cannot write: {e.strerror or e}", "choose a place this user may write to"
        raise StorageError(f"{what}; nothing was changed", where=where, fix=fix) from e


def _is(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
