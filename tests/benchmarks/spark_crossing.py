"""From what size Spark pays: `python -m tests.benchmarks.spark_crossing --events 1000000`.

The 80-column work at two sizes (the one given, and five times it), on the local engine and on Spark
`local[2]`, in one process, warm: what a job costs at once and what it costs for every event.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import pandas as pd

from data.ledger import Ledger
from data.slices import open_folder
from data.store import read_ledger
from features.engine import features
from pipelines.engines import LOCAL
from pipelines.spark.engine import SparkEngine
from pipelines.spark.session import quiet, session
from tests.benchmarks.report import machine, table
from tests.benchmarks.workload import READ, definitions, prepare

RUNS: Final = 3
CORES: Final = 2


def seconds(work: Callable[[], Any]) -> float:
    """Median wall time, the first run left out."""
    found = []
    for _ in range(RUNS + 1):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return median(found[1:])


def compare(spark: Any, folder: Path, events: int) -> tuple[float, float]:
    """Seconds of both engines from a ledger folder to a written table."""
    prepare(folder, events)
    cases = pd.read_parquet(folder / "decisions.parquet")
    ledger: Ledger = read_ledger(folder / "ledger", READ)
    for name in ("user_id", "merchant_id"):
        cases[name] = ledger[name].decode(cases[name].to_numpy())
    cases = cases.rename(columns={"known_ts": "as_of"})
    engine = SparkEngine(spark, open_folder(folder / "ledger"), folder)
    some = cases.iloc[:: max(1, len(cases) // 1000)]
    own = definitions()
    pd.testing.assert_frame_equal(
        engine.features(own, ledger, some), features(own, ledger, some), check_exact=True
    )

    def local() -> None:
        read = read_ledger(folder / "ledger", READ)
        LOCAL.write(own, read, cases, folder / "local.parquet")

    return seconds(local), seconds(lambda: engine.write(own, ledger, cases, folder / "spark"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    small = parser.parse_args().events
    sizes, found = (small, 5 * small), []
    os.environ.setdefault("PYSPARK_SUBMIT_ARGS", "--driver-memory 6g pyspark-shell")
    with quiet(), session(f"local[{CORES}]") as spark:
        for events in sizes:
            with TemporaryDirectory() as folder:
                found.append(compare(spark, Path(folder), events))
    rows: list[list[Any]] = [
        [f"{n:,}", a, b, b / a] for n, (a, b) in zip(sizes, found, strict=True)
    ]
    header = ["events", "local s", "Spark s", "ratio"]
    print(table(f"\n80 columns, one decision in ten events; {machine()}", header, rows))
    step = sizes[1] - sizes[0]
    local, many = ((found[1][n] - found[0][n]) / step for n in (0, 1))
    at_once = found[0][1] - many * sizes[0]
    print(f"for every million events: local {local * 1e6:.2f} s, Spark {many * 1e6:.2f} s")
    print(f"Spark at once: {at_once:.1f} s (and its session)")
    print(f"cores that do what {CORES} do locally: {CORES * many / local:.0f}")


if __name__ == "__main__":
    main()
