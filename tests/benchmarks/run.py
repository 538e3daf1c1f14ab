"""All benchmarks: `python -m tests.benchmarks.run --events 1000000`."""

import argparse

from tests.benchmarks import (
    bench_features,
    bench_hard,
    bench_large,
    bench_rings,
    fit_speed,
    help_speed,
    reasons_speed,
    score_job,
    store_speed,
)
from tests.benchmarks.report import FIGURES, write_figures

# Each takes the number of events and returns its figures; reasons and nights are those of the
# score job.
BENCHES = (
    help_speed.run,
    bench_features.run,
    bench_hard.run,
    bench_rings.run,
    score_job.run,
    reasons_speed.run,
    store_speed.run,
    lambda _events: fit_speed.run(),
    lambda events: bench_large.run(10 * events),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    events = parser.parse_args().events
    for bench in BENCHES:
        write_figures(bench(events))
    print(f"\nfigures: {FIGURES}")


if __name__ == "__main__":
    main()
