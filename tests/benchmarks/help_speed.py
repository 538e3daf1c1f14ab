"""How long `clawback --help` takes: `help_s`, the median of several runs."""

import sys
from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks.child import cost
from tests.benchmarks.report import machine, table

RUNS: Final = 7


def run(_events: int = 0) -> dict[str, float]:
    """Measure, print, and return the figure; no number of events changes it."""
    command = [str(Path(sys.executable).with_name("clawback")), "--help"]
    seconds = median(cost(command)["wall_s"] for _ in range(RUNS))
    print(
        table(
            f"\nclawback --help, {RUNS} runs; {machine()}", ["figure", "s"], [["help_s", seconds]]
        )
    )
    return {"help_s": seconds}
