"""On Spark every cell, and every byte of a job's results, is what it is in one process."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pytest

from data.contract import Contract, load_contract
from data.errors import ContractError, UsageError
from data.folder import is_ledger_folder
from data.ingest import append_ledger, write_ledger_table
from data.slices import open_folder
from data.sources import open_frame
from data.store import read_ledger
from features.declarations import LIFE, Declaration, Events, Request, Window, days, rate, windows
from features.engine import features
from pipelines.bundle import Bundle
from pipelines.commands import FeaturesConfig, ScoreConfig
from pipelines.features import run_features
from pipelines.score import run_score

pytestmark = pytest.mark.spark

START = pd.Timestamp("2026-01-01", tz="UTC")
ASKS, PAYS = Events("asks", "ask"), Events("pays", "pay", where={"reason": ["late", "size"]})
FROM_FOOD = Events("from_food", ["ask", "pay"], where={"category": "food"})
DEFINITIONS: list[Declaration] = [
    *windows("user_id", ASKS, ["count", "sum:amount_cents", "sum:weight", "mean:weight"],
             over=[days(1), days(20), LIFE]),
    *windows("merchant_id", PAYS, ["count", "max:weight", "age", "tenure", "distinct:user_id"],
             over=[days(5)]),
    *windows(("user_id", "merchant_id"), FROM_FOOD, ["count", "mean:amount_cents"], over=[days(9)]),
    *windows("category", FROM_FOOD, ["count", "distinct:category"], over=[days(2)]),
    Window("user_id", ASKS, "streak", breaker=PAYS),
    rate(Window("user_id", PAYS, "count", over=days(9), delay=days(1)),
         Window("user_id", ASKS, "count", over=days(9)), prior=(0.1, 3.0)),
    Request("amount_cents") / Window("user_id", ASKS, "sum", "weight"),
    Request("reason"), Request("reason", equals="late"),
]  # fmt: skip


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract().adding(event_types=("ask", "pay"), columns={"weight": "float"})


@pytest.fixture(scope="module")
def table(contract: Contract) -> pa.Table:
    """Two thousand events in forty hours: ties, null keys, one user with a tenth of them."""
    rng, n = np.random.default_rng(5), 2_000
    known = START + pd.to_timedelta(rng.integers(0, 40, n), unit="D")
    user = np.where(rng.random(n) < 0.1, "most of all", rng.integers(0, 60, n).astype(str))
    frame = pd.DataFrame(
        {
            "event_id": [f"e{i}" for i in range(n)],
            "event_type": rng.choice(["ask", "pay"], n),
            "event_ts": known - pd.to_timedelta(rng.integers(0, 3, n), unit="h"),
            "known_ts": known,
            "user_id": user,
            "merchant_id": pd.Series(rng.integers(0, 9, n)).astype("Int64"),
            "category": rng.choice(["food", "toys", "rope"], n),
            "reason": rng.choice(["late", "size", "colour"], n),
            "amount_cents": pd.Series(rng.integers(0, 9_999, n)).astype("Int64"),
            "weight": rng.normal(0, 1e9, n) * 10.0 ** rng.integers(-9, 9, n),
        }
    )
    for name in ("merchant_id", "category", "reason", "amount_cents", "weight"):
        frame.loc[rng.random(n) < 0.2, name] = None
    return open_frame(frame).table


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    """Decisions at the events' instants, in no order, of known, unknown and null keys."""
    rng, n = np.random.default_rng(6), 300
    users = np.array([*map(str, range(50)), "most of all", "stranger", None], object)
    return pd.DataFrame(
        {
            "as_of": (START + pd.to_timedelta(rng.integers(0, 45, n), unit="D")).as_unit("us"),
            "user_id": pd.Series(rng.choice(users, n), dtype="str"),
            "merchant_id": pd.Series(rng.choice(np.array([*range(12), None], object), n)).astype(
                "Int64"
            ),
            "category": pd.Series(
                rng.choice(np.array(["food", "toys", "gold", None], object), n), dtype="str"
            ),
            "request_amount_cents": pd.Series(
                rng.choice(np.array([1, 77, None], object), n)
            ).astype("Int64"),
            "request_reason": pd.Series(
                rng.choice(np.array(["late", "size", None], object), n)
            ).astype("category"),
        },
        index=pd.Index(rng.permutation(n) * 3),
    )


def grow(table: pa.Table, path: Path, contract: Contract) -> None:
    """Five nights; words and ids come in another order than they sort, and a column comes late."""
    night = (pc.rank(table.column("known_ts"), tiebreaker="dense").to_numpy() - 1) // 8
    for n in range(5):
        tonight = table.filter(pa.array(night == n))
        append_ledger(tonight if n else tonight.drop_columns("weight"), path, contract=contract)


def engine_of(spark: Any, path: Path, scratch: Path, buckets: int) -> Any:
    from pipelines.spark.engine import SparkEngine

    folder = open_folder(path) if is_ledger_folder(path) else None
    return SparkEngine(spark, folder, scratch, buckets)


