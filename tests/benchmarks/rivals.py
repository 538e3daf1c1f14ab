"""The same 80 columns by Clawback and by others, each from Parquet to finished columns.

One function per way, `folder -> 80 columns`; the sum of all cells must be the same. The others get
what is best for them: integer codes, integer cents, cumulative sums, strict as-of joins.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from features.declarations import Declaration
from tests.benchmarks.workload import DAY_US, DAYS, ENTITIES, KINDS, READ, SETS, definitions

Way = Callable[[Path], list[Any]]
OFFSETS: Final = (0, *DAYS)
TOTALS: Final = [f"{name}_{what}" for name in SETS for what in ("count", "sum")]
CODES: Final = {k: n for n, k in enumerate(sorted(KINDS))}  # the ledger's dictionaries are sorted


def clawback(folder: Path) -> list[Any]:
    return clawback_columns(folder, definitions())


def clawback_columns(folder: Path, declared: Sequence[Declaration]) -> list[Any]:
    """Some declarations over the workload's ledger."""
    import pandas as pd
    import pyarrow.parquet as pq

    from data.store import read_ledger
    from features.engine import features

    ledger = read_ledger(folder / "ledger", columns=READ)
    asked = pq.read_table(folder / "decisions.parquet")
    keys = {k: ledger[k].decode(asked.column(k).to_numpy()) for k in ENTITIES}
    cases = pd.DataFrame(keys | {"as_of": asked.column("known_ts").to_pandas()})
    X = features(declared, ledger, cases)
    return [X[name] for name in X]


def limit(folder: Path) -> list[Any]:
    """No features: reading, and one counting sort per entity. Nobody can be faster."""
    from data.store import read_ledger
    from features import sorting

    ledger = read_ledger(folder / "ledger", columns=READ)
    word = np.ones(len(ledger), np.uint64)
    for key in ENTITIES:
        codes = ledger[key].values
        counts = np.zeros(int(codes.max()) + 1, np.int64)
        sorting.census(codes, word, counts)
        cursor = (np.cumsum(counts + 1) - counts - 1).astype(np.int32)
        size = int(counts.sum() + len(counts))
        goal, ts = np.empty(len(codes), np.uint32), np.empty(size, np.int64)
        sorting.place(codes, word, cursor, goal)
        sorting.carry(ledger.known_us, goal, ts)
    return []


def _polars_log(folder: Path) -> Any:
    import polars as pl

    log = pl.read_parquet(folder / "ledger" / "part-1.parquet", columns=READ, use_pyarrow=False)
    log = log.with_columns(pl.col("known_ts").to_physical().alias("ts"))
    columns = []
    for name, kinds in SETS.items():
        member = pl.col("event_type").is_in([CODES[k] for k in kinds])
        columns.append(member.cast(pl.Int32).alias(f"{name}_count"))
        amount = pl.when(member).then(pl.col("amount_cents")).otherwise(0).fill_null(0)
        columns.append(amount.alias(f"{name}_sum"))
    return log.select("ts", *ENTITIES, *columns)


def _polars_asked(folder: Path) -> Any:
    import polars as pl

    asked = pl.read_parquet(folder / "decisions.parquet")
    return asked.select(pl.col("known_ts").to_physical().alias("ts"), *ENTITIES)


def polars_asof(folder: Path) -> list[Any]:
    """Cumulative sums per entity; one strict as-of join per bound; differences."""
    import polars as pl

    log, asked = _polars_log(folder), _polars_asked(folder)
    columns = []
    for key in ENTITIES:
        totals = log.select(
            "ts", key, *(pl.col(t).cast(pl.Int64).cum_sum().over(key) for t in TOTALS)
        )
        at = [
            asked.select((pl.col("ts") - d * DAY_US).alias("ts"), key)
            .join_asof(
                totals, on="ts", by=key, strategy="backward", allow_exact_matches=False,
                check_sortedness=False,
            )
            .select(pl.col(t).fill_null(0) for t in TOTALS)
            for d in OFFSETS
        ]  # fmt: skip
        columns += [
            (at[0][t] - at[n][t]).cast(pl.Float64).alias(f"{key}_{t}_{n}")
            for n in range(1, len(OFFSETS))
            for t in TOTALS
        ]
    return list(pl.DataFrame(columns))


