"""The incentive effect of made-up returns whose effect is known."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Interval
from pipelines.arms import Returns, incentive

ACTIONS = np.array(["instant", "after_inspection", "at_first_scan"], object)
USERS, EFFECT = 6_000, 0.1


def returns(
    seed: int = 0, sure: float = 0.0, reacts: float = 0.0, undecided: float = 0.0
) -> Returns:
    """Two returns a user; the later one is `reacts` worse if the earlier one was paid at once."""
    rng, n = np.random.default_rng(seed), 2 * USERS
    risk = rng.random(n)
    p = np.column_stack([0.7 - 0.5 * risk, 0.1 + 0.5 * risk, np.full(n, 0.2)])
    drawn = (np.cumsum(p, axis=1)[:, :-1] < rng.random((n, 1))).sum(axis=1)
    action, prob = ACTIONS[drawn], p[np.arange(n), drawn]
    fixed = rng.random(n) < sure
    action, prob = np.where(fixed, "instant", action), np.where(fixed, 1.0, prob)
    paid = action == "instant"
    earlier = np.append(np.zeros(USERS, bool), paid[:USERS])
    lost = rng.random(n) < 0.05 + 0.3 * risk + EFFECT * paid + reacts * earlier
    unknown = rng.random(n) < undecided
    return Returns(
        users=np.tile(np.arange(USERS), 2),
        action=np.where(unknown, "", action).astype(object),
        prob=np.where(unknown, 1.0, prob),
        came=~lost,
        X=risk[:, None],
        money=np.ones(n),
    )


def whole(name: str = "all") -> dict[str, NDArray[np.bool_]]:
    return {name: np.ones(2 * USERS, bool)}


def near(found: Interval | None, truth: float = EFFECT) -> bool:
    """Within four standard errors."""
    return found is not None and abs(found.value - truth) < found.upper - found.lower


def test_the_effect_is_found_with_its_parts() -> None:
    low = np.arange(2 * USERS) % 2 == 0
    lonely, nobody = np.arange(2 * USERS) % USERS == 5, np.zeros(2 * USERS, bool)
    found = incentive(returns(), {"even": low, "lonely": lonely, "nobody": nobody})
    assert near(found.effect)
    assert found.plain is not None
    assert found.plain.upper < EFFECT  # the riskier are held
    assert not found.reacting
    assert found.drawn == 1
    assert found.segments["lonely"] == "2 requests of 1 user"
    assert set(found.segments) == {"even", "lonely"}


def test_what_was_decided_for_certain_is_left_to_the_bounds() -> None:
    found = incentive(returns(sure=0.3), whole())
    assert 0.65 < found.drawn < 0.75
    assert near(found.effect)
    assert found.bounds is not None
    assert found.bounds.lower < EFFECT < found.bounds.upper
    assert found.bounds.high - found.bounds.low > 0.25  # their held arm may be anything


def test_users_who_react_are_seen() -> None:
    found = incentive(returns(reacts=0.2), whole())
    assert found.reacting
    assert near(found.carried, 0.2)


def test_without_a_draw_or_without_an_arm_there_is_no_figure() -> None:
    sure = incentive(returns(sure=1.0), whole())
    assert sure.effect is None
    assert sure.reasons[0].startswith("every decision was taken for certain")
    one = returns()
    paid_only = one.take(one.action != "after_inspection")
    found = incentive(paid_only, {"all": np.ones(len(paid_only.users), bool)})
    assert found.effect is None
    assert any(reason.startswith("after_inspection: ") for reason in found.reasons)
    assert found.bounds is not None


def test_a_few_undecided_are_left_out_and_many_are_refused() -> None:
    few = incentive(returns(undecided=0.005), whole())
    assert near(few.effect)
    many = incentive(returns(undecided=0.05), whole())
    assert many.effect is None
    assert "have no logged propensity" in many.reasons[0]


def test_no_return_at_all() -> None:
    found = incentive(returns().take(np.zeros(2 * USERS, bool)), {})
    assert (found.requests, found.effect, found.bounds, found.plain) == (0, None, None, None)
    assert found.reasons == ("no return is old enough",)


def test_an_arm_in_which_all_came_does_not_say_how_rare_the_others_are() -> None:
    some = returns().take(np.arange(2 * USERS) < 300)
    held = some.action == "after_inspection"
    found = incentive(replace(some, came=some.came | held), {"all": np.ones(300, bool)})
    assert found.effect is None
    (told,) = found.reasons
    assert told.startswith(f"after_inspection: all of the {held.sum()} returns came")
    assert found.bounds is not None


def test_what_was_not_logged_was_not_drawn() -> None:
    some = returns()
    assert incentive(replace(some, prob=np.full(2 * USERS, np.nan)), whole()).drawn == 0
