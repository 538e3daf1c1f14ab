"""Ten times what memory likes: growth and peak memory of the 80 columns, in slices of 8 GiB.

`python -m tests.benchmarks.bench_large --events 100000000` needs some 20 GB of disk and writes
`growth_10m_100m` (wall time, the same way of working at both sizes; 10 is linear) and
`peak_gib_100m`. With fewer events it measures a tenth of them against them.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.benchmarks.measure import measured
from tests.benchmarks.report import machine, table, write_figures
from tests.benchmarks.workload import prepare

LARGE: Final = 100_000_000
SMALL_RUNS, LARGE_RUNS = 3, 1  # processes, of two runs each
PLACE: Final = Path("artifacts/bench")


def run(events: int = LARGE) -> dict[str, float]:
    """Measure, print, and return the figures, which are named after the full size."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE) as place:
        small = _measure(Path(place) / "small", events // 10, SMALL_RUNS)
        large = _measure(Path(place) / "large", events, LARGE_RUNS)
    header = ["events", "wall s", "user CPU s", "peak GiB", "events / s"]
    rows = [
        [f"{n:,}", _median(runs, "wall"), _median(runs, "user"), _peak(runs),
         f"{n / _median(runs, 'wall'):,.0f}"]
        for n, runs in ((events // 10, small), (events, large))
    ]  # fmt: skip
    title = f"\n80 windows, a decision for ten events, 8 GiB; {machine()}"
    print(table(title, header, rows), flush=True)
    growth = _median(large, "wall") / _median(small, "wall")
    print(f"growth {growth:.1f} (10 is linear)", flush=True)
    if events < LARGE:
        return {}
    return {"growth_10m_100m": growth, "peak_gib_100m": _peak(large)}


def _measure(folder: Path, events: int, runs: int) -> list[dict[str, Any]]:
    folder.mkdir()
    prepare(folder, events)
    return [measured("tests.benchmarks.bounded", "sliced", folder) for _ in range(runs)]


def _median(runs: list[dict[str, Any]], what: str) -> float:
    return float(median(r[when][what] for r in runs for when in ("cold", "warm")))


def _peak(runs: list[dict[str, Any]]) -> float:
    return float(max(r["peak_gib"] for r in runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=LARGE)
    write_figures(run(parser.parse_args().events))


if __name__ == "__main__":
    main()
