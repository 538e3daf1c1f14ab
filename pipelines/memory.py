"""Memory of a job: how much it may take, and that what it freed is used again."""

import ctypes
import os
import re
from pathlib import Path
from typing import Final

from data.errors import UsageError

UNITS: Final = {"MiB": 1 << 20, "GiB": 1 << 30, "MB": 10**6, "GB": 10**9}
LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
SHARE: Final = 0.8  # of what is installed: others run here too
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
KEPT: Final = 1 << 30
LARGEST_KEPT: Final = 32 << 20  # the most that glibc takes


def size_of(text: str) -> int:
    """Bytes of a size such as "8GiB".

    >>> size_of("8GiB") == 8 * 1024**3, size_of("1.5 GB")
    (True, 1500000000)
    >>> size_of("8")
    Traceback (most recent call last):
    ...
    data.errors.UsageError: --memory: '8' is no size
    fix: write a number and MiB, GiB, MB or GB, such as 8GiB
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]i?B)", text.strip())
    if match is None or match[2] not in UNITS or not float(match[1]):
        fix = f"write a number and {', '.join(list(UNITS)[:-1])} or GB, such as 8GiB"
        raise UsageError(f"{text!r} is no size", where="--memory", fix=fix)
    return int(float(match[1]) * UNITS[match[2]])


def installed() -> int:
    """Bytes that a job takes if it is not told: a share of the machine's, or of the container's."""
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in LIMITS:
        said = path.read_text().strip() if path.is_file() else ""
        if said.isdigit():
            here = min(here, int(said))
    return int(SHARE * here)


def keep_freed() -> None:
    """Use memory that was freed again, instead of giving it back and asking for it anew.

    A job makes and drops arrays by the hundred, and the system clears each page of a new one: of a
    million events that is a good part of the time. Arrays beyond `LARGEST_KEPT` go back as before.
    Nothing happens where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
