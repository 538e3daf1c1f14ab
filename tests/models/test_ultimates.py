"""Ultimates of young vintages: laws, refusals, and what happens when the future changes."""

import re
from typing import Any

import numpy as np
import pytest

from models.ultimates import Cases, _projection, cases_of, triangle, ultimate, vintages

HORIZON, LOOK = 60.0, 500.0


def world(seed: int = 0, n: int = 8_000, rate: float = 0.06) -> Cases:
    rng = np.random.default_rng(seed)
    start = np.sort(rng.uniform(0, LOOK, n))
    bad = np.where(rng.random(n) < rate, rng.uniform(0, HORIZON, n), np.nan)
    return cases_of(start, bad, rng.integers(0, n // 3, n))


def test_an_old_vintage_is_what_it_is() -> None:
    cases = world()
    here = (cases.start >= 400) & (cases.start < 430)
    found = ultimate(cases, 400, 430, LOOK, HORIZON)
    assert found.rate == pytest.approx((cases.bad[here] <= HORIZON).mean())
    assert found.share == pytest.approx(1.0)
    assert found.known == pytest.approx(found.rate)
    assert found.lower < found.rate < found.upper


def test_a_young_vintage_is_not_called_good() -> None:
    found = ultimate(world(), 455, 485, LOOK, HORIZON)
    assert found.share == pytest.approx(0.5, abs=0.05)  # uniform delays, 15 to 45 of 60 days old
    assert found.known < found.lower < 0.06 < found.upper


def test_what_became_known_after_the_look_changes_nothing() -> None:
    cases, look = world(), LOOK - 20
    unseen = ~(cases.start + cases.bad < look)
    later = np.where(cases.users % 2 == 0, look - cases.start + 1, np.nan)
    other = np.where(unseen, later, cases.bad)
    more = cases_of(np.append(cases.start, 499.0), np.append(other, 0.5), np.append(cases.users, 0))
    first, again = (ultimate(c, 440, 470, LOOK - 20, HORIZON) for c in (cases, more))
    assert first == again


def test_the_order_of_the_cases_does_not_matter() -> None:
    cases = world()
    order = np.random.default_rng(1).permutation(len(cases.start))
    mixed = Cases(cases.start[order], cases.bad[order], cases.users[order])
    one, other = (ultimate(c, 455, 485, LOOK, HORIZON) for c in (cases, mixed))
    assert one.rate == pytest.approx(other.rate)
    assert one.lower == pytest.approx(other.lower)


def test_a_users_repeated_cases_do_not_narrow_the_interval() -> None:
    cases = world()
    alone = ultimate(cases, 455, 485, LOOK, HORIZON)
    start, bad, users = (np.repeat(a, 4) for a in (cases.start, cases.bad, cases.users))
    four = cases_of(start, bad, users)
    again = ultimate(four, 455, 485, LOOK, HORIZON)
    assert again.lower == pytest.approx(alone.lower, rel=0.02)
    assert again.upper == pytest.approx(alone.upper, rel=0.02)


def test_delays_that_change_from_month_to_month_widen_it_or_refuse() -> None:
    cases = world()
    slow = cases.start // 30 % 2 == 0
    fickle = cases_of(cases.start, np.where(slow, cases.bad, cases.bad / 8), cases.users)
    steady, found = (ultimate(c, 455, 485, LOOK, HORIZON) for c in (cases, fickle))
    assert found.spread > steady.spread + 0.1
    assert found.refused or found.upper / found.lower > steady.upper / steady.lower


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rate": 0.0}, "0 bad cases are known"),
        ({"since": 495, "until": 499}, "bad cases are known|of the outcome is known"),
        ({"first": 450}, "shorter than the horizon"),
        ({"first": 380}, "earlier vintages"),
        ({"since": 700, "until": 730}, "0 bad cases"),
    ],
)
def test_where_nothing_can_be_said_the_reason_is(changes: dict[str, Any], reason: str) -> None:
    cases = world(rate=changes.get("rate", 0.06), n=8_000)
    kept = cases.start >= changes.get("first", 0)
    cases = Cases(cases.start[kept], cases.bad[kept], cases.users[kept])
    found = ultimate(cases, changes.get("since", 455), changes.get("until", 485), LOOK, HORIZON)
    assert re.search(reason, found.refused)
    assert np.isnan([found.rate, found.lower, found.upper]).all()


def test_the_triangle_shows_a_cell_only_when_all_its_cases_are_that_old() -> None:
    cases = world()
    edges = np.arange(380, 501, 30)
    table = triangle(cases, edges, LOOK, [15, 30, 60])
    assert np.isnan(table.to_numpy()).tolist() == [
        [False, False, False], [False, False, False], [False, False, True], [True, True, True],
    ]  # fmt: skip
    here = (cases.start >= 380) & (cases.start < 410)
    assert table[30.0].iloc[0] == (cases.bad[here] <= 30).mean()
    rows = vintages(cases, edges, LOOK, HORIZON)
    assert rows["cases"].sum() == ((cases.start >= 380) & (cases.start < 500)).sum()


@pytest.mark.parametrize("which", ["of the vintage", "of the curve alone"])
def test_a_cases_influence_is_what_one_more_of_it_moves(which: str) -> None:
    """Of the young cases through their own number, of all through the curve that divides it."""
    cases = world(n=3_000, rate=0.2)

    def told(c: Cases) -> tuple[float, np.ndarray]:
        here = (c.start >= 455) & (c.start < 485)
        found = _projection(c, here, LOOK, HORIZON)
        assert not isinstance(found, str)
        return found.log_rate, found.moves

    rate, moves = told(cases)
    inside = (cases.start >= 455) & (cases.start < 485)
    wanted = inside if which == "of the vintage" else (cases.start > 300) & ~inside
    rows = np.flatnonzero(wanted & np.isfinite(cases.bad) & (cases.start + cases.bad < LOOK))[:20]
    seen = []
    for row in rows:
        again = np.append(np.arange(len(cases.start)), row)
        more = Cases(cases.start[again], cases.bad[again], cases.users[again])
        seen.append(told(more)[0] - rate)
    assert np.abs(moves[rows]).max() > 1e-4
    assert np.allclose(seen, moves[rows], rtol=0.15, atol=1e-4)  # one case is no small change
