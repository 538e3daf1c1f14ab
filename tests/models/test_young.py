"""Young cases as lessons: Bayes by hand, what must not change, what a model learns from them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.risk import RiskModel
from models.young import chance_open, with_young

SHARE = st.floats(0.0, 0.999)


@given(p=SHARE, known=SHARE)
def test_the_chance_is_that_of_counting(p: float, known: float) -> None:
    """Of a thousand cases p go bad, and `known` of these have: what is left among the open."""
    still = chance_open(p, known)
    assert still == pytest.approx((1000 * p * (1 - known)) / (1000 - 1000 * p * known))
    assert 0 <= still <= p + 1e-12


def test_old_cases_stay_what_they_are_and_weights_add_up() -> None:
    days, age = [5.0, np.nan, 50.0, np.nan, 70.0, 30.0], [10.0, 10.0, 55.0, 80.0, 80.0, 20.0]
    weight = np.array([1.0, 2.0, 1.0, 3.0, 1.0, 1.0])
    found = with_young(days, age, 60, np.full(6, 0.2), weight)
    assert found.rows.tolist() == [0, 1, 2, 3, 4, 5, 1, 5]  # not yet known on day 20: still open
    assert found.y.tolist() == [1, 0, 1, 0, 0, 0, 1, 1]
    assert np.bincount(found.rows, found.weight).tolist() == pytest.approx(weight.tolist())


def test_the_newest_risk_is_learnt_neither_too_good_nor_too_bad() -> None:
    """A fraud that began 50 days ago, when the horizon is 60: the matured cases cannot know it."""
    rng = np.random.default_rng(5)
    n = 30_000
    age, new = rng.uniform(0, 200, n), rng.random(n) < 0.3
    risk = np.where(new & (age < 50), 0.4, 0.05)
    days = np.where(rng.random(n) < risk, rng.uniform(0, 60, n), np.nan)
    known = days <= age
    X = pd.DataFrame({"new": new.astype(float), "noise": rng.normal(size=n), "age": -age})
    old = age >= 60

    def learnt(rows: "np.ndarray", y: "np.ndarray", w: "np.ndarray | None") -> float:
        model = RiskModel(calibration="none", params={"n_estimators": 60}, num_threads=1)
        model.fit(X.iloc[rows], y, sample_weight=w)
        today = pd.DataFrame({"new": [1.0], "noise": [0.0], "age": [0.0]})
        return float(model.predict_proba(today)[0, 1])

    matured = learnt(np.flatnonzero(old), (known & (days <= 60))[old], None)
    every = RiskModel(calibration="none", params={"n_estimators": 60}, num_threads=1)
    every.fit(X[old], (known & (days <= 60))[old])
    p = every.predict_proba(X)[:, 1]
    for _ in range(2):  # the second round knows what the first has learnt
        taught = with_young(days, age, 60, p)
        every.fit(X.iloc[taught.rows], taught.y, sample_weight=taught.weight)
        p = every.predict_proba(X)[:, 1]
    ours = learnt(taught.rows, taught.y, taught.weight)
    naive = learnt(np.arange(n), known & (days <= 60), None)
    assert matured < 0.1  # has not met it
    assert naive < ours  # calls those good that will go bad
    assert abs(ours - 0.4) < min(abs(naive - 0.4), abs(matured - 0.4))
