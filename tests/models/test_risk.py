from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from data.errors import ContractError, ModelError, UsageError, UserError
from models.calibration import METHODS, expit
from models.metrics import auc, calibration_error, calibration_in_the_large
from models.risk import RiskModel

SIGNS = {"claims": 1, "age_days": -1}
FAST = {"n_estimators": 60}

Draw = Callable[[int, int], Any]


def _model(**changes: Any) -> RiskModel:
    settings: dict[str, Any] = {"monotone": SIGNS, "params": FAST, "num_threads": 1}
    return RiskModel(**(settings | changes))


@pytest.mark.parametrize("method", [m for m in METHODS if m != "none"])
def test_probabilities_are_calibrated_within_the_error_of_the_slices(
    draw: Draw, method: str
) -> None:
    X, y, _ = draw(20_000, 1)
    model = _model(calibration=method).fit(X, y)
    fresh, y_fresh, p_fresh = draw(20_000, 2)
    p = model.predict_proba(fresh)[:, 1]
    # Two binomial errors: of the 4,000 rows calibrated on and of the 20,000 looked at.
    bad = y_fresh.mean()
    error = np.sqrt((1 - bad) / bad * (1 / 4_000 + 1 / 20_000))
    assert abs(calibration_in_the_large(y_fresh, p) - 1) < 3 * error
    assert calibration_error(y_fresh, p) < 3 * np.sqrt(
        bad * (1 - bad) * 15 * (1 / 4_000 + 1 / 20_000)
    )
    assert auc(y_fresh, p) > auc(y_fresh, p_fresh) - 0.01


def test_held_out_probabilities_know_nothing_of_their_row(draw: Draw) -> None:
    X, y, p = draw(6_000, 1)
    times = pd.date_range("2026-01-01", periods=len(X), freq="1h", tz="UTC")
    model = _model(refit=True, calibration_folds=4, params={"n_estimators": 200})
    held_out = model.fit(X, y, times=times).held_out_proba_
    seen = model.predict_proba(X)[:, 1]
    assert held_out.shape == (len(X),)
    assert np.isfinite(held_out).all()
    # Trees that know the answers seem better than the truth itself; the others cannot be.
    assert auc(y, seen) > auc(y, p) > auc(y, held_out)
    assert np.isnan(_model(calibration="none").fit(X, y).held_out_proba_).all()


@pytest.mark.parametrize("folds", [1, 4])
def test_held_out_probabilities_lie_at_their_own_rows(draw: Draw, folds: int) -> None:
    X, y, p = draw(6_000, 1)
    rng = np.random.default_rng(0)
    times = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.permutation(6_000), unit="h")
    weight = rng.choice([0.0, 1.0, 2.0], 6_000)
    model = _model(refit=True, calibration_folds=folds).fit(X, y, sample_weight=weight, times=times)
    held_out = model.held_out_proba_
    known = np.isfinite(held_out)
    assert not known[weight == 0].any()
    assert known.mean() == pytest.approx(2 / 3 if folds > 1 else 2 / 15, abs=0.05)
    assert np.corrcoef(np.log(held_out[known]), np.log(p[known]))[0, 1] > 0.8


def test_class_weights_break_the_probabilities_and_are_refused(draw: Draw) -> None:
    X, y, _ = draw(20_000, 1)
    fresh, y_fresh, _ = draw(20_000, 2)
    numbers = ["claims", "noise"]
    naive = LogisticRegression(class_weight="balanced").fit(X[numbers], y)
    weighted = naive.predict_proba(fresh[numbers])[:, 1]
    ours = _model(monotone=None).fit(X[numbers], y).predict_proba(fresh[numbers])[:, 1]
    assert calibration_in_the_large(y_fresh, weighted) > 2
    assert abs(calibration_in_the_large(y_fresh, ours) - 1) < 0.1
    for name in ("class_weight", "scale_pos_weight", "is_unbalance"):
        with pytest.raises(UsageError, match="probabilities meet money"):
            _model(params={name: 1}).fit(X, y)