def polars_search(folder: Path) -> list[Any]:
    """A combined key in entity order, prefix sums, search_sorted and gathers."""
    import polars as pl

    log, asked = _polars_log(folder), _polars_asked(folder)
    origin = int(log["ts"][0]) // 1_000_000
    span = int(log["ts"][-1]) // 1_000_000 - origin + 2 + max(DAYS) * 86_400
    columns = []
    for key in ENTITIES:
        second = pl.col("ts") // 1_000_000 - origin + max(DAYS) * 86_400
        combined = (pl.col(key).cast(pl.Int64) * span + second).alias("key")
        grouped = log.select(combined, *TOTALS).sort("key")
        keys = grouped["key"]
        wanted = asked.select(combined)["key"]
        at = [keys.search_sorted(wanted - d * 86_400, side="left") for d in OFFSETS]
        for t in TOTALS:
            prefix = pl.concat(
                [pl.Series([0], dtype=pl.Int64), grouped[t].cast(pl.Int64).cum_sum()]
            )
            found = [prefix.gather(p) for p in at]
            columns += [
                (found[0] - found[n]).cast(pl.Float64).alias(f"{key}_{t}_{n}")
                for n in range(1, len(OFFSETS))
            ]
    return list(pl.DataFrame(columns))


def pandas_asof(folder: Path) -> list[Any]:
    """Cumulative sums per entity; one merge_asof per bound; differences."""
    import pandas as pd

    log = pd.read_parquet(folder / "ledger" / "part-1.parquet", columns=READ)
    asked = pd.read_parquet(folder / "decisions.parquet")
    for table in (log, asked):
        table["known_ts"] = table["known_ts"].astype("int64")
    amount = log["amount_cents"].fillna(0).to_numpy(np.int64)
    for name, kinds in SETS.items():
        member = np.isin(log["event_type"].to_numpy(), [CODES[k] for k in kinds])
        log[f"{name}_count"] = member.astype(np.int64)
        log[f"{name}_sum"] = np.where(member, amount, 0)
    columns = {}
    for key in ENTITIES:
        totals = log.groupby(key)[TOTALS].cumsum()
        totals["known_ts"], totals[key] = log["known_ts"], log[key]
        at = []
        for d in OFFSETS:
            left = pd.DataFrame({"known_ts": asked["known_ts"] - d * DAY_US, key: asked[key]})
            joined = pd.merge_asof(left, totals, on="known_ts", by=key, allow_exact_matches=False)
            at.append(joined[TOTALS].fillna(0))
        for n in range(1, len(OFFSETS)):
            for t in TOTALS:
                columns[f"{key}_{t}_{n}"] = (at[0][t] - at[n][t]).astype(np.float64)
    return list(pd.DataFrame(columns, copy=False).to_dict("series").values())


def duckdb_asof(folder: Path) -> list[Any]:
    """Cumulative sums by a window, one as-of join of all six bounds, a pivot."""
    import duckdb

    con = duckdb.connect()
    con.execute("SET threads = 2")
    part, decisions = folder / "ledger" / "part-1.parquet", folder / "decisions.parquet"
    flags = [f"event_type IN ({', '.join(str(CODES[k]) for k in v)})" for v in SETS.values()]
    columns: list[Any] = []
    for key in ENTITIES:
        sums = ", ".join(
            f"sum(CASE WHEN {flag} THEN {value} ELSE 0 END) OVER w AS {name}_{what}"
            for name, flag in zip(SETS, flags, strict=True)
            for what, value in (("count", "1"), ("sum", "coalesce(amount_cents, 0)"))
        )
        pivot = ", ".join(
            f"({at.format(0)} - {at.format(d)})::DOUBLE AS {t}_{d}"
            for d in DAYS
            for t in TOTALS
            for at in [f"max(coalesce({t}, 0)) FILTER (b = {{}})"]
        )
        table = con.sql(f"""
            WITH log AS (SELECT {key} AS k, epoch_us(known_ts) AS ts, {sums} FROM '{part}'
                WINDOW w AS (PARTITION BY {key} ORDER BY known_ts ROWS UNBOUNDED PRECEDING)),
            asked AS (SELECT file_row_number AS r, {key} AS k, epoch_us(known_ts) AS ts
                FROM read_parquet('{decisions}', file_row_number = true)),
            bounds AS (SELECT r, k, b, ts - b * {DAY_US} AS ts
                FROM asked, unnest([{", ".join(map(str, OFFSETS))}]) AS x(b))
            SELECT r, {pivot} FROM bounds ASOF LEFT JOIN log
                ON bounds.k = log.k AND bounds.ts > log.ts GROUP BY r ORDER BY r
        """).to_arrow_table()
        columns += [table.column(n) for n in table.column_names if n != "r"]
    return columns


WAYS: Final[dict[str, Way]] = {
    "clawback": clawback,
    "limit": limit,
    "polars_search": polars_search,
    "polars_asof": polars_asof,
    "pandas_asof": pandas_asof,
    "duckdb_asof": duckdb_asof,
}
