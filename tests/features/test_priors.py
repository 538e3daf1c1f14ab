"""Priors of rates: what was planted is found; what cannot be seen stays as declared."""

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError
from features.declarations import Declaration, Events, Rate, Request, Window, days, rate
from features.priors import HEAVIEST, fit_priors, operands

BAD = Window("user_id", Events("bads", "bad"), "count")
ALL = Window("user_id", Events("alls", "all"), "count")
RATE = rate(BAD, ALL, (0.5, 20), reason="kept")


def fitted(a: "np.ndarray[tuple[int], np.dtype[np.float64]]", b: object) -> tuple[float, float]:
    (found,) = fit_priors([RATE], pd.DataFrame({BAD.name: a, ALL.name: b}))
    assert isinstance(found, Rate)
    assert found.reason == "kept"
    assert found.name == RATE.name
    return found.prior


def test_a_planted_prior_is_found() -> None:
    rng = np.random.default_rng(3)
    support = rng.integers(1, 30, 40_000)
    own = rng.beta(0.1 * 12, 0.9 * 12, len(support))  # mean 0.1, worth 12 cases
    mean, weight = fitted(rng.binomial(support, own).astype(float), support)
    assert mean == pytest.approx(0.1, abs=0.005)  # four standard errors
    assert weight == pytest.approx(12, rel=0.15)


def test_equal_people_get_the_heaviest_prior() -> None:
    rng = np.random.default_rng(4)
    support = rng.integers(1, 30, 2_000)
    flat = np.round(support * 0.5)
    assert fitted(flat, support)[1] == HEAVIEST


def test_without_support_the_declared_prior_stays() -> None:
    assert fitted(np.zeros(3), np.zeros(3)) == (0.5, 20)
    assert fitted(np.array([np.nan]), np.ones(1)) == (0.5, 20)


def test_a_ratio_that_is_no_share_keeps_its_weight() -> None:
    assert fitted(np.array([4.0, 0.0]), np.ones(2)) == (2.0, 20)


def test_operands_are_what_the_fit_asks_for() -> None:
    later = Window("user_id", Events("alls", "all"), "count", over=days(7))
    nested: list[Declaration] = [RATE - later, Request("amount_cents"), rate(BAD, later, (0.1, 1))]
    names = [d.name for d in operands(nested)]
    assert names == [BAD.name, ALL.name, later.name]
    X = pd.DataFrame(1.0, index=range(3), columns=names)
    assert [d.name for d in fit_priors(nested, X)] == [d.name for d in nested]
    with pytest.raises(ContractError, match="are missing"):
        fit_priors(nested, X[names[:2]])
