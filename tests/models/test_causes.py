import json

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from models.causes import as_json, cause_shares, causes_of_json, clawback_cost, fit_causes

COST = {"withdrawn": 100.0, "return_missing": 1_000.0}


def _clawed(n: int = 2_000) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kind = rng.choice(["self_ship", "pickup"], n)
    missing = rng.random(n) < np.where(kind == "self_ship", 0.8, 0.3)
    cause = np.where(missing, "return_missing", "withdrawn")
    return pd.DataFrame({"return_method": kind, "cause": cause})


def test_shares_sum_to_one_and_follow_the_segment() -> None:
    table = pd.DataFrame({"return_method": ["self_ship", "pickup", "new"]}, index=[5, 6, 7])
    shares = cause_shares(fit_causes(_clawed(), ["return_method"]), table)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares["return_missing"], [0.8, 0.3, 0.55], atol=0.04)
    assert shares.index.tolist() == [5, 6, 7]


def test_expected_cost_is_what_the_cases_cost() -> None:
    clawed = _clawed()
    mix = fit_causes(clawed, ["return_method"])
    expected = clawback_cost(np.ones(len(clawed)), mix, clawed, COST).sum()
    assert expected == pytest.approx(clawed["cause"].map(COST).sum(), rel=0.005)
    half = clawback_cost(np.full(len(clawed), 0.5), mix, clawed, COST).sum()
    assert half == pytest.approx(expected / 2)


def test_weighted_cases_stand_for_more() -> None:
    clawed = pd.DataFrame({"cause": ["withdrawn", "return_missing"], "weight": [3.0, 1.0]})
    shares = cause_shares(fit_causes(clawed, []), clawed)
    assert shares["withdrawn"].tolist() == [0.75, 0.75]


def test_json_keeps_the_mix() -> None:
    mix = fit_causes(_clawed(100), ["return_method"])
    assert causes_of_json(json.loads(json.dumps(as_json(mix)))) == mix


def test_a_cause_without_a_cost_is_named() -> None:
    mix = fit_causes(_clawed(100), [])
    with pytest.raises(UsageError, match="no cost for a claw-back by 'return_missing'"):
        clawback_cost([0.1], mix, _clawed(1), {"withdrawn": 1.0})


def test_no_case_and_a_case_without_a_cause() -> None:
    for clawed in (_clawed()[:0], pd.DataFrame({"cause": ["withdrawn", None]})):
        with pytest.raises(ContractError, match="no claw-back, or one without a cause"):
            fit_causes(clawed, [])
