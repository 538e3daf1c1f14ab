from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from models import baselines as module
from models.baselines import LogisticBaseline, ScorecardBaseline, baselines
from models.binning import fit_bins, information_value, place, woe
from models.metrics import auc, calibration_in_the_large

Draw = Callable[[int, int], Any]
BOTH = [LogisticBaseline, ScorecardBaseline]


@pytest.mark.parametrize("kind", BOTH)
def test_a_baseline_finds_most_of_what_can_be_found(kind: Any, draw: Draw) -> None:
    X, y, _ = draw(8_000, 1)
    fresh, y_fresh, p = draw(20_000, 2)
    found = kind().fit(X, y).predict_proba(fresh)[:, 1]
    assert auc(y_fresh, found) > auc(y_fresh, p) - 0.02
    bad = y_fresh.mean()
    error = np.sqrt((1 - bad) / bad * (1 / 8_000 + 1 / 20_000))
    assert abs(calibration_in_the_large(y_fresh, found) - 1) < 3 * error
    with_more = kind().fit(X, y, groups=np.arange(8_000), times=np.arange(8_000))
    assert (with_more.predict_proba(fresh)[:, 1] == found).all()


@pytest.mark.parametrize("kind", BOTH)
def test_nulls_and_unseen_categories_have_a_probability(kind: Any, draw: Draw) -> None:
    X, y, _ = draw(4_000, 3)
    model = kind().fit(X, y)
    empty = X[:5].assign(claims=np.nan, age_days=np.nan, category="boats")
    p = model.predict_proba(empty)[:, 1]
    assert ((p > 0) & (p < 1)).all()
    null = X[:5].assign(claims=np.nan, age_days=np.nan, category=pd.Series([None] * 5, dtype="str"))
    assert (model.predict_proba(null)[:, 1] == p).all()


@pytest.mark.parametrize("kind", BOTH)
def test_no_more_rows_are_fitted_on_than_asked_for(kind: Any, draw: Draw) -> None:
    X, y, _ = draw(4_000, 3)
    model = kind(most_rows=1_000).fit(X, y)
    assert model.n_fit_ == 1_000
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = kind(most_rows=1_000).fit(X.iloc[order], y[order])
    np.testing.assert_allclose(shuffled.predict_proba(X), model.predict_proba(X), rtol=0, atol=1e-3)


@pytest.mark.parametrize("kind", BOTH)
def test_one_class_is_refused(kind: Any, draw: Draw) -> None:
    X, y, _ = draw(100, 1)
    with pytest.raises(ContractError, match="only one class"):
        kind().fit(X, np.zeros_like(y))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("asked", [{"strength": 0.0}, {"strength": -1.0}, {"most_rows": 0}])
def test_a_penalty_or_a_sample_of_nothing_is_refused(kind: Any, asked: Any, draw: Draw) -> None:
    X, y, _ = draw(200, 6)
    with pytest.raises(UsageError, match=f"{next(iter(asked))} = "):
        kind(**asked).fit(X, y)


def test_a_scorecard_without_its_package_says_how_to_get_it(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    assert list(baselines()) == ["logistic"]
    X, y, _ = draw(100, 1)
    with pytest.raises(UsageError, match=r"(?s)needs optbinning.*clawback\[scorecard\]"):
        ScorecardBaseline().fit(X, y)


def test_loading_the_solvers_says_nothing(capfd: pytest.CaptureFixture[str], draw: Draw) -> None:
    X, y, _ = draw(500, 1)
    ScorecardBaseline().fit(X, y)
    assert capfd.readouterr() == ("", "")


def test_evidence_by_hand() -> None:
    values = np.array([0.0] * 50 + [1.0] * 50 + [np.nan] * 20)
    y = np.array([1.0] * 10 + [0.0] * 40 + [1.0] * 30 + [0.0] * 20 + [1.0] * 5 + [0.0] * 15)
    bins = fit_bins(values, y, np.ones_like(y), text=False)
    assert place(bins, np.array([-1.0, 0.0, 1.0, 7.0, np.nan])).tolist() == [0, 0, 1, 1, 2]
    bad, good = np.array([10.5, 30.5, 5.5]), np.array([40.5, 20.5, 15.5])
    evidence = np.log((good / good.sum()) / (bad / bad.sum()))
    np.testing.assert_allclose(woe(bins, np.array([0.0, 1.0, np.nan])), evidence)
    value = ((good / good.sum() - bad / bad.sum()) * evidence).sum()
    assert information_value(bins) == pytest.approx(value)


def test_a_cut_belongs_to_the_bin_above_it_as_optbinning_has_it() -> None:
    from optbinning import OptimalBinning

    rng = np.random.default_rng(2)
    values = rng.integers(0, 12, 4_000).astype(float) / 4
    y = (rng.random(4_000) < 0.05 + 0.1 * values).astype(float)
    bins = fit_bins(values, y, np.ones_like(y), text=False)
    theirs = OptimalBinning(user_splits=list(bins.cuts), user_splits_fixed=[True] * len(bins.cuts))
    theirs.fit(values, y.astype(int))
    assert list(theirs.splits) == list(bins.cuts)
    at = np.array([*bins.cuts, *(c - 1e-9 for c in bins.cuts)])
    np.testing.assert_array_equal(place(bins, at), theirs.transform(at, metric="indices"))


def test_categories_of_like_risk_share_a_bin_and_an_unseen_one_is_a_null() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, 6_000).astype(float)
    y = (rng.random(6_000) < np.where(codes < 3, 0.05, 0.4)).astype(float)
    codes[::50] = np.nan
    bins = fit_bins(codes, y, np.ones_like(y), text=True)
    at = place(bins, np.array([0.0, 1, 2, 3, 4, 5, 99, np.nan]))
    assert not set(at[:3]) & set(at[3:6])
    assert at[6] == at[7] not in set(at[:6])


def test_a_weight_of_two_is_the_row_twice_in_the_evidence() -> None:
    rng = np.random.default_rng(1)
    values, weight = rng.integers(0, 4, 2_000).astype(float), rng.integers(1, 3, 2_000)
    y = (rng.random(2_000) < 0.1 + 0.1 * values).astype(float)
    twice = np.repeat(np.arange(2_000), weight)
    one = fit_bins(values, y, weight.astype(float), text=False)
    two = fit_bins(values[twice], y[twice], np.ones(twice.size), text=False)
    assert one.cuts == two.cuts
    np.testing.assert_allclose(one.bad, two.bad)


def test_a_column_of_one_value_is_one_bin() -> None:
    bins = fit_bins(np.full(20, 3.0), np.arange(20.0) % 2, np.ones(20), text=False)
    assert bins.cuts == ()
    assert information_value(bins) == pytest.approx(0, abs=1e-3)
    nothing = fit_bins(np.full(20, np.nan), np.arange(20.0) % 2, np.ones(20), text=True)
    assert woe(nothing, np.array([np.nan, 2.0]))[0] == pytest.approx(0, abs=1e-9)
