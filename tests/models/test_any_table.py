"""A table like the public ones on fraud and returns needs no change to the package."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, ModelError
from models.baselines import LogisticBaseline, ScorecardBaseline
from models.calibration import expit
from models.encode import unseen
from models.metrics import auc, calibration_in_the_large
from models.risk import RiskModel

KINDS: list[Any] = [
    RiskModel(params={"n_estimators": 80}, num_threads=1),
    LogisticBaseline(),
    ScorecardBaseline(),
]
MERCHANTS = 400


def payments(n: int, seed: int, first_day: int = 0) -> tuple[pd.DataFrame, Any, Any, Any]:
    """Card payments: amounts over decades, nulls that mean something, many merchants and cards."""
    rng = np.random.default_rng(seed)
    dark = np.random.default_rng(7).normal(0, 0.8, MERCHANTS)
    merchant = rng.integers(0, MERCHANTS, n)
    amount = rng.lognormal(3, 1.5, n)
    day = first_day + np.sort(rng.integers(0, 90, n))
    online = rng.random(n) < 0.3
    distance = np.where(online, np.nan, rng.exponential(20, n))
    raw = -3.4 + 0.5 * np.log(amount / 20) + 1.6 * online + dark[merchant]
    X = pd.DataFrame(
        {
            "amount": amount,
            "distance_km": distance,
            "hour": rng.integers(0, 24, n).astype("int8"),
            "online": online,
            "chip": pd.Series(rng.random(n) < 0.5, dtype="boolean").mask(rng.random(n) < 0.3),
            "tries": pd.Series(rng.integers(1, 3, n), dtype="Int64").mask(rng.random(n) < 0.1),
            "brand": pd.Categorical(rng.choice(["visa", "master", "union"], n)),
            "merchant": [f"m{m}" for m in merchant],
            "mail": pd.Series(rng.choice(["a.com", "b.org"], n)).astype(object).mask(online),
            "constant": 1.0,
            "nothing": np.nan,
        }
    )
    times = pd.Timestamp("2025-01-01", tz="UTC") + pd.to_timedelta(day, unit="D")
    return X, (rng.random(n) < expit(raw)).astype(int), times, rng.integers(0, n // 3, n)


@pytest.mark.parametrize("model", KINDS, ids=lambda m: type(m).__name__)
def test_any_table_is_fitted_and_scored(model: Any) -> None:
    X, y, times, cards = payments(8_000, 1)
    later, y_later, _, _ = payments(8_000, 2, first_day=120)
    weight = np.where(y == 1, 1.0, 2.0)
    model.fit(X, y, sample_weight=np.ones(len(X)), groups=cards, times=times)
    p = model.predict_proba(later)[:, 1]
    assert auc(y_later, p) > auc(y_later, later["amount"]) + 0.02  # more than the amount alone
    bad = y_later.sum()
    assert abs(calibration_in_the_large(y_later, p) - 1) < 4 * np.sqrt(2 / bad)
    halved = model.fit(X, y, sample_weight=weight, times=times).predict_proba(later)[:, 1]
    assert 0.4 < halved.mean() / p.mean() < 0.7  # the good count twice


@pytest.mark.parametrize("model", KINDS, ids=lambda m: type(m).__name__)
def test_values_never_seen_are_scored_like_nulls(model: Any) -> None:
    X, y, times, _ = payments(4_000, 3)
    model.fit(X, y, times=times)
    fresh = X[:200].assign(merchant=[f"new{i}" for i in range(200)], mail="c.net", brand="amex")
    empty = fresh.assign(
        merchant=pd.Series([None] * 200, dtype="str"), mail=None, brand=pd.Categorical([None] * 200)
    )
    p = model.predict_proba(fresh)[:, 1]
    np.testing.assert_array_equal(p, model.predict_proba(empty)[:, 1])
    assert ((p > 0) & (p < 1)).all()
    told = unseen(model.encoding_, fresh)
    assert (told["merchant"], told["brand"], told["mail"]) == (200, 200, 200)


@pytest.mark.parametrize("model", KINDS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("made", ["time", "age", "list"])
def test_columns_that_are_no_numbers_and_no_text_are_named(model: Any, made: str) -> None:
    X, y, times, _ = payments(500, 4)
    column: Any = {
        "time": times,
        "age": times - times[0],
        "list": pd.Series([[1]] * 500, dtype=object),
    }[made]
    with pytest.raises(ContractError, match=r"'paid' is (?s:.)*becomes an age before the decision"):
        model.fit(X.assign(paid=column), y)


@pytest.mark.parametrize("model", KINDS, ids=lambda m: type(m).__name__)
def test_a_column_that_is_missing_later_is_named(model: Any) -> None:
    X, y, times, _ = payments(1_000, 5)
    model.fit(X, y, times=times)
    with pytest.raises(ModelError, match="'merchant' is missing"):
        model.predict_proba(X.drop(columns="merchant"))


def test_true_and_false_as_targets_and_words_as_targets() -> None:
    X, y, times, _ = payments(2_000, 6)
    model = KINDS[0].fit(X, y == 1, times=times)
    words = RiskModel(params={"n_estimators": 80}, num_threads=1)
    words.fit(X, np.where(y == 1, "fraud", "clean"), times=times)
    assert list(words.classes_) == ["clean", "fraud"]
    np.testing.assert_array_equal(words.predict_proba(X), model.predict_proba(X))
