"""Whether files stayed as they were while they were read: what grows meanwhile is half a table."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from data.errors import ContractError

Stamps: TypeAlias = dict[Path, tuple[int, int, int]]


def stamps(paths: Iterable[Path]) -> Stamps:
    """Identity, size and time of change of each file, and of the files below each folder."""
    found = {}
    for path in (p for top in paths for p in _files(top)):
        try:
            seen = path.stat()
        except OSError:
            continue  # whoever reads it says what is wrong
        found[path] = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    return found


def check_unchanged(paths: Iterable[Path], before: Stamps) -> None:
    """Refuse files that changed since `before` was taken.

    Raises
    ------
    ContractError : naming the first file that was changed, added or removed.
    """
    after = stamps(paths)
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            fix = "run again when its writer is done, or write to another name and rename"
            raise ContractError("the file changed while it was read", where=str(path), fix=fix)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return [Path(folder, name) for folder, _, names in os.walk(path) for name in names]
