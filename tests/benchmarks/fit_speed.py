"""Training against plain LightGBM on the same table, at the same settings: time and memory.

`fit_vs_lightgbm` is the ratio of user CPU, medians of interleaved runs, each its own process;
`fit_peak_matrices` the peak memory of ours over the table's own bytes. Always 1 M rows x 250
columns: beside a smaller table the libraries would count most. Calibration is left out of both,
for LightGBM has none.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.boosting import check_params, train_settings
from models.risk import RiskModel
from tests.benchmarks.measure import measured
from tests.benchmarks.report import machine, table, write_figures

ROWS: Final = 1_000_000
COLUMNS: Final = 250
RUNS: Final = 3
TREES: Final = 50
PARAMS: Final = {"n_estimators": TREES}


def given(folder: Path) -> tuple[pd.DataFrame, Any]:
    """The table and its outcomes, made once and read by every process."""
    X = np.load(folder / "X.npy")
    frame = pd.DataFrame(X, columns=[f"c{i}" for i in range(X.shape[1])], copy=False)
    return frame, np.load(folder / "y.npy")


def ours(folder: Path) -> list[Any]:
    """`RiskModel.fit`, without calibration."""
    X, y = given(folder)
    model = RiskModel(params=PARAMS, calibration="none", num_threads=2).fit(X, y)
    return [model.raw_score(X.iloc[:1000])]


def plain(folder: Path) -> list[Any]:
    """`lightgbm.train` with what ours passes on."""
    X, y = given(folder)
    settings = train_settings(check_params(PARAMS), "binary", [0] * X.shape[1], 0, 2)
    booster = lgb.train(settings, lgb.Dataset(X, label=y, params=settings), TREES)
    return [booster.predict(X.iloc[:1000], raw_score=True)]


def table_only(folder: Path) -> list[Any]:
    """Reading the table, which neither is charged for."""
    X, _ = given(folder)
    return [X.iloc[0]]


WAYS: Final[dict[str, Callable[[Path], list[Any]]]] = {
    "ours": ours, "plain": plain, "table_only": table_only,
}  # fmt: skip


def make(folder: Path, rows: int = ROWS) -> float:
    """Write a table like that of a year of requests: counts, rates with nulls; its size in GiB."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(
        folder / "X.npy", "w+", np.float64, (rows, COLUMNS), fortran_order=True
    )
    risk = np.zeros(rows)
    for j in range(COLUMNS):
        column = rng.poisson(2.0, rows) if j % 2 else rng.exponential(1.0, rows)
        X[:, j] = np.where(rng.random(rows) < 0.3 * (j % 5 == 0), np.nan, column)
        risk += 0.1 * np.nan_to_num(X[:, j]) * (j < 20)
    X.flush()
    np.save(folder / "y.npy", (rng.random(rows) < 1 / (1 + np.exp(7 - risk))).astype(np.float64))
    return X.nbytes / 2**30


def run() -> dict[str, float]:
    """Measure, print, and return the figures."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with TemporaryDirectory() as place:
        size = make(Path(place))
        for _ in range(RUNS):
            for way in WAYS:
                found[way].append(measured("tests.benchmarks.fit_speed", way, Path(place)))
    user = {w: median(r["warm"]["user"] for r in runs) for w, runs in found.items()}
    wall = {w: median(r["warm"]["wall"] for r in runs) for w, runs in found.items()}
    peak = {w: median(r["peak_gib"] for r in runs) for w, runs in found.items()}
    lines = [[w, wall[w], user[w], peak[w]] for w in WAYS]
    title = f"\ntraining, {ROWS:,} rows x {COLUMNS} columns ({size:.2f} GiB); {machine()}"
    print(table(title, ["way", "wall s", "user CPU s", "peak GiB"], lines), flush=True)
    read = user["table_only"]
    return {
        "fit_vs_lightgbm": (user["ours"] - read) / (user["plain"] - read),
        "fit_s": wall["ours"] - wall["table_only"],
        "fit_peak_matrices": peak["ours"] / size,
    }


if __name__ == "__main__":
    write_figures(run())
