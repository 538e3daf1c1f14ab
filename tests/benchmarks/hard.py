"""27 columns that no running total gives, by Clawback, Polars and DuckDB; see `rivals`.

Largest amount in seven windows, different merchants in two, days since the last event of each of
the twelve kinds, and how often the user met this merchant over six windows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.benchmarks.rivals import CODES, clawback_columns
from tests.benchmarks.workload import DAY_US, DAYS, KINDS, READ

Way = Callable[[Path], list[Any]]
MAXIMA: Final = (*(("user_id", d) for d in DAYS), ("merchant_id", 1), ("merchant_id", 7))
DISTINCT: Final = (30, 90)
PAIRS: Final = (*DAYS, None)


def clawback(folder: Path) -> list[Any]:
    from features.declarations import LIFE, Events, Window, days

    every = Events("all", KINDS)
    pair = ("user_id", "merchant_id")
    declared = [Window(e, every, "max", "amount_cents", days(d)) for e, d in MAXIMA]
    declared += [Window("user_id", every, "distinct", "merchant_id", days(d)) for d in DISTINCT]
    declared += [Window("user_id", Events(kind, kind), "age") for kind in KINDS]
    declared += [Window(pair, every, "count", over=days(d) if d else LIFE) for d in PAIRS]
    return clawback_columns(folder, declared)


def polars(folder: Path) -> list[Any]:
    """Rolling maxima and groups over log and decisions together, as-of joins for the rest."""
    import polars as pl

    log = pl.read_parquet(folder / "ledger" / "part-1.parquet", columns=READ)
    asked = pl.read_parquet(folder / "decisions.parquet").with_row_index("r")
    both = pl.concat([log, asked], how="diagonal").sort("known_ts", maintain_order=True)
    wide = both.with_columns(
        pl.col("amount_cents")
        .rolling_max_by("known_ts", window_size=f"{d}d", closed="left")
        .over(key)
        .alias(f"max_{key}_{d}")
        for key, d in MAXIMA
    )
    found = wide.filter(pl.col("r").is_not_null()).sort("r")
    columns = [found[f"max_{key}_{d}"].cast(pl.Float64) for key, d in MAXIMA]
    seen = both.with_columns(
        pl.when(pl.col("r").is_null()).then(pl.col("merchant_id")).alias("met")
    )
    for d in DISTINCT:
        rolled = seen.rolling("known_ts", period=f"{d}d", closed="left", group_by="user_id").agg(
            pl.col("met").drop_nulls().n_unique().alias("n")
        )
        # Rolling groups come by user; rows of a user stay in the order of time.
        order = seen.with_row_index("i").sort("user_id", maintain_order=True)
        rolled = rolled.sort("user_id", maintain_order=True)
        counts = order.select("r").with_columns(rolled["n"]).filter(pl.col("r").is_not_null())
        columns.append(counts.sort("r")["n"].cast(pl.Float64))
    for kind in KINDS:
        last = log.filter(pl.col("event_type") == CODES[kind]).select(
            "known_ts", "user_id", pl.col("known_ts").alias("last")
        )
        joined = asked.join_asof(
            last, on="known_ts", by="user_id", strategy="backward", allow_exact_matches=False,
            check_sortedness=False,
        )  # fmt: skip
        gap = (joined["known_ts"] - joined["last"]).dt.total_microseconds()
        columns.append(gap.cast(pl.Float64) / DAY_US)
    pair = ["user_id", "merchant_id"]
    met = log.select("known_ts", *pair, pl.int_range(1, pl.len() + 1).over(pair).alias("n"))
    at = [
        asked.select((pl.col("known_ts") - pl.duration(days=d)).alias("known_ts"), *pair)
        .join_asof(
            met, on="known_ts", by=pair, strategy="backward", allow_exact_matches=False,
            check_sortedness=False,
        )["n"].fill_null(0)
        for d in (0, *DAYS)
    ]  # fmt: skip
    columns += [(at[0] - (at[1 + n] if d else 0)).cast(pl.Float64) for n, d in enumerate(PAIRS)]
    return columns


def duckdb(folder: Path) -> list[Any]:
    """Window functions over log and decisions together, frames by range, strictly before."""
    import duckdb

    con = duckdb.connect()
    con.execute("SET threads = 2")
    part, decisions = folder / "ledger" / "part-1.parquet", folder / "decisions.parquet"

    def over(keys: str, days: int | None) -> str:
        begin = f"{days * DAY_US}" if days else "UNBOUNDED"
        return (
            f"OVER (PARTITION BY {keys} ORDER BY ts RANGE BETWEEN {begin} PRECEDING"
            " AND 1 PRECEDING)"
        )

    asked = [f"max(amount_cents) {over(key, d)}" for key, d in MAXIMA]
    asked += [f"count(DISTINCT met) {over('user_id', d)}" for d in DISTINCT]
    asked += [
        f"(ts - max(ts) FILTER (event_type = {CODES[k]}) {over('user_id', None)}) / {DAY_US}.0"
        for k in KINDS
    ]
    asked += [f"count(event_type) {over('user_id, merchant_id', d)}" for d in PAIRS]
    select = ", ".join(f"({sql})::DOUBLE AS c{n}" for n, sql in enumerate(asked))
    table = con.sql(f"""
        WITH rows_of_both AS (
            SELECT NULL AS r, epoch_us(known_ts) AS ts, event_type, user_id, merchant_id,
                merchant_id AS met, amount_cents FROM '{part}'
            UNION ALL SELECT file_row_number, epoch_us(known_ts), NULL, user_id, merchant_id, NULL,
                NULL FROM read_parquet('{decisions}', file_row_number = true)),
        wide AS (SELECT r, {select} FROM rows_of_both)
        SELECT * FROM wide WHERE r IS NOT NULL ORDER BY r
    """).to_arrow_table()
    return [table.column(n) for n in table.column_names if n != "r"]


def _known(columns: list[Any]) -> list[Any]:
    """Nulls as 0, so that sums over all cells can be compared."""
    return [np.nan_to_num(np.asarray(c, np.float64)) for c in columns]


WAYS: Final[dict[str, Way]] = {
    "clawback": lambda folder: _known(clawback(folder)),
    "polars": lambda folder: _known(polars(folder)),
    "duckdb": lambda folder: _known(duckdb(folder)),
}
