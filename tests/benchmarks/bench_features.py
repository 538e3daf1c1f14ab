"""Windows: Clawback against as-of joins, a search over prefix sums, and the limit of reading.

`python -m tests.benchmarks.bench_features --events 10000000` prints medians of interleaved runs,
each way in its own process, and writes `f1_vs_asof` (user CPU of the best as-of join over ours,
warm), `f1_vs_search`, `vs_limit` and `growth_1m_10m` (10 is linear).
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.benchmarks.measure import measured
from tests.benchmarks.report import machine, table, write_figures
from tests.benchmarks.workload import prepare

SMALL: Final = 1_000_000
ASOF: Final = ("polars_asof", "pandas_asof", "duckdb_asof")
RUNS: Final = 3
Runs = dict[str, list[dict[str, Any]]]


def run(events: int) -> dict[str, float]:
    """Measure, print, and return the figures; growth needs more events than `SMALL`."""
    figures = {}
    small = _measure(SMALL, with_duckdb=True)
    if events > SMALL:
        large = _measure(events, with_duckdb=False)
        figures["growth_1m_10m"] = _user(large, "clawback") / _user(small, "clawback")
    found = large if events > SMALL else small
    ours = _user(found, "clawback")
    figures["f1_vs_asof"] = min(_user(found, w) for w in ASOF if w in found) / ours
    figures["f1_vs_search"] = _user(found, "polars_search") / ours
    figures["vs_limit"] = ours / _user(found, "limit")
    print("\n" + table("features", ["figure", "value"], list(figures.items())))
    return figures


def _measure(events: int, *, with_duckdb: bool) -> Runs:
    ways = ["clawback", "limit", "polars_search", "pandas_asof", "polars_asof"]
    ways += ["duckdb_asof"] if with_duckdb else []
    runs: Runs = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), events)
        for _ in range(RUNS):
            for way in ways:
                runs[way].append(measured("tests.benchmarks.rivals", way, Path(folder)))
    sums = {r["checksum"] for way in ways if way != "limit" for r in runs[way]}
    if len(sums) != 1:
        raise SystemExit(f"the ways disagree: {sums}")
    ours = _user(runs, "clawback")
    header = ["way", "user CPU s", "wall s", "cold user s", "cold wall s", "peak GiB", "x user CPU"]
    rows = [
        [way, _user(runs, way), _median(runs, way, "warm", "wall"),
         _median(runs, way, "cold", "user"), _median(runs, way, "cold", "wall"),
         median(r["peak_gib"] for r in runs[way]), _user(runs, way) / ours]
        for way in ways
    ]  # fmt: skip
    title = f"\n80 windows, {events:,} events, {events // 10:,} decisions, {RUNS} runs; {machine()}"
    print(table(title, header, rows), flush=True)
    return runs


def _user(runs: Runs, way: str) -> float:
    return _median(runs, way, "warm", "user")


def _median(runs: Runs, way: str, when: str, what: str) -> float:
    return float(median(r[when][what] for r in runs[way]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=SMALL)
    write_figures(run(parser.parse_args().events))


if __name__ == "__main__":
    main()