@pytest.mark.parametrize("method", ["basic", "intermediate"])
def test_risk_never_moves_against_a_sign_even_with_nulls_elsewhere(draw: Draw, method: str) -> None:
    X, y, _ = draw(6_000, 3)
    params = {"n_estimators": 100, "num_leaves": 63, "monotone_constraints_method": method}
    model = _model(params=params).fit(X, y)
    rows = X.sample(200, random_state=0)
    for column, sign in SIGNS.items():
        values = np.unique(X[column].dropna().quantile(np.linspace(0, 1, 25)))
        for emptied in [None, *X.columns.drop(column)]:
            grid = [rows.assign(**{column: v}) for v in values]
            if emptied is not None:
                grid = [g.assign(**{emptied: None}).astype(X.dtypes.to_dict()) for g in grid]
            p = np.array([model.predict_proba(g)[:, 1] for g in grid])
            assert (np.diff(p, axis=0) * sign >= 0).all()


def test_without_signs_the_same_data_does_violate_them(draw: Draw) -> None:
    X, y, _ = draw(6_000, 3)
    model = _model(monotone=None, params={"n_estimators": 100, "num_leaves": 63}).fit(X, y)
    values = np.unique(X["age_days"].dropna().quantile(np.linspace(0, 1, 25)))
    p = np.array([model.predict_proba(X[:200].assign(age_days=v))[:, 1] for v in values])
    assert (np.diff(p, axis=0) > 0).any()


def test_two_scores_never_tie_and_none_is_0_or_1(draw: Draw) -> None:
    X, y, _ = draw(4_000, 4)
    for method in METHODS:
        model = _model(calibration=method).fit(X, y)
        p, raw = model.predict_proba(X)[:, 1], model.raw_score(X)
        order = np.argsort(raw)
        assert (np.diff(p[order])[np.diff(raw[order]) > 1e-6] > 0).all()
        assert p.min() > 0
        assert p.max() < 1


def test_columns_are_found_by_name_in_any_order(draw: Draw) -> None:
    X, y, _ = draw(2_000, 5)
    model = _model().fit(X, y)
    shuffled = X[["noise", "category", "age_days", "claims"]].assign(more=1)
    assert (model.predict_proba(X) == model.predict_proba(shuffled)).all()


def test_a_missing_column_names_the_nearest(draw: Draw) -> None:
    X, y, _ = draw(2_000, 5)
    model = _model().fit(X, y)
    with pytest.raises(ModelError, match=r"'claims' is missing(.|\n)*did you mean 'claim_s'"):
        model.predict_proba(X.rename(columns={"claims": "claim_s"}))


def test_an_unseen_category_scores_as_a_null(draw: Draw) -> None:
    X, y, _ = draw(4_000, 6)
    model = _model().fit(X, y)
    new, null = X.assign(category="boats"), X.assign(category=pd.Series(None, X.index, "str"))
    assert (model.predict_proba(new) == model.predict_proba(null)).all()
    assert (model.predict_proba(new) != model.predict_proba(X)).any()


def test_text_and_categories_in_any_order_are_the_same(draw: Draw) -> None:
    X, y, _ = draw(2_000, 6)
    other = X.assign(category=pd.Categorical(X["category"], ["toys", "none", "shoes", "phones"]))
    first, second = _model().fit(X, y), _model().fit(other, y)
    assert first.booster_.model_to_string() == second.booster_.model_to_string()
    assert (first.predict_proba(other) == second.predict_proba(X)).all()


@pytest.mark.parametrize("timed", [False, True])
def test_the_order_of_rows_does_not_matter(draw: Draw, timed: bool) -> None:
    X, y, _ = draw(3_000, 7)
    days = pd.Series(np.random.default_rng(0).integers(0, 200, len(X)))
    times = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(days, unit="D")
    order = np.random.default_rng(1).permutation(len(X))
    models = [
        _model(params={"n_estimators": 20, "bagging_fraction": 0.5, "bagging_freq": 1}).fit(
            X.iloc[rows], y[rows], times=times.iloc[rows] if timed else None
        )
        for rows in (np.arange(len(X)), order)
    ]
    assert models[0].booster_.model_to_string() == models[1].booster_.model_to_string()
    assert models[0].calibrator_ == models[1].calibrator_


