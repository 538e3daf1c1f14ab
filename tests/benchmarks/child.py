"""What a command costs as its own process: wall time, user CPU and peak memory.

The command is started by a small process and not by the benchmark: Linux counts the memory of the
process that starts another as the other's, and a benchmark that has built a ledger is large.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

GIB: Final = 2**20  # in the kernel's unit, KiB


def cost(command: Sequence[str]) -> dict[str, float]:
    """Run a command to its end: `wall_s`, `user_s`, `peak_gib`; its own output is dropped.

    A command that fails ends the benchmark, with what it said.
    """
    starter = [sys.executable, "-S", __file__, *command]
    done = subprocess.run(starter, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _main(command: Sequence[str]) -> int:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    found: dict[str, Any] = {
        "wall_s": wall,
        "user_s": used.ru_utime,
        "peak_gib": used.ru_maxrss / GIB,
    }
    print(json.dumps(found))
    return process.returncode


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
