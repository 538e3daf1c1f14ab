"""`clawback score` on ten times the market of the score job, in 8 GiB of memory.

`python -m tests.benchmarks.score_large` writes `score_100m_s` (wall) and `score_100m_gib` (peak)
of one run; it needs some 15 GB of disk and a quarter of an hour.

The market's events stand in the ledger ten times, each time of other people, merchants and goods,
and some minutes later; ids are texts. As many requests are scored as in the score job.
"""

import argparse
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.folder import Manifest, read_manifest
from data.ledger import NULL_CODE, NULL_TIME, Column, Ledger
from data.part import write_part, write_table
from data.publish import publish
from data.store import read_ledger
from features.spine import spine
from features.task import load_task
from tests.benchmarks.child import cost
from tests.benchmarks.report import machine, table, write_figures
from tests.benchmarks.score_inputs import PLACE, score_inputs
from tests.benchmarks.score_job import command

COPIES: Final = 10
PARTS: Final = 40
APART_US: Final = 37 * 60_000_000
MEMORY: Final = "8GiB"


def run(events: int) -> dict[str, float]:
    """Measure, print, and return the figures, which are named after the full size."""
    inputs = score_inputs(events)
    place = PLACE / "large"
    rmtree(place, ignore_errors=True)
    multiply(Path(inputs.ledger), place / "ledger")
    since = _since(Path(inputs.ledger), inputs.requests // COPIES)
    job = replace(inputs, ledger=str(place / "ledger"), since=since)
    found = cost([*command(job, place / "score"), "--memory", MEMORY])
    title = f"\nclawback score --memory {MEMORY}, {COPIES * inputs.events:,} events; {machine()}"
    print(table(title, list(found), [list(found.values())]), flush=True)
    rmtree(place)
    if events < 10_000_000:
        return {}
    return {"score_100m_s": found["wall_s"], "score_100m_gib": found["peak_gib"]}


def _since(source: Path, requests: int) -> str:
    """The moment of the last so many requests of one copy."""
    task = load_task()
    return str(spine(task, read_ledger(source, task.columns_needed()))["as_of"].iloc[-requests])


def multiply(source: Path, goal: Path) -> None:
    """Write a ledger of `COPIES` markets that never meet."""
    manifest = read_manifest(source)
    names = list(manifest.columns)
    ledger = read_ledger(source, names)
    keys = {n for n in names if manifest.columns[n]["type"] == "key"}

    def fill(folder: Path) -> Manifest:
        cuts = np.quantile(ledger.known_us, np.linspace(0, 1, PARTS + 1)[1:-1]).astype(np.int64)
        start = 0
        for part, (lo, hi) in enumerate(pairwise([-(1 << 62), *cuts.tolist(), 1 << 62]), 1):
            columns = _part(ledger, keys, lo, hi)
            rows = np.arange(start, start + len(columns["known_ts"].values))
            start += len(rows)
            write_part(folder / f"part-{part}.parquet", columns, pa.chunked_array([pa.array(rows)]))
        (folder / "dict").mkdir()
        for name in names:
            if ledger[name].dictionary is not None:
                values = _values(ledger[name], name in keys)
                write_table(pa.table({"value": values}), folder / "dict" / f"{name}-1.parquet")
        facts = {
            n: {"type": c["type"], "nulls": COPIES * c["nulls"]}
            for n, c in manifest.columns.items()
        }
        last = manifest.watermark + (COPIES - 1) * APART_US
        texts = dict.fromkeys(manifest.key_types, "string")
        return replace(
            manifest, rows=start, watermark=last, columns=facts, key_types=texts, files={}
        )

    publish(goal, fill)


def _part(ledger: Ledger, keys: set[str], lo: int, hi: int) -> dict[str, Column]:
    """The events of all copies that are known in `[lo, hi)`, in the order of time."""
    shifts = [copy * APART_US for copy in range(COPIES)]
    rows = [slice(*np.searchsorted(ledger.known_us, [lo - s, hi - s])) for s in shifts]
    known = np.concatenate([ledger.known_us[r] + s for r, s in zip(rows, shifts, strict=True)])
    order = np.argsort(known, kind="stable")
    columns = {}
    for name, column in ledger.columns.items():
        copies = [
            _shifted(column.values[r], column, name in keys, copy)
            for copy, r in enumerate(rows)
        ]  # fmt: skip
        valid = None
        if column.valid is not None:
            valid = np.concatenate([column.valid[r] for r in rows])[order]
        columns[name] = Column(column.kind, np.concatenate(copies)[order], valid)
    return columns


def _shifted(values: Any, column: Column, key: bool, copy: int) -> Any:
    if column.kind == "time":
        return np.where(values == NULL_TIME, values, values + copy * APART_US)
    if key and column.dictionary is not None:
        own = values + copy * len(column.dictionary)
        return np.where(values == NULL_CODE, values, own).astype(np.int32)
    return values


def _values(column: Column, key: bool) -> Any:
    values = pa.array(column.dictionary, from_pandas=True)
    if not key:
        return values
    texts = values.cast(pa.string())
    copies = [pc.binary_join_element_wise(str(copy), texts, "-") for copy in range(COPIES)]
    return pa.chunked_array(copies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    write_figures(run(parser.parse_args().events))


if __name__ == "__main__":
    main()
