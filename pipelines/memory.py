"""How much memory a job may take: as it is told, or most of what this machine has."""

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
