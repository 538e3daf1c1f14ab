"""One measurement in its own process: `python -m tests.benchmarks.measure MODULE WAY FOLDER`.

Runs `MODULE.WAYS[WAY](folder)` cold and once more warm, and prints JSON with the wall time and user
CPU time of both, the process's peak memory, and the sum of all cells of the columns it returned.
"""

import importlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.memory import keep_freed


def measured(module: str, way: str, folder: Path) -> dict[str, Any]:
    """The measurement, taken in a fresh process."""
    command = [sys.executable, "-m", "tests.benchmarks.measure", module, way, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _peak_kib() -> float:
    """Most memory that this program held; `ru_maxrss` counts the process that started it too."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return float(found[0]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(module: str, way: str, folder: str) -> None:
    keep_freed()  # as every command does
    work = importlib.import_module(module).WAYS[way]
    runs = []
    for _ in range(2):
        columns = []  # freed before the clock starts
        wall, user = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
        columns = work(Path(folder))
        user = resource.getrusage(resource.RUSAGE_SELF).ru_utime - user
        runs.append({"wall": time.perf_counter() - wall, "user": user})
    peak = _peak_kib() / 2**20
    checksum = float(sum(np.asarray(c).sum() for c in columns))
    found = {"cold": runs[0], "warm": runs[1], "peak_gib": peak, "checksum": checksum}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
