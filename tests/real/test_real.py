"""Online Retail II becomes a ledger, and its columns see no future. Skipped without the data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.ingest import build_ledger
from data.ledger import Ledger
from data.report import Report
from data.store import read_ledger
from features.engine import features
from features.labels import labels
from features.spine import spine
from features.task import Task, load_task
from tests.real.run import DATA, HERE

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason="Online Retail II is not beside the repository"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("real") / "ledger"
    return build_ledger(HERE / "mapping.toml", folder), folder


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(HERE / "task.toml")


@pytest.fixture(scope="module")
def ledger(built: tuple[Report, Path], task: Task) -> Ledger:
    return read_ledger(built[1], task.columns_needed())


def test_every_line_becomes_an_event(built: tuple[Report, Path]) -> None:
    report, _ = built
    assert {label: kept for label, kept, _ in report.batches} == {
        "lines/line_purchased": 788_189,
        "lines/line_returned": 15_762,
        "transactions/line_credited": 18_446,
    }
    assert report.ok
    assert len(report.one_clock) == 3


def test_the_label_is_the_files_own(task: Task, ledger: Ledger) -> None:
    cases = spine(task, ledger, since="2011-07-01", as_of="2011-11-01")
    y = labels(task, ledger, cases, "2011-12-09")["y_return"]
    assert len(cases) == 142_855  # the README of the data: the test period
    assert y.notna().all()
    assert y.sum() == 2_265


def test_columns_of_a_past_day_do_not_see_the_lines_after_it(task: Task, ledger: Ledger) -> None:
    cases = spine(task, ledger, since="2011-03-01", as_of="2011-03-03")
    end = pd.Timestamp("2011-03-03", tz="UTC").value // 1000
    past = ledger.take(np.flatnonzero(ledger.known_us < end))
    again = spine(task, past, since="2011-03-01", as_of="2011-03-03")
    whole = features(task.features, ledger, cases)
    pd.testing.assert_frame_equal(whole, features(task.features, past, again), check_exact=True)
