import json

import numpy as np
import pytest

from models.calibration import expit, logit
from models.lost import LostShare, as_json, fit_lost, lost_of_json, lost_share


def test_the_share_lost_follows_the_planted_line_and_the_fault() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    p = rng.beta(1, 6, n)
    abuse = rng.random(n) < 0.5
    chance = np.where(abuse, expit(0.5 + 0.3 * logit(p)), 0.02)
    lost = (rng.random(n) < chance).astype(np.float64)
    model = fit_lost(lost, abuse, p)
    assert model.other == pytest.approx(0.02, abs=4 * np.sqrt(0.02 / (n / 2)))
    # The slope's error: 1 / sqrt(n var(x) share (1 - share)).
    spread = np.var(logit(p[abuse])) * np.mean(chance[abuse] * (1 - chance[abuse])) * abuse.sum()
    assert model.slope == pytest.approx(0.3, abs=4 / np.sqrt(spread))
    low, high = lost_share(model, np.ones(2), np.array([0.005, 0.5]))
    constant = lost[abuse].mean()
    assert low < 0.75 * constant < constant < high  # one share for all is far off at both ends


def test_a_mean_over_the_cases_it_was_fitted_on_is_theirs() -> None:
    rng = np.random.default_rng(1)
    p, lost = rng.beta(1, 6, 500), rng.choice([0.0, 0.4, 1.0], 500)
    abuse = rng.random(500) < 0.4
    fitted = lost_share(fit_lost(lost, abuse, p), abuse.astype(np.float64), p)
    assert fitted[abuse].mean() == pytest.approx(lost[abuse].mean(), abs=1e-6)
    assert fitted[~abuse].mean() == pytest.approx(lost[~abuse].mean())


@pytest.mark.parametrize(
    ("lost", "abuse", "expected"),
    [
        ([], [], [1.0, 1.0]),
        ([0.2, 0.4], [False, False], [0.3, 0.3]),
        ([1.0, 1.0], [True, True], [1.0, 1.0]),
        ([0.0, 0.0, 0.1], [True, True, False], [0.1, 0.0]),
    ],
)
def test_a_kind_without_cases_borrows_the_mean_of_all(
    lost: list[float], abuse: list[bool], expected: list[float]
) -> None:
    p = np.full(len(lost), 0.1)
    model = fit_lost(np.array(lost), np.array(abuse, bool), p)
    found = lost_share(model, np.array([0.0, 1.0]), np.array([0.1, 0.1]))
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_json_gives_the_same_bits_back() -> None:
    model = LostShare(other=0.1 + 0.2, level=1 / 3, slope=-0.07)
    assert lost_of_json(json.loads(json.dumps(as_json(model)))) == model