@pytest.mark.parametrize("form", ["folder", "grown", "partitions"])
def test_ties_null_keys_strangers_and_a_key_with_a_tenth_of_all_events(
    form: str, spark: Any, table: pa.Table, contract: Contract, cases: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "events"
    if form == "folder":
        write_ledger_table(table, path, contract=contract)
    elif form == "grown":
        grow(table, path, contract)
    else:
        hive = ds.partitioning(pa.schema([("event_type", pa.string())]), flavor="hive")
        ds.write_dataset(table, path, format="parquet", partitioning=hive)
    ledger = read_ledger(path, contract=contract)
    own, out = DEFINITIONS, cases["user_id"].eq("7")
    expected = features(own, ledger, cases)
    engine = engine_of(spark, path, tmp_path, 3)
    pd.testing.assert_frame_equal(engine.features(own, ledger, cases), expected, check_exact=True)
    assert expected["user_asks_sum_weight_life"].abs().max() > 1e17  # any other order would show
    codes = np.unique(ledger["user_id"].encode(cases.loc[out, "user_id"]))
    left = replace(ledger.take(~np.isin(ledger["user_id"].values, codes)), fingerprint="")
    pd.testing.assert_frame_equal(
        engine.without("user_id", codes).features(own[:9], ledger, cases),
        features(own[:9], left, cases),
        check_exact=True,
    )


def test_no_decisions_and_nothing_but_requests(
    spark: Any, table: pa.Table, contract: Contract, cases: pd.DataFrame, tmp_path: Path
) -> None:
    write_ledger_table(table, tmp_path / "ledger", contract=contract)
    ledger = read_ledger(tmp_path / "ledger")
    engine = engine_of(spark, tmp_path / "ledger", tmp_path, 2)
    for own, some in ((DEFINITIONS, cases.iloc[:0]), (DEFINITIONS[-2:], cases)):
        found = engine.features(own, ledger, some)
        pd.testing.assert_frame_equal(found, features(own, ledger, some), check_exact=True)


def test_what_cannot_be_computed_is_told_as_ever(
    spark: Any, table: pa.Table, contract: Contract, cases: pd.DataFrame, tmp_path: Path
) -> None:
    write_ledger_table(table, tmp_path / "ledger", contract=contract)
    ledger = read_ledger(tmp_path / "ledger")
    engine = engine_of(spark, tmp_path / "ledger", tmp_path, 2)
    with pytest.raises(ContractError, match="did you mean 'weight'"):
        engine.features([Window("user_id", ASKS, "sum", "weigth")], ledger, cases)
    write_ledger_table(table.slice(1), tmp_path / "ledger", contract=contract)
    with pytest.raises(ContractError, match="replaced while it was read"):
        engine.features(DEFINITIONS, ledger, cases)


def test_the_features_command_writes_partitioned_parquet(
    spark: Any, ledger_path: Path, quick_task: str, tmp_path: Path
) -> None:
    out = tmp_path / "one.parquet"
    local = FeaturesConfig(
        ledger=ledger_path, task=quick_task, stage="delivered", out=out, since="2025-03-01"
    )
    many = replace(local, out=tmp_path / "many", engine="spark", buckets=4)
    assert local.out is not None
    assert many.out is not None
    assert run_features(many).summary()["rows"] == run_features(local).summary()["rows"]
    expected = pd.read_parquet(local.out)
    found = pd.read_parquet(many.out).sort_values("row_id", ignore_index=True)
    month = found.pop("as_of_month").astype(str)
    assert (month == expected["as_of"].dt.strftime("%Y-%m")).all()
    texts = expected.select_dtypes("category").columns
    expected = expected.astype(dict.fromkeys(texts, "str"))
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_dtype=True)
    with pytest.raises(UsageError, match="no folder that Spark wrote"):
        run_features(replace(many, out=ledger_path))


def test_a_replay_writes_the_same_bytes(
    spark: Any, ledger_path: Path, bundle: Bundle, tmp_path: Path
) -> None:
    def files(engine: Any) -> dict[str, bytes]:
        config = ScoreConfig(
            ledger=ledger_path, model=str(bundle.folder), artifacts=tmp_path / engine,
            as_of="2025-04-20 14:00", since="2025-03-01", engine=engine, buckets=4,
        )  # fmt: skip
        folder = run_score(config).folder
        return {f"{folder.name}/{p.name}": p.read_bytes() for p in folder.iterdir()}

    assert files("spark") == files("local")


def test_a_failure_on_the_cluster_says_what_to_do(java: None) -> None:
    from pyspark.errors import PySparkException

    from pipelines.spark.session import explained

    lost = PySparkException("... ModuleNotFoundError: No module named 'pipelines'")
    assert "ship the environment" in str(explained(lost))
    assert isinstance(explained(PySparkException("[PATH_NOT_FOUND] no x")), ContractError)
    assert "more --buckets" in str(explained(PySparkException("Job aborted: out of memory")))
