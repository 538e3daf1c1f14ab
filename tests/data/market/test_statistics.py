"""Claims about rates; every tolerance comes from the number of cases."""

import numpy as np
import pandas as pd
import pytest

from data.market import World, simulate
from data.market.fates import fates
from data.market.policy import WEEK, logging_policy
from data.market.world import ACTIONS

Z = 4.0  # standard errors: one false alarm in 16,000


@pytest.fixture(scope="module")
def decided(events: pd.DataFrame) -> pd.DataFrame:
    rows = events[events["event_type"] == "advance_decided"]
    return rows.set_index(rows["case_id"].astype("int64"))


def close(observed: float, p: "pd.Series[float]") -> bool:
    """Whether a count is within its binomial error of the sum of probabilities."""
    return bool(abs(observed - p.sum()) <= Z * np.sqrt((p * (1 - p)).sum()) + 1e-9)


def test_realised_fates_match_the_truth_under_every_action(
    world: World, truth: pd.DataFrame
) -> None:
    book = fates(world)
    abuse = dict(zip(book.names, book.abuse & ~book.late, strict=True))
    claw = dict(zip(book.names, (book.cause >= 0) & ~book.late, strict=True))
    name = truth["fate_instant"].astype("str")
    assert close(name.map(abuse).sum(), truth["p_abuse_instant"])
    assert close(name.map(claw).sum(), truth["p_claw_instant"])
    for action in ("at_first_scan", "after_delivery"):
        paid = truth[f"fate_{action}"].astype("str").map(
            dict(zip(book.names, book.scanned if "scan" in action else book.delivered, strict=True))
        ) & (truth["refund_type"] == "return_refund")
        assert close(paid.sum(), truth[f"p_paid_{action}"])


@pytest.mark.parametrize(
    ("action", "stage"),
    [("instant", "request"), ("at_first_scan", "first_scan"), ("after_delivery", "delivered")],
)
def test_claw_backs_and_lost_money_among_the_paid_match_the_truth(
    world: World, events: pd.DataFrame, truth: pd.DataFrame, action: str, stage: str
) -> None:
    end = pd.Timestamp(world.end_us, unit="us", tz="UTC")
    paid = events[(events["event_type"] == "advance_paid") & (events["stage"] == stage)]
    paid = paid[paid["known_ts"] < end - pd.Timedelta(days=105)].set_index("case_id")
    opened = events[events["event_type"] == "clawback_opened"].set_index("case_id")["known_ts"]
    after = opened.reindex(paid.index) - paid["known_ts"]
    own = truth.set_index("case_id").loc[paid.index.astype("int64")]
    p_paid = own[f"p_paid_{action}"]
    assert close((after < pd.Timedelta(days=60)).sum(), own[f"p_claw_{action}"] / p_paid)
    lost = _lost_by(events, paid["known_ts"], pd.Timedelta(days=105))
    assert close((lost > 0).sum(), own[f"p_loss_{action}"] / p_paid)
    expected = (own[f"loss_cents_{action}"] / p_paid).sum()
    error = np.sqrt((own[f"p_loss_{action}"] / p_paid * own["amount_cents"] ** 2.0).sum())
    assert abs(lost.sum() - expected) <= Z * error


def _lost_by(
    events: pd.DataFrame, paid: "pd.Series[pd.Timestamp]", horizon: pd.Timedelta
) -> "pd.Series[float]":
    """Cents clawed back and not recovered at the horizon after each pay-out."""
    flows = {"clawback_opened": 1, "clawback_recovered": -1, "clawback_reversed": -1}
    rows = events[events["event_type"].isin(flows) & events["case_id"].isin(paid.index)]
    rows = rows[rows["known_ts"] < rows["case_id"].map(paid) + horizon]
    money = rows["amount_cents"] * rows["event_type"].map(flows).astype("int64")
    return money.groupby(rows["case_id"]).sum().reindex(paid.index).fillna(0)


def test_every_action_has_its_floor_and_propensities_are_those_drawn_from(
    world: World, decided: pd.DataFrame
) -> None:
    floor = world.book["policy"]["floor"]
    assert decided["act_prob"].min() >= floor
    assert decided["keep_prob"].min() >= 1 / len(ACTIONS)
    # every inverse propensity weights its action back to one: sum of weights = number of cases
    n = len(decided)
    for action in ACTIONS:
        weight = (decided["action"] == action) / decided["act_prob"]
        error = np.sqrt((weight**2).sum())
        assert abs(weight.sum() - n) <= Z * error


