"""End to end: `clawback score` over a ledger, with every user's standing and without reasons.

`python -m tests.benchmarks.score_job --events 10000000` scores events / 100 requests in a process
of its own, several times, and writes the medians `score_job_s` (wall) and `score_job_gib` (peak).
"""

import argparse
import sys
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import Any, Final

from tests.benchmarks.child import cost
from tests.benchmarks.report import machine, table, write_figures
from tests.benchmarks.score_inputs import PLACE, Inputs, score_inputs

RUNS: Final = 3
RESULTS: Final = PLACE / "score"


def run(events: int) -> dict[str, float]:
    """Measure, print, and return the figures."""
    inputs = score_inputs(events)
    rmtree(RESULTS, ignore_errors=True)
    runs = [cost(command(inputs, RESULTS)) for _ in range(RUNS)]
    header = ["run", "wall s", "user CPU s", "peak GiB"]
    rows: list[list[Any]] = [[str(n), *r.values()] for n, r in enumerate(runs, 1)]
    middle = {key: median(r[key] for r in runs) for key in runs[0]}
    rows.append(["median", *middle.values()])
    size = f"{inputs.events:,} events, {inputs.requests:,} requests, {inputs.users:,} users"
    print(table(f"\nclawback score, no reasons, {size}; {machine()}", header, rows), flush=True)
    return {"score_job_s": middle["wall_s"], "score_job_gib": middle["peak_gib"]}


def command(inputs: Inputs, results: Path) -> list[str]:
    """The command line of the job, its results in a folder."""
    settings = {
        "ledger": inputs.ledger,
        "model": inputs.model,
        "since": inputs.since,
        "reasons": "none",
        "artifacts": results,
    }
    flags = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    return [str(Path(sys.executable).with_name("clawback")), "score", *flags]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    write_figures(run(parser.parse_args().events))


if __name__ == "__main__":
    main()
