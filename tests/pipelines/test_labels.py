"""`clawback labels`: what it says is what the tables say, and nothing of the future."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import NothingToDoError
from data.ledger import Ledger
from data.market import Market
from features.task import load_task
from models.ultimates import cases_of
from pipelines.commands import LabelsConfig
from pipelines.labels import LabelsResult, changes, run_labels, tail

MID = "2025-03-01"


@pytest.fixture(scope="module")
def found(ledger_path: Path) -> LabelsResult:
    return run_labels(LabelsConfig(ledger=ledger_path, as_of=MID, changed_since="2024-10-01"))


def test_every_decision_has_one_outcome_and_money_adds_up(found: LabelsResult) -> None:
    outcomes = found.sections["outcomes"]
    assert outcomes["cases"].sum() == len(found.table)
    assert outcomes["paid"].sum() == pytest.approx(found.table["paid_cents"].sum() / 100)
    assert found.sections["what_says_so"]["cases"].sum() == len(found.table)


def test_months_are_those_of_the_pay_outs(found: LabelsResult) -> None:
    months = found.sections["months"]
    paid = found.table["paid_ts"].dropna().dt.tz_localize(None).dt.to_period("M").astype("str")
    assert months["cases"].to_dict() == paid.value_counts().sort_index().to_dict()
    old = months[months["60d"].notna()]
    clawed = found.table.assign(month=paid).groupby("month")["y_claw"].mean()
    told = old[old["ultimate"].notna()]
    assert np.allclose(told["ultimate"], clawed[told.index])
    young = months.loc["2025-02"]
    assert young["share_known"] < 1
    assert young["known"] < young["ultimate"] < young["upper"]


def test_what_came_later_changes_no_word(
    found: LabelsResult, market: Market, tmp_path: Path
) -> None:
    events = market.events.to_pandas()
    known = events[events["known_ts"] < pd.Timestamp(MID, tz="UTC")]
    known.to_parquet(tmp_path / "then.parquet")
    config = LabelsConfig(ledger=tmp_path / "then.parquet", as_of=MID, changed_since="2024-10-01")
    then = run_labels(config)
    assert then.summary() == found.summary()


def test_a_label_that_changed_is_counted_for_its_target(found: LabelsResult) -> None:
    rows = found.sections["changed_since_then"]
    assert (rows["known_then"] > 0).all()
    early = run_labels(LabelsConfig(ledger=Path(found.facts["ledger"]), as_of="2024-10-01"))
    then, now = (t.set_index("case_id")["y_abuse"] for t in (early.table, found.table))
    shared = pd.DataFrame({"y_abuse": then, "y_abuse_now": now.reindex(then.index)})
    was = shared[shared["y_abuse"].notna()]
    differs = was[~(was["y_abuse"] == was["y_abuse_now"])]
    assert rows.loc["y_abuse", "known_then"] == len(was)
    assert rows.loc["y_abuse", ["now_bad", "now_good", "now_unknown"]].sum() == len(differs)


def test_it_prints_for_people_and_for_machines(found: LabelsResult, tmp_path: Path) -> None:
    page = found.text()
    assert "never_shipped" in page
    assert " nan" not in page.lower()
    assert json.loads(json.dumps(found.summary()))["decisions"] == len(found.table)
    out = tmp_path / "labels.parquet"
    run_labels(LabelsConfig(ledger=Path(found.facts["ledger"]), as_of=MID, out=out))
    assert len(pd.read_parquet(out)) == len(found.table)


def test_no_decision_yet(ledger_path: Path, ledger: Ledger) -> None:
    first = pd.Timestamp(int(ledger.known_us[0]) + 1, unit="us", tz="UTC")
    with pytest.raises(NothingToDoError):
        run_labels(LabelsConfig(ledger=ledger_path, as_of=str(first)))


def test_changes_are_told_by_what_the_label_says_today() -> None:
    before = pd.DataFrame(
        {"y_claw": [1.0, 0.0, np.nan], "y_abuse": [1.0, 0.0, 1.0], "y_loss": [np.nan] * 3}
    )
    now = before.assign(y_claw=[1.0, 0.0, 1.0], y_abuse=[0.0, 1.0, np.nan])
    rows = changes(load_task(), before, now)
    assert list(rows.T["y_claw"]) == [2, 0, 0, 0]  # what nobody knew then has not changed
    assert list(rows.T["y_abuse"]) == [3, 1, 1, 1]
    assert list(rows.T["y_loss"]) == [0, 0, 0, 0]


def test_the_tail_is_what_comes_after_the_horizon_over_what_comes_within() -> None:
    cases = cases_of([-200.0] * 4, [10.0, 80.0, 250.0, np.nan], range(4))
    found = tail(cases, 60)
    assert found["age_days"].tolist() == [60, 90, 120, 160]
    assert found["clawed_back"].tolist() == [0.25, 0.5, 0.5, 0.5]  # day 250 is not yet known
    assert found["to_horizon"].tolist() == [1, 2, 2, 2]
