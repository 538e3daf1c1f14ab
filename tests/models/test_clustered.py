import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import t as student

from data.errors import ContractError
from models.bootstrap import Interval, user_codes
from models.clustered import clustered_mean


def slow_interval(scores: list[float], users: list[int], level: float) -> tuple[float, float]:
    """The same interval from the definitions: loops over users, Hall solved by search."""
    n, mean = len(scores), sum(scores) / len(scores)
    sums: dict[int, float] = {}
    for score, user in zip(scores, users, strict=True):
        sums[user] = sums.get(user, 0.0) + score - mean
    g = len(sums)
    y = [s * g / n for s in sums.values()]
    sd = (sum(v * v for v in y) / (g - 1)) ** 0.5
    skew, kurt = (sum((v / sd) ** k for v in y) / g for k in (3, 4))
    free = min(max(2 * g / (kurt - 1), 1), g - 1) if kurt > 1 else g - 1
    q = student.ppf((1 + level) / 2, free) / g**0.5

    def hall(w: float) -> float:
        return float(w + skew * w**2 / 3 + skew**2 * w**3 / 27 + skew / (6 * g))

    low, high = (mean - sd * brentq(lambda w, x=x: hall(w) - x, -1e4, 1e4) for x in (q, -q))
    return low, high


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(-40, 400)), min_size=4, max_size=30),
    st.sampled_from([0.8, 0.95]),
)
def test_the_interval_is_that_of_the_definitions(rows: list[tuple[int, int]], level: float) -> None:
    users, scores = [u for u, _ in rows], [float(s) for _, s in rows]
    mean = sum(scores) / len(scores)
    sums = {u: sum(s - mean for w, s in rows if w == u) for u in users}
    if len(sums) < 2 or max(abs(s) for s in sums.values()) < 1e-6:
        return
    found = clustered_mean(scores, users, level)
    low, high = slow_interval(scores, users, level)
    assert found.lower == pytest.approx(low, rel=1e-4, abs=1e-3)
    assert found.upper == pytest.approx(high, rel=1e-4, abs=1e-3)
    assert found.lower <= found.value <= found.upper


def test_equal_scores_leave_no_doubt_and_one_user_all_of_it() -> None:
    assert clustered_mean([2.0, 2.0, 2.0], [1, 2, 2]) == Interval(2.0, 2.0, 2.0)
    with pytest.raises(ContractError, match="3 rows of 1 user have no interval"):
        clustered_mean([1.0, 2.0, 3.0], ["u", "u", "u"])


def test_two_nulls_are_two_people() -> None:
    assert sorted(user_codes(np.array(["a", None, None, "a"], object)).tolist()) == [0, 0, 1, 2]


def test_rows_of_one_user_are_not_independent() -> None:
    """Coverage with 20 equal rows a user; taken for independent they cover far too rarely."""
    rng, users = np.random.default_rng(1), np.repeat(np.arange(60), 20)
    n, hits = 400, np.zeros(2)
    for _ in range(n):
        scores = np.repeat(rng.standard_normal(60), 20) + 0.3 * rng.standard_normal(1200)
        for k, cluster in enumerate((users, np.arange(1200))):
            found = clustered_mean(scores, cluster)
            hits[k] += found.lower <= 0 <= found.upper
    covered, naive = hits / n
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / n)
    assert naive < 0.6


def test_few_large_losses_are_covered() -> None:
    """950 rows with 2 % losses of heavy tails: the normal interval covers 84 %."""
    rng, n, hits = np.random.default_rng(2), 500, 0
    truth = -0.02 * np.exp(9.4 + 0.9**2 / 2) + 0.98 * 700
    for _ in range(n):
        loss = rng.random(950) < 0.02
        scores = np.where(loss, -rng.lognormal(9.4, 0.9, 950), 700.0)
        found = clustered_mean(scores, np.arange(950))
        hits += found.lower <= truth <= found.upper
    assert hits / n > 0.95 - 4 * np.sqrt(0.95 * 0.05 / n)
