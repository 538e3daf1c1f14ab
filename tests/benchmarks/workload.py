"""The work that engines are compared on: 80 window columns over a log of `events` rows.

Users are events / 20 with a heavy tail, merchants max(200, events / 1000); 24 % of the amounts are
null; ten seconds often hold several events; every decision ties with at least one event. Columns:
5 windows x {count, sum} x 4 filters x {user, merchant}.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data.contract import load_contract
from data.folder import read_manifest
from data.report import Report
from data.writer import append_part, write_ledger
from features.declarations import Declaration, Events, days, windows

DAYS: Final = (1, 7, 30, 90, 365)
KINDS: Final = (
    "purchase", "refund_request", "refund_granted", "chargeback", "dispute", "inr_claim",
    "login", "address_change", "review", "message", "coupon", "return_scan",
)  # fmt: skip
SETS: Final[dict[str, tuple[str, ...]]] = {
    "all": KINDS,
    "purch": ("purchase",),
    "refund": ("refund_request", "refund_granted"),
    "bad": ("chargeback", "dispute", "inr_claim"),
}
ENTITIES: Final = ("user_id", "merchant_id")
READ: Final = ["known_ts", "event_type", "user_id", "merchant_id", "amount_cents"]
STRETCH: Final = 10_000_000
SPAN_S: Final = 730 * 86_400
DAY_US: Final = 86_400_000_000


def definitions() -> list[Declaration]:
    """The 80 columns as declarations."""
    aggregates = ["count", "sum:amount_cents"]
    sets = [Events(name, types) for name, types in SETS.items()]
    over = [days(d) for d in DAYS]
    return [w for e in ENTITIES for s in sets for w in windows(e, s, aggregates, over=over)]


def prepare(folder: Path, events: int) -> None:
    """Write `ledger/` and `decisions.parquet` (events / 10 rows, drawn from the events).

    More than `STRETCH` events come in stretches of time, each appended to the ones before.
    """
    rng = np.random.default_rng(20)
    contract = load_contract().adding(event_types=KINDS)
    ledger, written = folder / "ledger", 0
    while written < events:
        size = min(STRETCH, events - written)
        table = draw_events(rng, events, written, size)
        if written:
            clean = Report("workload", size, size, 0, 0)
            append_part(table, ledger, contract, read_manifest(ledger), report=clean)
        else:
            write_ledger(table, ledger, contract)
        written += size
    chosen = np.sort(rng.choice(events, events // 10, replace=False))
    parts = [ledger / part for part in read_manifest(ledger).parts]
    read = [pq.read_table(part, columns=["known_ts", *ENTITIES]) for part in parts]
    pq.write_table(pa.concat_tables(read).take(chosen), folder / "decisions.parquet")


def draw_events(rng: "np.random.Generator", events: int, first: int, n: int) -> pa.Table:
    """`n` of all events, from the `first` on."""
    start = pd.Timestamp("2024-01-01", tz="UTC").value // 1000
    low, high = (SPAN_S // 10 * at // events for at in (first, first + n))
    seconds = np.sort(rng.integers(low, high, n)) * 10
    stamp = pa.array(start + seconds * 1_000_000).cast(pa.timestamp("us", tz="UTC"))
    kinds = rng.choice(len(KINDS), n, p=_shares(len(KINDS)))
    amount = rng.integers(1, 50_000, n)
    return pa.table(
        {
            "event_id": pa.array(np.arange(first, first + n)).cast(pa.string()),
            "event_type": pa.DictionaryArray.from_arrays(pa.array(kinds), pa.array(KINDS)),
            "event_ts": stamp,
            "known_ts": stamp,
            "user_id": pa.array(_tailed(rng, n, max(20, events // 20), 2.0)),
            "merchant_id": pa.array(_tailed(rng, n, max(200, events // 1000), 2.4)),
            "amount_cents": pa.array(amount, mask=rng.random(n) < 0.24),
        }
    )


def _tailed(rng: "np.random.Generator", n: int, size: int, power: float) -> Any:
    """Ids in [0, size): the density falls from the most active one on."""
    return np.minimum((size * rng.random(n) ** power).astype(np.int64), size - 1)


def _shares(n: int) -> Any:
    weights = 1 / np.arange(1, n + 1)
    return weights / weights.sum()
