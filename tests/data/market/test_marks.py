"""Notes beside the course of cases: they move nothing else, and say something of what is true."""

import pandas as pd
import pytest

from data.market import Market, World, altered, simulate

NOTES = [
    "payout_id", "phone_id", "ip_id", "evidence_hash", "in_app_count", "attempt", "variant_count",
    "price_band", "order_month", "resale_share", "serial_tracked", "consumable", "limited_edition",
    "inspection_exempt", "device_tampered", "merchant_rating", "merchant_deposit_cents",
    "wait_hours", "reason_detail", "carrier", "risk_code", "weight_g", "expected_weight_g",
    "origin_km", "to_merchant", "scan_count", "finding", "change",
]  # fmt: skip
KINDS = ["account_changed", "tracking_edited", "insurance_claimed", "clawback_overdue"]


def by_case(events: pd.DataFrame, event_type: str, truth: pd.DataFrame) -> pd.DataFrame:
    rows = events[events["event_type"] == event_type].astype({"case_id": "int64"})
    kind = truth.set_index("case_id")["buyer_type"]
    return rows.assign(buyer_type=kind.loc[rows["case_id"]].to_numpy())


def test_other_notes_leave_everything_else_as_it_was() -> None:
    """What older releases simulated is still there, to the last draw."""
    half = [0.5] * 8
    other = altered(
        marks__tampered=half, marks__evidence_reused=half, marks__account_changes=half,
        marks__corrections=half, marks__switches=half, marks__insurance=half, marks__pauses=half,
        marks__in_app=half, marks__attempts=half, marks__weight_g=[9] * 8,
    )  # fmt: skip
    plain = simulate(World(n_orders=3_000, seed=5))
    noted = simulate(World(n_orders=3_000, seed=5, book=other))
    assert noted.truth.equals(plain.truth)
    assert noted.events.num_rows > plain.events.num_rows
    pd.testing.assert_frame_equal(old_rows(noted), old_rows(plain))


def old_rows(market: Market) -> pd.DataFrame:
    """The events and columns that no note makes; two types have rows of both kinds."""
    frame = pd.DataFrame(market.events.to_pandas())
    mixed = ["request_edited", "logistics_abnormal"]
    frame = frame[~frame["event_type"].isin([*KINDS, *mixed])]
    return frame.drop(columns=[*NOTES, "event_id"]).reset_index(drop=True)


def test_rings_share_pay_out_accounts_and_others_do_not(
    events: pd.DataFrame, truth: pd.DataFrame
) -> None:
    asked = by_case(events, "refund_requested", truth)
    users = asked.groupby("payout_id")["user_id"].nunique()
    ring = asked.loc[asked["buyer_type"] == "ring", "payout_id"].unique()
    assert (users.loc[ring] > 1).mean() > 0.5
    assert (users.drop(ring) == 1).all()


def test_what_is_in_a_parcel_shows_in_its_weight_and_way(
    events: pd.DataFrame, truth: pd.DataFrame
) -> None:
    came = events[events["event_type"] == "first_scan"].copy()
    came["share"] = (came["weight_g"] / came["expected_weight_g"]).astype(float)
    refused = events[events["event_type"] == "goods_refused"].set_index("case_id")["finding"]
    finding = came["case_id"].map(refused)
    empty = came.loc[finding == "empty_parcel", "share"]
    fine = came.loc[finding.isna(), "share"]
    assert len(empty) > 10
    assert empty.max() < 0.65
    assert fine.median() == pytest.approx(1.0, abs=0.02)
    odd = came["risk_code"] == "abnormal"
    assert came.loc[odd, "origin_km"].mean() > 2 * came.loc[~odd, "origin_km"].mean()


def test_numbers_used_before_are_those_of_parcels_that_stop(
    events: pd.DataFrame, truth: pd.DataFrame
) -> None:
    given = events[events["event_type"] == "tracking_submitted"]
    again = given["tracking_id"].duplicated()
    arrived = events.loc[events["event_type"] == "return_delivered", "case_id"]
    assert again.sum() > 10
    assert not given.loc[again, "case_id"].isin(arrived).any()


def test_changed_accounts_altered_devices_and_known_pictures_come_with_abuse(
    events: pd.DataFrame, truth: pd.DataFrame
) -> None:
    asked = by_case(events, "refund_requested", truth)
    seen = asked["evidence_hash"].notna()
    asked["known"] = asked.loc[seen, "evidence_hash"].duplicated()
    plain = asked["buyer_type"].isin(["honest", "careless"])
    for note in ("device_tampered", "known"):
        rate = asked.loc[seen].groupby(plain[seen])[note].apply(lambda s: s.astype(bool).mean())
        assert rate[False] > 2 * rate[True]


def test_a_due_debt_is_told_once_and_only_if_it_is_not_repaid(events: pd.DataFrame) -> None:
    opened = events[events["event_type"] == "clawback_opened"].set_index("case_id")
    late = events[events["event_type"] == "clawback_overdue"].set_index("case_id")
    assert late.index.is_unique
    waited = late["known_ts"] - opened.loc[late.index, "known_ts"]
    assert (waited == pd.Timedelta(days=14)).all()
    paid = events[events["event_type"] == "clawback_recovered"].set_index("case_id")
    both = late.index.intersection(paid.index)
    full = paid.loc[both, "amount_cents"] == opened.loc[both, "amount_cents"]
    assert (paid.loc[both, "known_ts"] > late.loc[both, "known_ts"])[full].all()
