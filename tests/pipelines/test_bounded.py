"""A ledger that memory does not hold is scored in slices, with the same bytes as a result."""

import resource
import signal
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import StorageError, UsageError
from data.ledger import Ledger
from data.lock import held
from data.slices import open_folder
from features.parts import BASE
from features.spine import spine
from pipelines import engines
from pipelines.bounded import BoundedEngine
from pipelines.bundle import Bundle
from pipelines.commands import FeaturesConfig, ScoreConfig
from pipelines.decisions import Decisions
from pipelines.engines import LOCAL
from pipelines.features import run_features
from pipelines.score import run_score

ROOM = f"{(BASE >> 20) + 24}MiB"


@pytest.fixture
def in_slices(monkeypatch: pytest.MonkeyPatch) -> list[BoundedEngine]:
    """Even a small ledger is too large; the engines that were opened."""
    opened: list[BoundedEngine] = []
    init = BoundedEngine.__init__

    def remember(self: BoundedEngine, *args: object, **named: object) -> None:
        init(self, *args, **named)  # type: ignore[arg-type]
        opened.append(self)

    monkeypatch.setattr(engines, "BYTES_AN_EVENT", 1 << 20)
    monkeypatch.setattr(BoundedEngine, "__init__", remember)
    return opened


@pytest.mark.parametrize("since", [None, "2025-03-20"])
def test_the_score_job_writes_the_same_bytes(
    ledger_path: Path, bundle: Bundle, tmp_path: Path, since: str | None,
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    config = ScoreConfig(
        ledger=ledger_path, model=str(bundle.folder), artifacts=tmp_path / "one", since=since
    )
    whole = run_score(config)
    opened = request.getfixturevalue("in_slices")
    lines: list[str] = []
    config = replace(config, artifacts=tmp_path / "two", memory=ROOM)
    sliced = run_score(config, lines.append)
    assert opened
    assert sliced.run_id == whole.run_id
    assert any("events/s" in line or "left" in line for line in lines)
    names = sorted(p.name for p in whole.folder.iterdir())
    assert names == sorted(p.name for p in sliced.folder.iterdir())
    for name in names:
        assert (whole.folder / name).read_bytes() == (sliced.folder / name).read_bytes(), name
    assert [p.name for p in (tmp_path / "two").glob(".tmp-*")] == []


@pytest.mark.parametrize("stage", ["request", "standing", "first_scan"])
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_the_feature_table_is_the_same(
    ledger_path: Path, tmp_path: Path, stage: str, suffix: str, request: pytest.FixtureRequest
) -> None:
    config = FeaturesConfig(ledger=ledger_path, stage=stage, out=tmp_path / f"one.{suffix}")  # type: ignore[arg-type]
    run_features(config)
    opened = request.getfixturevalue("in_slices")
    run_features(replace(config, out=tmp_path / f"two.{suffix}", memory=ROOM))
    assert opened
    if suffix == "csv":
        assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    else:
        one, two = (pd.read_parquet(tmp_path / f"{n}.parquet") for n in ("one", "two"))
        pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_memory_is_a_size_and_too_little_of_it_says_so(
    ledger_path: Path, tmp_path: Path, in_slices: list[BoundedEngine]
) -> None:
    config = FeaturesConfig(ledger=ledger_path, out=tmp_path / "x.parquet", memory="much")
    with pytest.raises(UsageError, match="'much' is no size"):
        run_features(config)
    with pytest.raises(UsageError, match="cannot be split"):
        run_features(replace(config, memory="1GiB"))
    assert not (tmp_path / "x.parquet").exists()
    assert len(in_slices) == 1


def test_a_place_that_takes_no_folder_and_a_full_disk_are_named(
    ledger_path: Path, tmp_path: Path, in_slices: list[BoundedEngine]
) -> None:
    (tmp_path / "file").touch()
    config = FeaturesConfig(ledger=ledger_path, out=tmp_path / "file" / "x.parquet", memory=ROOM)
    with pytest.raises(StorageError, match="file: cannot write"):
        run_features(config)
    out = tmp_path / "x.parquet"
    with limited(100), pytest.raises(StorageError, match="waits to be joined: File too large"):
        run_features(replace(config, out=out))
    assert in_slices
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@contextmanager
def limited(size: int) -> Iterator[None]:
    """No file of this process may become larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, former)


def test_what_a_killed_job_left_is_swept_and_what_a_live_one_holds_is_not(
    ledger_path: Path, tmp_path: Path, in_slices: list[BoundedEngine]
) -> None:
    dead, alive = tmp_path / ".tmp-features-dead", tmp_path / ".tmp-features-alive"
    for place in (dead, alive):
        place.mkdir()
        (place / "0.0").write_bytes(b"0" * 99)
    with held(alive):
        run_features(FeaturesConfig(ledger=ledger_path, out=tmp_path / "x.parquet", memory=ROOM))
    assert in_slices
    assert sorted(p.name for p in tmp_path.iterdir()) == [alive.name, "x.parquet"]


def test_what_is_made_of_a_block_does_not_keep_the_block(
    ledger_path: Path, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A column without a null is filled by a view: of ten million users it kept every column."""
    monkeypatch.setattr("features.parts.BLOCK", 50)
    monkeypatch.setattr("pipelines.decisions.BLOCK", 50)
    columns = bundle.task.at_stage("request")
    name = next(d.name for d in columns if d.name.endswith("count_life"))
    ledger = LOCAL.read(ledger_path, bundle.task)
    cases = spine(bundle.task, ledger)
    assert len(cases) > 500
    blocks: list[weakref.ref[np.ndarray]] = []
    most: list[int] = []

    def function(decisions: Decisions) -> pd.DataFrame:
        block = decisions.X[name].to_numpy()
        while block.base is not None:
            block = block.base
        blocks.append(weakref.ref(block))
        most.append(sum(one() is not None for one in blocks))
        return decisions.cases[["as_of"]].assign(filled=decisions.X[name].fillna(0.0))

    bounded = BoundedEngine(open_folder(ledger_path), 2 * BASE, tmp_path, lambda _line: None)
    slice_ = bounded.read(ledger_path, bundle.task)
    tables = []
    pairs: list[tuple[engines.Engine, Ledger]] = [(LOCAL, ledger), (bounded, slice_)]
    for engine, mine in pairs:
        blocks.clear()
        most.clear()
        tables.append(engine.mapped(columns, mine, cases, function))
        assert len(most) > 10
        assert max(most) <= 3
    pd.testing.assert_frame_equal(tables[0], tables[1])