def test_a_seed_decides_the_model(draw: Draw) -> None:
    X, y, _ = draw(2_000, 7)
    texts = [_model(random_state=s).fit(X, y).booster_.model_to_string() for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_the_seed_reaches_the_trees(draw: Draw) -> None:
    X, y, _ = draw(2_000, 7)
    params = {"n_estimators": 5, "feature_fraction": 0.5}
    models = [
        _model(random_state=s, params=params).fit(X, y, times=np.arange(2_000)) for s in (1, 2)
    ]
    # The same rows are fitted; only the choice of columns can differ.
    assert models[0].raw_score(X).tolist() != models[1].raw_score(X).tolist()


def test_the_latest_rows_calibrate(draw: Draw) -> None:
    X, y, _ = draw(8_000, 8)
    # The base rate doubles at the end: only a calibration on later time can know.
    rng = np.random.default_rng(0)
    late = np.arange(len(X)) >= 6_000
    y = np.maximum(y, late & (rng.random(len(X)) < 0.2))
    times = np.arange(len(X), dtype=np.int64) * 3_600_000_000
    gap = timedelta(hours=1_000)
    model = _model(calibration_share=0.25, gap=gap).fit(X, y, times=times)
    assert (model.n_fit_, model.n_calibrate_) == (5_000, 2_000)
    p = model.predict_proba(X[late])[:, 1]
    assert abs(calibration_in_the_large(y[late], p) - 1) < 0.001


def test_groups_stay_whole_in_the_hold_out() -> None:
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(100), 20)
    X = pd.DataFrame({"trait": user, "other": rng.normal(size=2_000)})
    y = rng.integers(0, 2, 100)[user]  # nothing that is learnt of one user holds for another
    whole = _model(monotone=None, calibration="sigmoid").fit(X, y, groups=user)
    assert whole.n_fit_ + whole.n_calibrate_ == 2_000
    assert whole.n_calibrate_ % 20 == 0
    assert np.abs(whole.predict_proba(X)[:, 1] - 0.5).max() < 0.2
    parted = _model(monotone=None, calibration="sigmoid").fit(X, y)
    assert parted.n_fit_ + parted.n_calibrate_ == 2_000
    assert np.abs(parted.predict_proba(X)[:, 1] - 0.5).mean() > 0.3


def test_refit_keeps_the_calibrators_shape_and_trains_on_all(draw: Draw) -> None:
    X, y, _ = draw(3_000, 9)
    once, twice = _model().fit(X, y), _model(refit=True).fit(X, y)
    everything = _model(calibration="none").fit(X, y)
    assert once.calibrator_ == replace(twice.calibrator_, shift=0.0)
    assert twice.booster_.model_to_string() == everything.booster_.model_to_string()


def test_the_level_is_that_of_the_latest_rows() -> None:
    rng = np.random.default_rng(0)
    n = 40_000
    late = np.arange(n) >= 0.6 * n  # the risk doubles, and no column says so
    X = pd.DataFrame({"trait": rng.normal(size=n)})
    y = (rng.random(n) < expit(-3.0 + 0.7 * late + X["trait"])).astype(float)
    at = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(n), unit="min")
    model = _model(monotone=None, refit=True, calibration_share=0.4, calibration_folds=5)
    model.fit(X, y, times=at)
    now = rng.normal(size=20_000)
    p = model.predict_proba(pd.DataFrame({"trait": now}))[:, 1]
    se = float(np.sqrt(1 / y[late].sum()))
    assert p.sum() / expit(-2.3 + now).sum() == pytest.approx(1, abs=3 * se)
    model.calibrator_ = replace(model.calibrator_, shift=0.0)
    of_all = model.predict_proba(pd.DataFrame({"trait": now}))[:, 1]
    assert of_all.sum() < (1 - 5 * se) * p.sum()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_class_is_a_users_error_and_a_value_error(draw: Draw, value: float) -> None:
    X, y, _ = draw(100, 1)
    with pytest.raises(UserError, match="only one class") as caught:
        _model().fit(X, np.full_like(y, value))
    assert isinstance(caught.value, ValueError)


