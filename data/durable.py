"""Files that survive a power cut, and folders exchanged in one step.

What `data.folder` (a ledger) and `pipelines.atomic` (results) need of the system, and nothing of
what they put there.
"""

import ctypes
import os
import shutil
from pathlib import Path

AT_FDCWD = -100
RENAME_EXCHANGE = 2  # of renameat2(2)


def sync(path: Path) -> None:
    """Write a file, or a folder's names, through to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put(draft: Path, final: Path) -> None:
    """Rename `draft` to `final`; a folder that stood there ends under `draft`'s name, or nowhere.

    Where the system cannot exchange two names, a reader may find nothing for a moment.
    """
    if not final.exists():
        draft.rename(final)
    elif not exchange(draft, final):
        aside = draft.with_name(f"{draft.name}-old")
        final.rename(aside)
        draft.rename(final)
        shutil.rmtree(aside)


def exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system cannot."""
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    if call is None:
        return False
    names = AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other)
    return bool(call(*names, RENAME_EXCHANGE) == 0)
