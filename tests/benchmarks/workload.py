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
from data.writer import write_ledger
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
SPAN_S: Final = 730 * 86_400
DAY_US: Final = 86_400_000_000


def definitions() -> list[Declaration]:
    """The 80 columns as declarations."""
    aggregates = ["count", "sum:amount_cents"]
    sets = [Events(name, types) for name, types in SETS.items()]
    over = [days(d) for d in DAYS]
    return [w for e in ENTITIES for s in sets for w in windows(e, s, aggregates, over=over)]


def prepare(folder: Path, events: int) -> None:
    """Write `ledger/` and `decisions.parquet` (events / 10 rows, drawn from the events)."""
    rng = np.random.default_rng(20)
    table = _events(rng, events)
    contract = load_contract().adding(event_types=KINDS)
    write_ledger(table, folder / "ledger", contract)
    chosen = np.sort(rng.choice(events, events // 10, replace=False))
    written = pq.read_table(folder / "ledger" / "part-1.parquet", columns=["known_ts", *ENTITIES])
    pq.write_table(written.take(chosen), folder / "decisions.parquet")


def _events(rng: "np.random.Generator", n: int) -> pa.Table:
    start = pd.Timestamp("2024-01-01", tz="UTC").value // 1000
    seconds = np.sort(rng.integers(0, SPAN_S // 10, n)) * 10
    stamp = pa.array(start + seconds * 1_000_000).cast(pa.timestamp("us", tz="UTC"))
    kinds = rng.choice(len(KINDS), n, p=_shares(len(KINDS)))
    amount = rng.integers(1, 50_000, n)
    return pa.table(
        {
            "event_id": pa.array(np.arange(n)).cast(pa.string()),
            "event_type": pa.DictionaryArray.from_arrays(pa.array(kinds), pa.array(KINDS)),
            "event_ts": stamp,
            "known_ts": stamp,
            "user_id": pa.array(_tailed(rng, n, max(20, n // 20), 2.0)),
            "merchant_id": pa.array(_tailed(rng, n, max(200, n // 1000), 2.4)),
            "amount_cents": pa.array(amount, mask=rng.random(n) < 0.24),
        }
    )


def _tailed(rng: "np.random.Generator", n: int, size: int, power: float) -> Any:
    """Ids in [0, size): the density falls from the most active one on."""
    return np.minimum((size * rng.random(n) ** power).astype(np.int64), size - 1)


def _shares(n: int) -> Any:
    weights = 1 / np.arange(1, n + 1)
    return weights / weights.sum()
