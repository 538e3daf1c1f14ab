import numpy as np
import pytest

from models.bootstrap import Comparison, compare, draw_users, user_bootstrap
from models.calibration import expit
from models.metrics import log_loss, loss_captured


def _mean(x: np.ndarray, weight: np.ndarray) -> float:
    return float(weight @ x / weight.sum())


def _clustered(seed: int, users: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Values whose user's part is as large as their own; users of 1 to 9 rows; mean 0."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rng.integers(1, 10, users))
    return rng.normal(size=users)[user] + rng.normal(size=user.size), user


def test_user_intervals_cover_the_truth_and_row_intervals_do_not() -> None:
    hits = {"users": 0, "rows": 0}
    for seed in range(120):
        x, user = _clustered(seed)
        for name, unit in {"users": user, "rows": np.arange(x.size)}.items():
            found = user_bootstrap(_mean, x, users=unit, draws=120, level=0.9, random_state=seed)
            hits[name] += found.lower <= 0 <= found.upper
    # 120 trials at 0.9: two standard errors are 0.055.
    assert hits["users"] / 120 > 0.84
    assert hits["rows"] / 120 < 0.75


def test_rows_of_a_user_are_drawn_together_and_a_null_is_its_own_user() -> None:
    users = np.array(["a", "a", "b", None, None], dtype=object)
    draws = np.array(list(draw_users(users, 200, 0)))
    assert (draws[:, 0] == draws[:, 1]).all()
    assert (draws[:, 3] != draws[:, 4]).any()
    assert (draws[:, [0, 2, 3, 4]].sum(axis=1) == 4).all()


def test_the_same_seed_gives_the_same_interval() -> None:
    x, user = _clustered(1)
    a, b, c = (user_bootstrap(_mean, x, users=user, draws=50, random_state=s) for s in (1, 1, 2))
    assert a == b != c
    assert a.value == pytest.approx(x.mean())


def _two_models(noise: float) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(5)
    user = rng.integers(0, 800, 4_000)
    logit = rng.normal(-2, 1.5, 4_000)
    y = (rng.random(4_000) < expit(logit)).astype(float)
    worse = expit(logit + noise * rng.normal(size=4_000))
    return y, expit(logit), worse, y * rng.lognormal(8, 0.5, 4_000), user


def test_a_better_model_is_found_better_and_a_worse_one_is_not() -> None:
    y, good, bad, loss, user = _two_models(2.0)
    up = compare(y, bad, good, users=user, loss=loss, draws=200)
    down = compare(y, good, bad, users=user, loss=loss, draws=200)
    assert up.better()
    assert not down.better(epsilon=0.0)
    assert up.log_loss == pytest.approx(log_loss(y, bad) - log_loss(y, good))
    more = loss_captured(loss, good) - loss_captured(loss, bad)
    assert up.captured == pytest.approx(more)
    assert up.log_loss_lower < up.log_loss
    assert up.captured_lower < up.captured


def test_the_same_model_is_not_better() -> None:
    y, good, _, loss, user = _two_models(0.0)
    same = compare(y, good, good, users=user, loss=loss, draws=50)
    assert same == Comparison(0.0, 0.0, 0.0, 0.0)
    assert not same.better(epsilon=0.01)


@pytest.mark.parametrize(
    ("lower", "better"),
    [((0.1, -0.005), True), ((0.1, -0.02), False), ((-0.001, -0.001), False), ((0, 0.1), True)],
)
def test_the_gate_wants_both_near_and_one_above(lower: tuple[float, float], better: bool) -> None:
    assert Comparison(0.2, lower[0], 0.2, lower[1]).better(epsilon=0.01) is better
