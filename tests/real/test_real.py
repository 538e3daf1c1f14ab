"""Online Retail II becomes a ledger, its columns see no future, and the book of readings is kept.

What needs the data set is skipped without it.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import UsageError
from data.ingest import build_ledger
from data.ledger import Ledger
from data.report import Report
from data.store import read_ledger
from features.engine import features
from features.labels import labels
from features.spine import spine
from features.task import Task, load_task
from tests.real import run
from tests.real.run import DATA, HERE

with_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="Online Retail II is not beside the repository"
)
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("real") / "ledger"
    return build_ledger(HERE / "mapping.toml", folder), folder


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(HERE / "task.toml")


@pytest.fixture(scope="module")
def ledger(built: tuple[Report, Path], task: Task) -> Ledger:
    return read_ledger(built[1], task.columns_needed(), contract=task.contract())


@with_data
def test_every_line_becomes_an_event(built: tuple[Report, Path]) -> None:
    report, _ = built
    assert {label: kept for label, kept, _ in report.batches} == {
        "lines/line_purchased": 788_189,
        "lines/line_returned": 15_762,
        "transactions/line_credited": 18_446,
        "transactions/line_sold": 228_609,
        "transactions/charge_made": 698,
    }
    assert report.ok
    assert len(report.one_clock) == 5


@with_data
def test_the_label_is_the_files_own(task: Task, ledger: Ledger) -> None:
    cases = spine(task, ledger, since="2011-07-01", as_of="2011-11-01")
    y = labels(task, ledger, cases, "2011-12-09")["y_return"]
    assert len(cases) == 142_855  # the README of the data: the test period
    assert y.notna().all()
    assert y.sum() == 2_265


@with_data
def test_columns_of_a_past_day_do_not_see_the_lines_after_it(task: Task, ledger: Ledger) -> None:
    cases = spine(task, ledger, since="2011-03-01", as_of="2011-03-03")
    end = pd.Timestamp("2011-03-03", tz="UTC").value // 1000
    past = ledger.take(np.flatnonzero(ledger.known_us < end))
    again = spine(task, past, since="2011-03-01", as_of="2011-03-03")
    whole = features(task.features, ledger, cases)
    pd.testing.assert_frame_equal(whole, features(task.features, past, again), check_exact=True)


@with_data
def test_the_mapping_says_the_same_of_a_line_when_later_lines_are_missing(
    task: Task, ledger: Ledger, tmp_path: Path
) -> None:
    lines = pd.read_parquet(DATA / "purchase_lines_with_returns.parquet")
    early = lines["InvoiceDate"] < "2010-02-15"
    assert early[: early.sum()].all()  # in the order of time: a line keeps its row number
    lines[early].to_parquet(tmp_path / "lines.parquet")
    text = (
        (HERE / "mapping.toml").read_text("utf-8").replace("../../../shared", str(DATA.parents[1]))
    )
    whole = str(DATA / "purchase_lines_with_returns.parquet")
    (tmp_path / "mapping.toml").write_text(text.replace(whole, str(tmp_path / "lines.parquet")))
    build_ledger(tmp_path / "mapping.toml", tmp_path / "ledger")
    past = read_ledger(tmp_path / "ledger", task.columns_needed(), contract=task.contract())
    seen, again = (
        spine(task, log, since="2010-02-01", as_of="2010-02-15")
        .drop(columns="row_id")
        .apply(lambda column: column.astype("str"))
        for log in (ledger, past)
    )
    assert len(seen) > 5_000
    pd.testing.assert_frame_equal(seen, again)


def test_the_book_has_this_release_once() -> None:
    assert [r["release"] for r in run.readings()].count(run.release()) == 1


def test_a_release_is_noted_once_and_not_twice_with_other_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "readings.toml"
    book.write_text("# the book\n")
    monkeypatch.setattr(run, "READINGS", book)
    figures = dict.fromkeys(run.MEASURES, 0.5)
    run.note(figures)
    run.note({name: value + 0.001 for name, value in figures.items()})
    (entry,) = run.readings()
    assert entry["release"] == run.release()
    assert entry["auc"] == 0.5
    with pytest.raises(UsageError, match="was read as"):
        run.note(figures | {"auc": 0.51})
    assert len(run.readings()) == 1


def test_intervals_draw_customers() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0.01, 0.5, 400)
    one = pd.DataFrame({"y": (random.uniform(size=400) < p) * 1.0, "p": p})
    ten = pd.concat([one] * 10)
    users = pd.Series(np.tile(np.arange(400), 10), index=ten.index)
    alone = run.with_intervals(one.assign(user_id=np.arange(400)))
    known = run.with_intervals(ten.assign(user_id=users))
    strangers = run.with_intervals(ten.assign(user_id=np.arange(4_000)))
    width = [f["auc_upper"] - f["auc_lower"] for f in (alone, known, strangers)]
    assert known["auc"] == pytest.approx(alone["auc"])
    assert width[1] == pytest.approx(width[0], rel=1e-9)  # ten lines of a customer are one witness
    assert width[2] < width[0] / 2
    assert alone["observed_over_predicted"] == pytest.approx(one["y"].mean() / one["p"].mean())


def test_figures_of_a_month_are_those_of_its_lines() -> None:
    as_of = pd.to_datetime(["2011-01-31", "2011-01-02", "2011-02-01", "2011-02-02"], utc=True)
    y, p = [1.0, 0.0, 0.0, 1.0], [0.4, 0.1, 0.3, 0.2]
    months = run.by_month(pd.DataFrame({"as_of": as_of, "y": y, "p": p}))
    assert list(months) == ["2011_01", "2011_02"]
    assert months["2011_01"]["auc"] == 1.0
    assert months["2011_02"]["auc"] == 0.0
    assert months["2011_02"]["lines"] == 2
