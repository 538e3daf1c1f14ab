"""Sizes of memory, and that memory which was freed is used again."""

import subprocess
import sys

import pytest

from data.errors import UsageError
from pipelines.memory import size_of

FAULTS = """
import resource
import numpy as np
from pipelines.memory import keep_freed
if {kept}:
    keep_freed()
for turn in range(20):
    if turn == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(3_000_000, np.int64).fill(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_sizes() -> None:
    assert size_of("8GiB") == 8 << 30
    assert size_of("0.5 MB") == 500_000
    for wrong in ("8", "8 KiB", "GiB", "0GiB", "-1GiB"):
        with pytest.raises(UsageError, match="no size"):
            size_of(wrong)


def test_freed_memory_is_used_again() -> None:
    def faults(kept: bool) -> int:
        command = [sys.executable, "-c", FAULTS.format(kept=kept)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults(kept=True) * 10 <= faults(kept=False)
