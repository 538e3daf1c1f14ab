from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from models.boosting import check_params
from models.risk import RiskModel
from models.tune import tune

SPACE: dict[str, Any] = {
    "num_leaves": (4, 15),
    "learning_rate": (0.1, 0.3),
    "max_bin": [15, 255],
    "monotone_constraints_method": ["basic", "intermediate"],
}
SPAN = timedelta(days=20)


@pytest.fixture(scope="module")
def table(draw: Callable[[int, int], Any]) -> tuple[pd.DataFrame, np.ndarray, "pd.Series[Any]"]:
    X, y, _ = draw(3_000, 0)
    days = pd.to_timedelta(np.arange(3_000) * 100 / 3_000, unit="D").round("s")
    return X, y, pd.Series(pd.Timestamp("2025-01-01", tz="UTC") + days)


def _tune(table: Any, **changes: Any) -> dict[str, Any]:
    X, y, times = table
    settings: dict[str, Any] = {"space": SPACE, "n_trials": 3, "folds": 2, "span": SPAN}
    settings |= {"monotone": {"claims": 1}, "num_threads": 1}
    return tune(X, y, times, **(settings | changes))


def test_the_answer_is_a_plain_dictionary_that_a_model_takes(table: Any) -> None:
    params = _tune(table)
    assert set(params) == {*SPACE, "n_estimators"}
    assert all(type(v) in (int, float, str) for v in params.values())
    assert 4 <= params["num_leaves"] <= 15
    check_params(params)
    RiskModel(params=params, num_threads=1).fit(*table[:2])


def test_the_same_seed_gives_the_same_answer_in_any_order_of_rows(table: Any) -> None:
    X, y, times = table
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = (X.iloc[order], y[order], times.iloc[order])
    bagged = {"bagging_fraction": 0.5, "bagging_freq": 1}  # drawn by the place of a row
    assert _tune(table, seed=3, start=bagged) == _tune(shuffled, seed=3, start=bagged)


def test_the_start_is_tried_and_what_is_not_searched_is_kept(table: Any) -> None:
    start = {"num_leaves": 5, "learning_rate": 0.2, "lambda_l2": 3.0, "n_estimators": 9}
    params = _tune(table, start=start, n_trials=1)
    assert params["num_leaves"] == 5
    assert params["learning_rate"] == 0.2
    assert params["lambda_l2"] == 3.0


def test_later_time_is_what_counts(table: Any) -> None:
    X, y, times = table
    # Early on "noise" tells everything and later nothing: deep trees on it must not win.
    early = (times < times.iloc[1_000]).to_numpy()
    X = X.assign(noise=np.where(early, y + 0.1 * X["noise"], X["noise"]))
    losses: list[float] = []
    tune(
        X,
        y,
        times,
        space={"num_leaves": (2, 31)},
        n_trials=2,
        folds=2,
        span=SPAN,
        num_threads=1,
        progress=lambda _, best: losses.append(best),
    )
    base = y[~early].mean()
    entropy = -(base * np.log(base) + (1 - base) * np.log(1 - base))
    assert losses[-1] > 0.8 * entropy  # a random split would say nearly 0
    assert losses == sorted(losses, reverse=True)


def test_without_signs_no_method_for_them_is_searched(table: Any) -> None:
    assert "monotone_constraints_method" not in _tune(table, monotone=None, n_trials=1)


def test_what_cannot_be_tuned(table: Any) -> None:
    X, y, times = table
    with pytest.raises(UsageError, match="did you mean 'num_leaves'"):
        _tune(table, space={"num_leafs": (2, 3)})
    with pytest.raises(ContractError, match="no decisions"):
        _tune(table, folds=9)
    with pytest.raises(ContractError, match="only one class"):
        _tune((X, np.where(np.arange(3_000) < 1_900, y, 0), times))
