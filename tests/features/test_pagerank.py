"""PageRank equals a dense solve, leaves the own walker out, and is local, weighted and past."""

from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from data.ledger import ledger_of
from features.declarations import Events, Links
from features.pagerank import personalised_pagerank

WAY, BADS = Links("way", {"device_id": 4, "address_id": 3}), Events("bads", "bad")
CUT = pd.Timestamp("2026-01-05", tz="UTC")


def world(rng: Random, n: int) -> pd.DataFrame:
    day = pd.to_datetime([f"2026-01-0{rng.randrange(1, 9)}" for _ in range(n)], utc=True)
    return pd.DataFrame(
        {
            "event_id": [f"e{k}" for k in range(n)],
            "event_type": [rng.choice(["ask", "ask", "bad"]) for _ in range(n)],
            "event_ts": day,
            "known_ts": day,
            "user_id": pd.Series([rng.choice([*"abcdefgh", None]) for _ in range(n)], dtype="str"),
            "device_id": pd.Series(
                [rng.choice(["p", "q", "r", None]) for _ in range(n)], dtype="str"
            ),
            "address_id": pd.Series([rng.choice([*"stuvwx", None]) for _ in range(n)], dtype="str"),
        }
    )


def solved(events: pd.DataFrame, damping: float) -> dict[str, float]:
    """The same by a dense inverse, one bad user after the other."""
    past = events[events["known_ts"] < CUT].dropna(subset="user_id")
    users = sorted(past["user_id"].unique())
    step = np.zeros((len(users), len(users)))
    for column, cap in WAY.caps.items():
        for _, found in past.groupby(column)["user_id"]:
            sharing = sorted(found.unique())
            for u in sharing if 2 <= len(sharing) <= cap else []:
                for v in set(sharing) - {u}:
                    step[users.index(v), users.index(u)] += 1 / (len(sharing) - 1)
    step /= np.maximum(step.sum(axis=0), 1e-300)
    stops = (1 - damping) * np.linalg.inv(np.eye(len(users)) - damping * step)
    bad = set(past.loc[past["event_type"] == "bad", "user_id"])
    return {u: sum(stops[users.index(u), users.index(b)] for b in bad - {u}) for u in users}


@given(
    rng=st.randoms(use_true_random=True),
    damping=st.sampled_from([0.3, 0.85]),
    tolerance=st.sampled_from([1e-4, 1e-9]),
)
def test_it_equals_a_dense_solve_with_the_own_walker_left_out(
    rng: Random, damping: float, tolerance: float
) -> None:
    events = world(rng, rng.choice([4, 15, 40]))
    found = personalised_pagerank(
        ledger_of(events), WAY, BADS, CUT, damping=damping, tolerance=tolerance
    )
    expected = solved(events, damping)
    assert list(found.index) == list(expected)
    np.testing.assert_allclose(found, list(expected.values()), atol=10 * tolerance)


@given(rng=st.randoms(use_true_random=True))
def test_it_sees_nothing_of_what_becomes_known_at_its_moment_or_later(rng: Random) -> None:
    events = world(rng, 30)
    past = events[events["known_ts"] < CUT]
    whole = personalised_pagerank(ledger_of(events), WAY, BADS, CUT)
    alone = personalised_pagerank(ledger_of(past), WAY, BADS, CUT)
    pd.testing.assert_series_equal(whole, alone, check_exact=True, check_index_type=False)


def pairs(*found: tuple[str, str, str]) -> pd.DataFrame:
    """Events (user, device, type) of the day before the cut."""
    users, devices, types = zip(*found, strict=True)
    rows = pd.DataFrame({"user_id": users, "device_id": devices, "event_type": types})
    return rows.assign(known_ts=CUT - pd.Timedelta("1D"), event_ts=CUT - pd.Timedelta("1D"))


def test_one_hop_is_what_the_users_of_the_own_identities_are_weighed_by_their_number() -> None:
    way = Links("way", {"device_id": 4})
    events = pairs(("a", "p", "bad"), ("b", "p", "ask"), ("c", "q", "bad"), ("d", "q", "ask"),
                   ("e", "q", "ask"), ("f", "r", "ask"))  # fmt: skip
    found = personalised_pagerank(ledger_of(events), way, BADS, CUT, damping=0.5, steps=1)
    assert found.to_dict() == {"a": 0, "b": 0.25, "c": 0, "d": 0.125, "e": 0.125, "f": 0}


def test_an_unlinked_bad_user_elsewhere_changes_nobody() -> None:
    way = Links("way", {"device_id": 4})
    events = pairs(("a", "p", "bad"), ("b", "p", "ask"))
    more = pd.concat([events, pairs(("z", "y", "bad"))])
    one, two = (personalised_pagerank(ledger_of(e), way, BADS, CUT) for e in (events, more))
    pd.testing.assert_series_equal(one, two[["a", "b"]])


@pytest.mark.parametrize("wrong", [{"damping": 1.0}, {"tolerance": 0.0}, {"steps": 0}])
def test_what_cannot_be_meant_is_a_clear_error(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is"):
        personalised_pagerank(ledger_of(pairs(("a", "p", "bad"))), WAY, BADS, CUT, **wrong)  # type: ignore[arg-type]
