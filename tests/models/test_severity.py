from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError
from models.calibration import expit
from models.severity import SeverityModel


def _claw_backs(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Cases, unrecovered shares in [0, 1] (many exactly 0 or 1), and amounts with a heavy tail."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"tier": rng.integers(0, 4, n), "channel": rng.choice(["rail", "shop"], n)})
    mean = expit(-1.0 + 0.7 * X["tier"].to_numpy() + (X["channel"] == "shop").to_numpy())
    share = np.where(rng.random(n) < 0.7, rng.random(n) < mean, mean)
    return X, share.astype(float), rng.lognormal(8, 1.0, n).round()


def test_the_money_of_the_calibration_slice_balances() -> None:
    X, share, amount = _claw_backs(2_000)
    times = np.arange(2_000)
    model = SeverityModel(bounds=(0, 1), num_threads=1).fit(
        X, share, sample_weight=amount, times=times
    )
    late = times >= 1_600
    expected = float(model.predict(X[late]) @ amount[late])
    assert expected == pytest.approx(float(share[late] @ amount[late]), rel=1e-9)


def test_money_is_right_on_new_cases_where_the_plain_mean_is_not() -> None:
    X, share, amount = _claw_backs(8_000, 1)
    amount = amount * np.where(X["tier"] == 3, 10, 1)  # dear cases lose more
    model = SeverityModel(bounds=(0, 1), num_threads=1).fit(X, share, sample_weight=amount)
    fresh, lost, money = _claw_backs(8_000, 2)
    money = money * np.where(fresh["tier"] == 3, 10, 1)
    true = lost @ money
    assert model.predict(fresh) @ money / true == pytest.approx(1, abs=0.05)
    assert share.mean() * money.sum() / true < 0.9


def test_shares_stay_in_their_bounds() -> None:
    X, share, _ = _claw_backs(500)
    model = SeverityModel(bounds=(0, 1), num_threads=1, params={"n_estimators": 500}).fit(X, share)
    assert model.predict(X).min() > 0
    assert model.predict(X).max() < 1


def test_only_ratios_of_the_amounts_matter() -> None:
    X, share, amount = _claw_backs(500)
    models = [
        SeverityModel(num_threads=1).fit(X, share, sample_weight=amount * k) for k in (1, 2**-14)
    ]
    np.testing.assert_array_equal(models[0].predict(X), models[1].predict(X))


def test_a_share_outside_its_bounds_is_placed() -> None:
    X, share, _ = _claw_backs(20)
    share[7] = 1250
    with pytest.raises(ContractError, match=r"outside \[0, 1\] \(first: row 7, 1250\)"):
        SeverityModel(bounds=(0, 1)).fit(X, share)


def test_one_value_is_predicted_as_it_is() -> None:
    X, share, _ = _claw_backs(50)
    model: Any = SeverityModel(num_threads=1).fit(X, np.full_like(share, 0.4))
    assert (model.predict(X) == 0.4).all()
