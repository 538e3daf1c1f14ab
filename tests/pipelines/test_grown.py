"""A ledger grown over 100 nights answers every question as one built at once, byte for byte."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.ingest import append_ledger, write_ledger_table
from data.ledger import Ledger
from data.market import World, simulate
from data.slices import open_folder
from data.store import read_ledger
from features.engine import features
from features.labels import labels
from features.spine import spine, standing_fit_spine
from features.task import load_task
from pipelines.bundle import Bundle
from pipelines.commands import FeaturesConfig, ScoreConfig
from pipelines.features import run_features
from pipelines.score import run_score
from pipelines.tables import write_table

NIGHTS = 100
TASK = load_task()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same events twice; ids and words are first seen in another order than they sort."""
    place = tmp_path_factory.mktemp("stores")
    events = simulate(World(n_orders=3_000, seed=5)).events
    kept = {"event_id", "event_ts", *TASK.columns_needed(), "known_ts", "user_id", "event_type"}
    events = events.select([c for c in events.column_names if c in kept])
    users = pc.binary_join_element_wise("u", events.column("user_id").cast(pa.string()), "")
    events = events.set_column(events.column_names.index("user_id"), "user_id", users)
    known = events.column("known_ts").cast(pa.int64()).to_numpy()
    ends = np.quantile(known, np.linspace(0, 1, NIGHTS + 1)[1:]).astype(np.int64)
    night = np.searchsorted(ends, known)
    write_ledger_table(events, place / "once")
    for n in range(NIGHTS):
        append_ledger(events.filter(pa.array(night == n)), place / "grown")
    return place / "once", place / "grown"


@pytest.fixture(scope="module")
def ledgers(stores: tuple[Path, Path]) -> list[Ledger]:
    return [read_ledger(path, TASK.columns_needed()) for path in stores]


def same_bytes(tables: list[pd.DataFrame], place: Path) -> None:
    written = [write_table(t, place / f"{n}.parquet").read_bytes() for n, t in enumerate(tables)]
    assert len(tables[0]) > 50
    assert written[0] == written[1]


def test_the_codes_do_differ(ledgers: list[Ledger]) -> None:
    once, grown = ledgers
    assert len(once) == len(grown)
    assert not np.array_equal(once["user_id"].values, grown["user_id"].values)
    assert once.fingerprint != grown.fingerprint


@pytest.mark.parametrize("stage", ["request", "standing"])
def test_spines_and_features(ledgers: list[Ledger], stage: str, tmp_path: Path) -> None:
    cases = [spine(TASK, ledger, stage=stage) for ledger in ledgers]
    same_bytes(cases, tmp_path)
    definitions = TASK.features if stage == "request" else TASK.at_stage("standing")
    X = [features(definitions, one, its) for one, its in zip(ledgers, cases, strict=True)]
    pd.testing.assert_frame_equal(X[0], X[1], check_exact=True)
    same_bytes(X, tmp_path)


def test_labels(ledgers: list[Ledger], tmp_path: Path) -> None:
    end = pd.Timestamp(int(ledgers[0].known_us[-1]) + 1, unit="us", tz="UTC")
    for make in (spine, standing_fit_spine):
        cases = [make(TASK, ledger) for ledger in ledgers]
        y = [labels(TASK, one, its, as_of=end) for one, its in zip(ledgers, cases, strict=True)]
        same_bytes(cases, tmp_path)
        same_bytes(y, tmp_path)


@pytest.mark.parametrize("since", [None, "2025-01-01"])
def test_clawback_score(
    stores: tuple[Path, Path], bundle: Bundle, since: str | None, tmp_path: Path
) -> None:
    folders = []
    for path in stores:
        config = ScoreConfig(
            ledger=path,
            model=str(bundle.folder),
            artifacts=tmp_path / path.name,
            since=since,
            run_id="a",
            format="csv",
        )
        folders.append(run_score(config).folder)
    for name in ("decisions.csv", "standing.csv"):
        one, two = ((folder / name).read_bytes() for folder in folders)
        assert one == two
        assert one.count(b"\n") > 5


def test_slices_of_a_grown_ledger(stores: tuple[Path, Path]) -> None:
    """Words are ranked and late columns filled in there too."""
    path = stores[1]
    whole, sliced = read_ledger(path), open_folder(path).read(list(read_ledger(path).columns))
    for name, column in whole.columns.items():
        np.testing.assert_array_equal(sliced[name].values, column.values)
        if column.dictionary is not None:
            assert column.dictionary.equals(sliced[name].dictionary), name


def test_clawback_features(stores: tuple[Path, Path], tmp_path: Path) -> None:
    for stage in ("request", "standing"):
        one, two = (tmp_path / f"{path.name}.parquet" for path in stores)
        for path, out in zip(stores, (one, two), strict=True):
            run_features(FeaturesConfig(ledger=path, stage=stage, out=out))
        assert pd.read_parquet(one).equals(pd.read_parquet(two))