def test_one_class_in_the_calibration_slice_names_the_slice(draw: Draw) -> None:
    X, y, _ = draw(1_000, 1)
    y[900:] = 0
    with pytest.raises(ContractError, match="slice calibrate: only one class"):
        _model(calibration_share=0.1).fit(X, y, times=np.arange(1_000))


def test_a_null_target_is_counted_and_placed(draw: Draw) -> None:
    X, y, _ = draw(100, 1)
    y[[3, 7]] = np.nan
    with pytest.raises(ContractError, match=r"2 null values \(NaN; first: row 3\)"):
        _model().fit(X, y)


def test_infinity_names_its_column(draw: Draw) -> None:
    X, y, _ = draw(100, 1)
    with pytest.raises(ContractError, match="'noise' holds infinity"):
        _model().fit(X.assign(noise=np.inf), y)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": {"num_leafs": 3}}, "did you mean 'num_leaves'"),
        ({"params": {"num_leaves": -3}}, "num_leaves = -3"),
        ({"params": {"num_leaves": 3.5}}, "a whole number from 2"),
        ({"params": {"num_leaves": "many"}}, "a whole number from 2"),
        ({"params": {"n_estimators": 0}}, "a whole number from 1"),
        ({"params": {"learning_rate": float("nan")}}, "learning_rate = nan"),
        ({"params": {"max_bin": True}}, "max_bin = True"),
        ({"params": {"extra_trees": 1}}, "true or false"),
        ({"params": {"monotone_constraints_method": "advanced"}}, "breaks the constraint"),
        ({"monotone": {"claim": 1}}, "did you mean 'claims'"),
        ({"monotone": {"category": 1}}, "only numbers carry one"),
        ({"calibration": "isotonik"}, "did you mean 'isotonic'"),
        ({"calibration_share": 1.5}, r"\[0, 1\)"),
    ],
)
def test_a_setting_that_cannot_be_meant(draw: Draw, changes: Any, message: str) -> None:
    X, y, _ = draw(100, 1)
    with pytest.raises(UsageError, match=message):
        _model(**changes).fit(X, y)


def test_lengths_that_differ(draw: Draw) -> None:
    X, y, _ = draw(100, 1)
    with pytest.raises(ContractError, match="times has 99 rows and X has 100"):
        _model().fit(X, y, times=np.arange(99))


def test_a_weight_of_two_is_the_row_twice(draw: Draw) -> None:
    X, y, _ = draw(1_000, 2)
    weight = np.random.default_rng(0).integers(0, 3, 1_000)
    rows = np.repeat(np.arange(1_000), weight)
    weighted = _model().fit(X, y, sample_weight=weight)
    repeated = _model().fit(X.iloc[rows], y[rows])
    assert (weighted.predict_proba(X) == repeated.predict_proba(X)).all()


def test_a_table_of_few_different_rows_is_calibrated(draw: Draw) -> None:
    X, y, _ = draw(5_000, 2)
    X = X[["category"]].assign(claims=X["claims"].clip(upper=3))  # 12 different rows
    model = _model(monotone=None).fit(X, y)
    p = model.predict_proba(X)[:, 1]
    assert model.n_fit_ == model.n_calibrate_ == 24
    observed = pd.Series(y).groupby([X["category"], X["claims"]]).transform("mean")
    assert np.abs(p - observed).mean() < 0.02


def test_equal_features_are_not_parted_by_the_hold_out(draw: Draw) -> None:
    X, y, _ = draw(500, 3)
    twice = pd.concat([X, X], ignore_index=True)
    labels = np.concatenate([y, 1 - y])  # what one copy says of the other is wrong
    model = _model(calibration="sigmoid").fit(twice, labels)
    p = model.predict_proba(X)[:, 1]
    assert np.abs(p - 0.5).max() < 0.1
