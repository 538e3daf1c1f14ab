"""How fast reasons are made: `reasons_rows_s`, warm, on held requests of the score job's ledger."""

import time
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.store import read_ledger
from features.engine import features
from features.spine import spine
from models.explain import reasons
from pipelines.bundle import read_bundle
from pipelines.plan import AT_REQUEST
from tests.benchmarks.report import machine, table
from tests.benchmarks.score_inputs import score_inputs
from tests.benchmarks.score_job import RESULTS

ROWS: Final = 10_000
RUNS: Final = 3


def run(events: int) -> dict[str, float]:
    """Measure, print, and return the figure; the score job has run before."""
    inputs = score_inputs(events)
    bundle = read_bundle(Path(inputs.model))
    task, model = bundle.task, bundle.models.risk[AT_REQUEST.name]
    ledger = read_ledger(inputs.ledger, task.columns_needed())
    X = features(task.at_stage("request"), ledger, spine(task, ledger, rows=_held()))
    seconds = []
    for _ in range(1 + RUNS):
        start = time.perf_counter()
        reasons(model, X, task.reason_keys(), top=3)
        seconds.append(time.perf_counter() - start)
    rate = len(X) / median(seconds[1:])  # the first warms up
    title = f"\nreasons of {len(X):,} held requests, {RUNS} warm runs; {machine()}"
    print(table(title, ["figure", "rows/s"], [["reasons_rows_s", rate]]), flush=True)
    return {"reasons_rows_s": rate}


def _held() -> NDArray[np.int64]:
    """Ledger rows of the first requests that the job did not pay at once."""
    run_folder = next((RESULTS / "runs").iterdir())
    decisions = pd.read_parquet(run_folder / "decisions.parquet", columns=["row_id", "action"])
    return decisions.loc[decisions["action"] != "instant", "row_id"].to_numpy(np.int64)[:ROWS]
