"""Incidence curves against a slow twin, a derivative by hand, and planted truth."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ContractError
from models.incidence import Incidence, incidence, influence, seen

CASES = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from(["a", "b"]),
              st.sampled_from([1.0, 2.0, 0.5])),
    min_size=1, max_size=25,
)  # fmt: skip


def slow(rows: list[tuple[int, int, str, float]], age: float, cause: str) -> float:
    """The curve by its definition: step by step, counting who is still open."""
    left, curve = 1.0, 0.0
    for t in range(13):
        if t > age:
            break
        at_risk = sum(w for d, a, _, w in rows if min(d, a) >= t)
        now = {c: sum(w for d, a, k, w in rows if d == t <= a and k == c) for c in "ab"}
        if at_risk:
            curve += left * now[cause] / at_risk
            left *= 1 - sum(now.values()) / at_risk
    return curve


def columns(rows: list[tuple[int, int, str, float]]) -> list[Any]:
    d, a, c, w = (np.array(x) for x in zip(*rows, strict=True))
    return [d.astype(float), a.astype(float), c, w.astype(float)]


@given(rows=CASES, age=st.integers(0, 12))
def test_the_curves_are_those_of_the_definition(rows: Any, age: int) -> None:
    found = incidence(seen(*columns(rows)))
    for cause in found.names:
        assert np.isclose(found.at(age, cause), slow(rows, age, cause), atol=1e-12)
    assert np.isclose(found.at(age), sum(slow(rows, age, c) for c in "ab"), atol=1e-12)


@given(rows=CASES, age=st.integers(0, 12), of=st.sampled_from([(), ("a",), ("b",)]))
def test_the_influence_is_the_derivative_in_the_weight(rows: Any, age: int, of: Any) -> None:
    days, ages, cause, weight = columns(rows)
    cases = seen(days, ages, cause, weight)
    if not set(of) <= set(cases.names):
        return

    def value(w: Any) -> float:
        found: Incidence = incidence(seen(days, ages, cause, w))
        return float(sum(found.at(age, c) for c in of or found.names))

    curve = incidence(cases)
    told = influence(cases, curve, curve.times <= age, of)
    for i in range(len(rows)):
        step = np.zeros(len(rows))
        step[i] = 1e-6
        slope = (value(weight + step) - value(weight - step)) / 2e-6
        assert np.isclose(told[i], slope * weight[i], atol=1e-5)


def test_young_cases_are_neither_good_nor_left_out() -> None:
    rng = np.random.default_rng(0)
    n = 40_000
    bad, delay, age = rng.random(n) < 0.1, rng.uniform(0, 60, n), rng.uniform(0, 120, n)
    days = np.where(bad, delay, np.nan)
    cases = seen(days, age)
    found = incidence(cases)
    error = np.sqrt((influence(cases, found, found.times <= 60) ** 2).sum())
    assert abs(found.at(60) - 0.1) < 4 * error
    assert abs((days <= age).mean() - 0.1) > 4 * error  # young cases called good
    old = age >= 60
    alone = np.sqrt(0.1 * 0.9 / old.sum())
    assert error < 0.95 * alone  # and they say something: less error than the old ones alone


def test_equal_weights_are_repeated_rows() -> None:
    rows = [(3, 9, "a", 2.0), (9, 4, "b", 1.0), (5, 12, "b", 3.0), (9, 12, "a", 1.0)]
    many = [(*r[:3], 1.0) for r in rows for _ in range(int(r[3]))]
    one, other = (incidence(seen(*columns(r))) for r in (rows, many))
    assert np.allclose(one.curves, other.curves)


@pytest.mark.parametrize(
    ("days", "age", "cause", "complaint"),
    [
        ([], [], None, "no case"),
        ([1.0], [-1.0], None, "below 0"),
        ([1.0], [np.nan], None, "below 0"),
        ([-1.0], [5.0], None, "before its case"),
        ([1.0], [5.0], [None], "without a cause"),
    ],
)
def test_bad_input(days: Any, age: Any, cause: Any, complaint: str) -> None:
    with pytest.raises(ContractError, match=complaint):
        seen(days, age, cause)


def test_nothing_happened_yet() -> None:
    cases = seen([np.nan, 9.0], [5.0, 8.0])
    found = incidence(cases)
    assert found.at([0, 60]).tolist() == [0.0, 0.0]
    assert influence(cases, found, []).tolist() == [0.0, 0.0]
