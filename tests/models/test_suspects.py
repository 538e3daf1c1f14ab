"""Columns that know the label stand out; noise, few cases and rare values do not."""

import numpy as np
import pandas as pd
import pytest

from models.metrics import auc
from models.suspects import auc_bounds, single_aucs


def told(X: pd.DataFrame, y: np.ndarray, users: np.ndarray | None = None) -> pd.DataFrame:
    """Per column its AUC, interval and users."""
    n = len(X)
    times = pd.Series(pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(n), "h"))
    whose = pd.Series(np.arange(n) if users is None else users)
    return single_aucs(X, pd.Series(y), times=times, users=whose).set_index("column")


@pytest.fixture
def outcomes() -> np.ndarray:
    return (np.random.default_rng(0).random(3_000) < 0.05).astype(float)


def test_every_way_to_know_the_label_is_seen(outcomes: np.ndarray) -> None:
    bad, rng = outcomes == 1, np.random.default_rng(1)
    n = len(bad)
    X = pd.DataFrame(
        {
            "noise": rng.normal(size=n),
            "number": bad + rng.normal(scale=0.1, size=n),
            "against": -bad.astype(int),
            "only_if_bad": np.where(bad, rng.normal(size=n), np.nan),
            "null_if_bad": np.where(bad, np.nan, rng.normal(size=n)),
            "word": np.where(bad, "clawed", rng.choice(["a", "b"], n)),
            "null_word": pd.Series("a", range(n)).mask(bad),
            "truth": pd.Series(bad).astype("boolean"),
            "time": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(bad * 1.0, "D"),
            "constant": 1.0,
            "empty": np.nan,
        }
    )
    table = told(X, outcomes)
    known = (table["lower"] > 0.9) | (table["upper"] < 0.1)
    assert set(table.index[known]) == set(X) - {"noise", "constant", "empty"}
    assert table.loc["noise", "auc"] == pytest.approx(auc(outcomes, X["noise"]))
    assert table["lower"]["noise"] < 0.5 < table["upper"]["noise"]
    assert not {"constant", "empty"} & set(table.index)


def test_a_word_of_its_own_for_every_row_says_nothing(outcomes: np.ndarray) -> None:
    words = pd.DataFrame({"word": [f"w{i}" for i in range(len(outcomes))]})
    assert "word" not in told(words, outcomes).index  # all later words are new: one score
    rare = pd.DataFrame({"word": np.random.default_rng(2).integers(0, 900, len(outcomes))})
    table = told(rare.astype("str"), outcomes)
    assert table["lower"]["word"] < 0.5 < table["upper"]["word"]


def test_rows_of_one_user_are_one_witness(outcomes: np.ndarray) -> None:
    X = pd.DataFrame({"number": outcomes})
    assert told(X, outcomes)["lower"].iloc[0] > 0.9
    users = np.where(outcomes == 1, np.arange(len(outcomes)) % 2, 5 + np.arange(len(outcomes)))
    row = told(X, outcomes, users).iloc[0]
    assert row["bad"] == 2
    assert float(row["lower"]) < 0.7


@pytest.mark.parametrize("true", [0.5, 0.75, 0.88])
def test_the_interval_holds_the_truth_also_for_few_cases(true: float) -> None:
    rng, shift = np.random.default_rng(3), _shift(true)
    draws, missed = 400, 0
    for _ in range(draws):
        bad, good = int(rng.integers(3, 40)), int(rng.integers(40, 200))
        score = np.concatenate([rng.normal(shift, 1, bad), rng.normal(0, 1, good)])
        lower, upper = auc_bounds(auc(np.repeat([1, 0], [bad, good]), score), bad, good)
        missed += not lower <= true <= upper
    # 99 % is promised: more than twice as many misses has a chance below one in a hundred.
    assert missed <= 2 * 0.01 * draws + 1


def test_bounds_are_mirrored_and_shrink_with_cases() -> None:
    low, high = auc_bounds(0.8, 30, 300)
    mirrored = auc_bounds(0.2, 30, 300)
    assert mirrored == pytest.approx((1 - high, 1 - low))
    assert auc_bounds(0.8, 300, 3_000)[0] > low
    assert auc_bounds(1.0, 2, 1_000)[0] < 0.6


def _shift(true: float) -> float:
    """Distance of two normal classes whose AUC is `true`."""
    from scipy.stats import norm

    return float(np.sqrt(2) * norm.ppf(true))
