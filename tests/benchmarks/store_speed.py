"""A ledger that grows by a night against one built at once, and keys that are texts against ints.

`python -m tests.benchmarks.store_speed --events 10000000` writes `append_vs_full` (wall time of
appending 0.2 % new events of the score job's market over that of ingesting all of them, features
the same) and `string_vs_int` (user CPU from a Parquet file to the 80 columns of the workload).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from shutil import copytree, rmtree
from statistics import median
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.contract import load_contract
from data.folder import read_manifest
from data.ingest import append_ledger, build_ledger
from data.part import read_rows
from data.store import read_ledger
from features.engine import features
from features.spine import spine
from features.task import load_task
from tests.benchmarks.measure import measured
from tests.benchmarks.report import machine, table, write_figures
from tests.benchmarks.score_inputs import market_ledger
from tests.benchmarks.workload import ENTITIES, KINDS, READ, definitions, draw_events

MODULE: Final = "tests.benchmarks.store_speed"
NIGHT: Final = 0.002
ASKED: Final = 20_000  # requests whose features are compared
RUNS: Final = 3


def run(events: int) -> dict[str, float]:
    """Measure, print, and return the figures."""
    with tempfile.TemporaryDirectory() as place:
        found = _append(Path(place), events)
    with tempfile.TemporaryDirectory() as place:
        return found | _keys(Path(place), events)


def _append(place: Path, events: int) -> dict[str, float]:
    _prepare(str(market_ledger(events)), str(place), "nights")
    full = measured(MODULE, "full", place)["warm"]
    nights = [measured(MODULE, "append", place)["warm"] for _ in range(RUNS)]
    night = {key: median(n[key] for n in nights) for key in full}
    same = {measured(MODULE, way, place)["checksum"] for way in ("of full", "of grown")}
    if len(same) != 1:
        raise SystemExit("the grown ledger gives other features")
    rows: list[list[Any]] = [["everything", *full.values()], ["a night", *night.values()]]
    title = f"\ningesting {events:,} events, and {NIGHT:.1%} of them; {machine()}"
    print(table(title, ["what", "wall s", "user CPU s"], rows), flush=True)
    return {"append_vs_full": night["wall"] / full["wall"]}


def _keys(place: Path, events: int) -> dict[str, float]:
    _prepare(str(events), str(place), "keys")
    runs: dict[str, list[dict[str, Any]]] = {"ints": [], "texts": []}
    for _ in range(RUNS):
        for way, found in runs.items():
            found.append(measured(MODULE, way, place))
    if len({r["checksum"] for found in runs.values() for r in found}) != 1:
        raise SystemExit("keys that are texts give other features")
    user = {way: median(r["warm"]["user"] for r in found) for way, found in runs.items()}
    title = f"\n80 windows of {events:,} events in a Parquet file; {machine()}"
    print(table(title, ["keys", "user CPU s"], [list(r) for r in user.items()]), flush=True)
    return {"string_vs_int": user["texts"] / user["ints"]}


def _prepare(*arguments: str) -> None:
    """In a process of its own, for it takes memory."""
    subprocess.run([sys.executable, "-m", MODULE, "--prepare", *arguments], check=True)


def _write_nights(ledger: str, place: str) -> None:
    """The events as files: all of them, those before the last night, the last night; a ledger."""
    folder, at = Path(ledger), Path(place)
    events = read_rows(folder, read_manifest(folder))
    known = events.column("known_ts").cast(pa.int64()).to_numpy()
    last = np.searchsorted(known, known[int(len(known) * (1 - NIGHT))])
    parts = {"all": events, "old": events.slice(0, last), "night": events.slice(last)}
    for name, rows in parts.items():
        pq.write_table(rows, at / f"{name}.parquet", store_schema=False)  # texts, no dictionaries
    del events, parts, rows
    build_ledger(at / "old.parquet", at / "old")


def _write_keys(events: str, place: str) -> None:
    """The workload's events with keys that are integers, and with texts."""
    found = draw_events(np.random.default_rng(20), int(events), 0, int(events))
    pq.write_table(found, Path(place) / "ints.parquet")
    for name in ENTITIES:
        digits = pc.utf8_lpad(found.column(name).cast(pa.string()), 10, "0")
        texts = pc.binary_join_element_wise(name[0], digits, "")
        found = found.set_column(found.column_names.index(name), name, texts)
    pq.write_table(found, Path(place) / "texts.parquet")


def _full(place: Path) -> list[Any]:
    build_ledger(place / "all.parquet", place / "full")
    return []


def _night(place: Path) -> list[Any]:
    rmtree(place / "grown", ignore_errors=True)
    copytree(place / "old", place / "grown", copy_function=os.link)
    append_ledger(place / "night.parquet", place / "grown")
    return []


def _features_of(name: str, place: Path) -> list[Any]:
    """A number that names the bytes of the last requests' features."""
    task = load_task()
    ledger = read_ledger(place / name, task.columns_needed())
    X = features(task.features, ledger, spine(task, ledger).iloc[-ASKED:])
    state = sha256(pd.util.hash_pandas_object(X, index=False).to_numpy().tobytes())
    return [int.from_bytes(state.digest()[:6], "big")]


def _columns_of(keys: str, place: Path) -> list[Any]:
    contract = load_contract().adding(event_types=KINDS)
    ledger = read_ledger(place / f"{keys}.parquet", READ, contract=contract)
    at = np.random.default_rng(1).choice(len(ledger), len(ledger) // 10, replace=False)
    asked = {name: ledger[name].decode(ledger[name].values[at]) for name in ENTITIES}
    as_of = pa.array(ledger.known_us[at]).cast(pa.timestamp("us", tz="UTC")).to_pandas()
    X = features(definitions(), ledger, as_of.to_frame("as_of").assign(**asked))
    return [X[name] for name in X]


WAYS: Final[dict[str, Callable[[Path], list[Any]]]] = {
    "full": _full,
    "append": _night,
    "of full": partial(_features_of, "full"),
    "of grown": partial(_features_of, "grown"),
    "ints": partial(_columns_of, "ints"),
    "texts": partial(_columns_of, "texts"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--prepare", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        source, place, what = given.prepare
        (_write_nights if what == "nights" else _write_keys)(source, place)
    else:
        write_figures(run(given.events))


if __name__ == "__main__":
    main()
