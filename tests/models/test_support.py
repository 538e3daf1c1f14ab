import numpy as np

from models.propensities import Weights
from models.support import coverage, objections

N = 2_000


def found(**changes: np.ndarray) -> Weights:
    follows = np.random.default_rng(0).random(N) < 0.25
    none = np.zeros(N, bool)
    parts = {"weight": follows * 4.0, "missing": none, "impossible": none}
    return Weights(**(parts | changes))


def reasons(weights: Weights, parts: dict[str, np.ndarray] | None = None) -> list[str]:
    rows, users = np.ones(N, bool), np.arange(N)
    seen = coverage(weights, rows, users, parts or {})
    return objections(weights, rows, seen, np.ones(N))


def test_nothing_speaks_against_a_supported_policy() -> None:
    assert reasons(found()) == []


def test_what_was_decided_for_certain_has_no_support() -> None:
    sure = np.arange(N) < 5
    (told,) = reasons(found(impossible=sure))
    assert told.startswith("5 of 2,000 requests with 0.2% of the money were decided another way")


def test_a_segment_without_a_match_is_seen_although_the_whole_looks_well() -> None:
    weight = found().weight
    part = np.arange(N) < 150
    weight = np.where(part, 0.0, weight)
    told = reasons(found(weight=weight), {"small": part})
    assert any(reason.startswith("segment small") for reason in told)
    assert not any(reason.startswith("segment all") for reason in told)


def test_doubt_needs_the_rows_that_the_level_asks_for() -> None:
    weight = found().weight
    for n, doubted in ((10, False), (40, True)):
        part = np.arange(N) < n
        told = reasons(found(weight=np.where(part, 0.0, weight)), {"small": part})
        assert bool(told) is doubted


def test_one_in_a_hundred_may_be_missing_and_no_more() -> None:
    assert reasons(found(missing=np.arange(N) < 20)) == []
    (told,) = reasons(found(missing=np.arange(N) < 21))
    assert told.startswith("1.1% of the requests have no logged propensity or no known outcome")


def test_few_followed_are_too_few() -> None:
    weight = np.where(np.arange(N) < 10, N / 10, 0.0)
    (told,) = reasons(found(weight=weight))
    assert "worth 10.0 equally weighted ones, 20 are needed" in told


def test_a_segment_of_one_user_has_no_figure() -> None:
    users = np.where(np.arange(N) < 50, 0, np.arange(N))
    seen = coverage(found(), np.ones(N, bool), users, {"lonely": np.arange(N) < 50})
    lonely = seen[1]
    assert (lonely.users, lonely.doubted) == (1, False)
    assert np.isnan([lonely.mean_weight, lonely.effective]).all()


def test_a_policy_that_advances_nobody_needs_no_support() -> None:
    assert objections(found(), np.zeros(N, bool), (), np.ones(N)) == []
