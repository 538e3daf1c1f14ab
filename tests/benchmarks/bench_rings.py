"""Rings over a graph of `edges`, on one thread: `python -m tests.benchmarks.bench_rings`.

An edge is a device or an address on an event; every tenth event is a decision, ten columns. Two
graphs: a shop's (own devices, families, dormitories), whose seconds are `rings_<n>m_s`; and a nasty
one, every edge drawn at random, where most users are one cluster that hubs keep tearing apart.
"""

import argparse
import time
from typing import Any, Final

import numpy as np
import pandas as pd

from data.ledger import Column, Ledger
from features.declarations import Declaration, Events, Links, Ring, days, rate
from features.engine import features
from tests.benchmarks.report import machine, table, write_figures

SMALL: Final = 1_000_000
RUNS: Final = 3
SPAN_S: Final = 730 * 86_400
KINDS: Final = ("advance", "clawback", "order", "request")
ACCESS: Final = Links("access", {"device_id": 12, "address_id": 15})
GRAPHS: Final = ("shop", "nasty")


def definitions() -> list[Declaration]:
    """The columns of the built-in task's kind."""
    advances, clawbacks, orders, requests = (Events(f"{k}s", k) for k in KINDS)
    bad = Ring(ACCESS, "count", clawbacks)
    return [
        Ring(ACCESS, "size"),
        Ring(ACCESS, "age", orders),
        Ring(ACCESS, "joined", orders, over=days(30)),
        bad,
        Ring(ACCESS, "count", clawbacks, over=days(90)),
        Ring(ACCESS, "count", requests, over=days(7)),
        Ring(ACCESS, "count", requests, over=days(90)),
        Ring(ACCESS, "sum", advances, "amount_cents"),
        Ring(ACCESS, "sum", clawbacks, "amount_cents"),
        rate(bad, Ring(ACCESS, "count", advances), (0.03, 20)),
    ]


def graph(kind: str, edges: int) -> tuple[Ledger, pd.DataFrame]:
    """A ledger of `edges / 2` events with two identities each, and the decisions on it."""
    n, rng = edges // 2, np.random.default_rng(8)
    size = max(50, n // 10)
    user = rng.integers(0, size, n)
    device, address = _shop(rng, user, size) if kind == "shop" else _nasty(rng, n, size)
    stamp = np.sort(rng.integers(0, SPAN_S, n)) * 1_000_000
    ledger = Ledger(
        {
            "event_type": _key(rng.choice(len(KINDS), n, p=[0.07, 0.03, 0.6, 0.3]), KINDS),
            "known_ts": Column("time", stamp),
            "user_id": _key(user, range(size)),
            "device_id": _key(device, range(2 * size)),
            "address_id": _key(address, range(3 * size)),
            "amount_cents": Column("int", rng.integers(1, 50_000, n)),
        }
    )
    chosen = np.sort(rng.choice(n, n // 10, replace=False))
    users = ledger["user_id"].decode(user[chosen])
    as_of = pd.to_datetime(stamp[chosen], unit="us", utc=True).as_unit("us")
    return ledger, pd.DataFrame({"user_id": users, "as_of": as_of})


def run(edges: int) -> dict[str, float]:
    """Measure both graphs, print, and return the figures."""
    figures, rows = {}, []
    for kind in GRAPHS:
        ledger, cases = graph(kind, edges)
        seconds, sizes = [], np.empty(0)
        for _ in range(RUNS + 1):  # the first one compiles
            start = time.perf_counter()
            X = features(definitions(), ledger, cases, threads=1)
            seconds.append(time.perf_counter() - start)
            sizes = X[X.columns[0]].to_numpy()
        name = f"rings_{edges // 1_000_000}m" + ("" if kind == "shop" else f"_{kind}") + "_s"
        figures[name] = float(np.median(seconds[1:]))
        rows.append([kind, figures[name], min(seconds[1:]), float(sizes.mean()), int(sizes.max())])
    header = ["graph", "median s", "best s", "mean cluster", "largest"]
    print(table(f"\nrings, {edges:,} edges, one thread; {machine()}", header, rows), flush=True)
    return figures


def _shop(rng: "np.random.Generator", user: Any, size: int) -> tuple[Any, Any]:
    """Two devices and addresses each; families share, and 6 % live in halls of about 40."""
    home = np.where(rng.random(size) < 0.08, rng.integers(0, size, size), np.arange(size))
    halls = max(1, size * 6 // 100 // 40)
    hall = np.where(rng.random(size) < 0.06, 2 * size + rng.integers(0, halls, size), -1)
    device = 2 * home[user] + rng.integers(0, 2, len(user))
    own = 2 * user + rng.integers(0, 2, len(user))
    return device, np.where(hall[user] >= 0, hall[user], own)


def _nasty(rng: "np.random.Generator", n: int, size: int) -> tuple[Any, Any]:
    """Every event at another device and address; those of low numbers soon become hubs."""
    return rng.integers(0, size, n), (size * rng.random(n) ** 2).astype(np.int64)


def _key(codes: Any, values: Any) -> Column:
    return Column("code", np.asarray(codes, np.int32), dictionary=pd.Index(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, default=SMALL)
    write_figures(run(parser.parse_args().edges))


if __name__ == "__main__":
    main()