def test_logging_propensities_sum_to_one(world: World) -> None:
    seen = pd.DataFrame(
        {
            "user_requests": [0, 40],
            "user_orders": [1, 41],
            "amount_cents": [100, 500_000],
            "tenure_days": [0.0, 500.0],
            "user_clawbacks": [0, 9],
            "user_unpaid": [0, 9],
        }
    )
    p = logging_policy(world, seen)
    assert np.allclose(p.sum(axis=1), 1)
    assert p.min() >= world.book["policy"]["floor"]
    assert p[0, 0] > p[1, 0]


def test_being_paid_tempts_and_the_first_scan_lies_between(truth: pd.DataFrame) -> None:
    returns = truth[truth["refund_type"] == "return_refund"]
    ships = {
        action: returns[f"fate_{action}"]
        .astype("str")
        .isin(["never_shipped", "withdrew_kept", "withdrew_repaid"])
        for action in ("instant", "at_first_scan", "after_inspection")
    }
    rate = {action: unfinished.mean() for action, unfinished in ships.items()}
    assert rate["instant"] > rate["at_first_scan"] > rate["after_inspection"]
    # common random numbers: nobody finishes a return because of being paid early
    assert (ships["instant"] >= ships["after_inspection"]).all()
    assert rate["instant"] > 1.5 * rate["after_inspection"]


def test_few_users_make_most_requests(events: pd.DataFrame) -> None:
    buyers = events.loc[events["event_type"] == "order_paid", "user_id"].nunique()
    asked = events.loc[events["event_type"] == "refund_requested", "user_id"].value_counts()
    assert asked.head(buyers // 5).sum() > 0.6 * asked.sum()


def test_base_rates_are_a_platforms(truth: pd.DataFrame) -> None:
    assert 0.04 <= truth["p_claw_instant"].mean() <= 0.08
    assert 0.02 <= truth["p_abuse_instant"].mean() <= 0.05
    assert (truth["p_abuse_instant"] <= truth["p_claw_instant"] + 1e-12).all()


def test_causes_add_up_and_held_cases_cost_nothing(truth: pd.DataFrame) -> None:
    causes = ["return_missing", "withdrawn", "audit_abuse", "appeal_upheld"]
    for action in ACTIONS:
        total = truth[[f"p_{c}_{action}" for c in causes]].sum(axis=1)
        assert np.allclose(total, truth[f"p_claw_{action}"])
    for name in ("p_paid", "p_claw", "p_abuse", "p_loss", "loss_cents"):
        assert (truth[[f"{name}_after_inspection", f"{name}_review"]] == 0).all(axis=None)


def test_money_comes_sooner_the_earlier_it_is_paid(truth: pd.DataFrame) -> None:
    order = [f"hours_{a}" for a in ACTIONS[:4]]
    assert (truth[order].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


def test_rings_share_devices_and_festivals_fill_the_days(
    events: pd.DataFrame, truth: pd.DataFrame
) -> None:
    paid = events[events["event_type"] == "order_paid"]
    users = paid.groupby("device_id")["user_id"].nunique()
    ring = set(truth.loc[truth["buyer_type"] == "ring", "user_id"])
    theirs = paid.loc[paid["user_id"].isin(ring), "device_id"].unique()
    assert users.loc[theirs].mean() > 2 * users.mean()
    daily = paid.groupby(paid["event_ts"].dt.date).size()
    assert daily.max() > 2.5 * daily.median()


def test_every_type_lives_and_abuses_by_its_kind(world: World, truth: pd.DataFrame) -> None:
    rate = truth.groupby("buyer_type")["p_abuse_instant"].mean()
    assert set(rate.index) == set(world.book["buyers"]["types"])
    assert rate["honest"] < rate["careless"] < rate.drop(["honest", "careless"]).min()
    assert set(truth["merchant_type"]) == set(world.book["merchants"]["types"])


def test_a_policy_sees_only_claw_backs_known_when_its_week_began() -> None:
    seen_rows: list[pd.DataFrame] = []

    def spy(seen: pd.DataFrame) -> np.ndarray:
        seen_rows.append(seen)
        return np.tile([1.0, 0.0, 0.0, 0.0, 0.0], (len(seen), 1))

    market = simulate(World(n_orders=20_000, seed=5, policy=spy, policy_id="all"))
    events = market.events.to_pandas()
    opened = events[events["event_type"] == "clawback_opened"]
    first = seen_rows[0]["as_of_us"].iloc[0]
    told = 0
    for seen in seen_rows:
        week = first + (seen["as_of_us"].iloc[0] - first) // WEEK * WEEK
        before = opened[opened["known_ts"] < pd.Timestamp(week, unit="us", tz="UTC")]
        known = before.groupby("user_id").size().reindex(seen["user_id"]).fillna(0)
        assert (seen["user_clawbacks"].to_numpy() == known.to_numpy()).all()
        told += int(known.sum())
    assert told > 0
