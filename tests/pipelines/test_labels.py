"""`clawback labels`: what it says is what the tables say, and nothing of the future."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import NothingToDoError
from data.ledger import Ledger
from data.market import Market
from pipelines.commands import LabelsConfig
from pipelines.labels import LabelsResult, run_labels

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
