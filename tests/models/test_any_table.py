"""A table like the public ones on fraud and returns needs no change to the package."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from data.errors import ContractError, ModelError, UsageError
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
    way_out = "make it numbers, or text" if made == "list" else "becomes an age before the decision"
    with pytest.raises(ContractError, match=rf"'paid' is (?s:.)*{way_out}"):
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


@pytest.mark.parametrize("model", KINDS, ids=lambda m: type(m).__name__)
def test_polars_and_arrow_tables_are_matched_by_name(model: Any) -> None:
    X, y, times, _ = payments(2_000, 4)
    given = pl.from_pandas(X)
    p = model.fit(given, pl.Series(y), times=pl.Series(list(times))).predict_proba(X)
    turned = X[X.columns[::-1]]
    np.testing.assert_array_equal(p, model.predict_proba(pl.from_pandas(turned)))
    np.testing.assert_array_equal(p, model.predict_proba(given.to_arrow()))


@pytest.mark.parametrize(
    "names", [["a b", "a_b_0"], ["", " "], ['{"a": [1]}', "a,b:"], ["列", "a"]]
)
def test_columns_may_have_any_name(names: list[str]) -> None:
    X = pd.DataFrame(np.random.default_rng(1).normal(size=(400, 2)), columns=names)
    y = (X.iloc[:, 0] > 0).to_numpy()
    model = RiskModel(params={"n_estimators": 10}, num_threads=1)
    assert auc(y, model.fit(X, y).predict_proba(X)[:, 1]) > 0.9


ROWS = 200
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "two targets": ({"y": np.zeros((ROWS, 2))}, "1d array", "y"),
    "a probability": ({"y": np.linspace(0, 1, ROWS)}, "continuous", "y"),
    "words and numbers": ({"y": np.array([1, "a"] * 100, object)}, "Unknown label", "y"),
    "a negative weight": ({"sample_weight": -np.ones(ROWS)}, "Negative", "sample_weight"),
    "no weight": ({"sample_weight": np.zeros(ROWS)}, "non-zero", "sample_weight"),
    "a null weight": ({"sample_weight": [np.nan] * ROWS}, "NaN", "sample_weight"),
    "weights that sum to 1": (
        {"sample_weight": np.full(ROWS, 1 / ROWS)},
        r"weights of class 0 sum to 0\.5",
        "sample_weight",
    ),
    "weights that overflow": ({"sample_weight": np.full(ROWS, 1e300)}, "sum to", "sample_weight"),
    "numbered columns of text": ({"X": pd.DataFrame({0: ["a"] * ROWS})}, "float: 'a'", "X"),
    "columns named by both": ({"X": pd.DataFrame({0: [1] * ROWS, "a": 1})}, "one is named 0", "X"),
    "a series": ({"X": pd.Series(range(ROWS))}, "2-dimensional", "X"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("model", KINDS, ids=lambda m: type(m).__name__)
def test_what_no_model_takes_is_refused_with_a_way_out(model: Any, case: str) -> None:
    changed, message, where = BAD[case]
    given = {"X": pd.DataFrame({"a": range(ROWS)}), "y": [0, 1] * (ROWS // 2)} | changed
    with pytest.raises(ContractError, match=message) as told:
        model.fit(given.pop("X"), given.pop("y"), **given)
    assert told.value.where == where
    assert told.value.fix


def test_a_target_that_lost_its_nulls_is_taken() -> None:
    X, y, _, _ = payments(1_000, 5)
    left = pd.Series([None, *(y[1:] == 1)], dtype=object)
    model = RiskModel(params={"n_estimators": 10}, num_threads=1)
    model.fit(X[left.notna()], left[left.notna()])
    assert model.classes_.tolist() == [False, True]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"times": pd.DataFrame({"t": range(ROWS)})}, "times have the shape"),
        ({"times": ["2025-01-01"] * ROWS}, "times are str"),
        ({"groups": pd.DataFrame({"g": range(ROWS)})}, "groups have the shape"),
        ({"groups": ["one"] * ROWS}, "1 group"),
        ({"groups": [None] * ROWS}, "0 group"),
    ],
)
def test_times_and_groups_that_no_model_takes(given: dict[str, Any], message: str) -> None:
    model = RiskModel(params={"n_estimators": 10}, num_threads=1)
    with pytest.raises(ContractError, match=message) as told:
        model.fit(pd.DataFrame({"a": range(ROWS)}), [0, 1] * (ROWS // 2), **given)
    assert told.value.fix


def test_arrow_times_are_times() -> None:
    X, y, times, _ = payments(1_000, 6)
    model = RiskModel(params={"n_estimators": 10}, num_threads=1)
    p = model.fit(X, y, times=pd.Series(times)).predict_proba(X)
    arrow = pd.Series(times).astype(pd.ArrowDtype(pa.timestamp("us", "UTC")))
    np.testing.assert_array_equal(p, model.fit(X, y, times=arrow).predict_proba(X))


@pytest.mark.parametrize("wrong", [{"gap": 60}, {"monotone": [1, 0]}])
def test_settings_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    X, y, times, _ = payments(400, 7)
    with pytest.raises(UsageError, match=next(iter(wrong))):
        RiskModel(**wrong, num_threads=1).fit(X, y, times=times)
