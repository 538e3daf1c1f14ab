"""Aggregates that are no difference of running totals: Clawback against Polars and DuckDB.

`python -m tests.benchmarks.bench_hard` writes `hard_vs_best`: wall time of the faster of the two
over ours, at a million events, warm, medians of interleaved runs, each in its own process.
"""

import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np

from tests.benchmarks.measure import measured
from tests.benchmarks.report import machine, table, write_figures
from tests.benchmarks.workload import prepare

EVENTS: Final = 1_000_000  # the others would need minutes for more
RUNS: Final = 3
WAYS: Final = ("clawback", "polars", "duckdb")


def run(_events: int = EVENTS) -> dict[str, float]:
    """Measure, print, and return the figure."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), EVENTS)
        for _ in range(RUNS):
            for way in WAYS:
                runs[way].append(measured("tests.benchmarks.hard", way, Path(folder)))
    sums = [r["checksum"] for way in WAYS for r in runs[way]]
    if not np.allclose(sums, sums[0], rtol=1e-9, atol=0):
        raise SystemExit(f"the ways disagree: {sums}")
    took = {way: median(r["warm"]["wall"] for r in runs[way]) for way in WAYS}
    user = {way: median(r["warm"]["user"] for r in runs[way]) for way in WAYS}
    rows = [[way, took[way], user[way], took[way] / took["clawback"]] for way in WAYS]
    title = f"\n27 hard columns, {EVENTS:,} events, {EVENTS // 10:,} decisions; {machine()}"
    print(table(title, ["way", "wall s", "user CPU s", "x wall"], rows), flush=True)
    return {"hard_vs_best": min(took["polars"], took["duckdb"]) / took["clawback"]}


if __name__ == "__main__":
    write_figures(run())
