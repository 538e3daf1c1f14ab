"""What is written into old rows is missing in the recent ones."""

import numpy as np
import pandas as pd
import pytest

from data.filling import bounds, late_fills
from data.ledger import ledger_of

START = pd.Timestamp("2026-01-01", tz="UTC")
DAYS = 400


def ledger_with(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    days = np.sort(rng.uniform(0, DAYS, 12_000))
    at = (START + pd.to_timedelta(days, "D")).as_unit("us")
    frame = pd.DataFrame({"event_type": "asked", "event_ts": at, "known_ts": at, "user_id": 1})
    return frame.assign(age=DAYS - days, draw=rng.random(len(days)))


def found(frame: pd.DataFrame) -> list[tuple[str, str, int]]:
    late, pairs = late_fills(ledger_of(frame.drop(columns=["age", "draw"])))
    assert pairs == 1
    return [(f.column, f.value, f.days) for f in late]


@pytest.mark.parametrize(
    ("delay", "share"), [(2, 1.0), (20, 1.0), (20, 0.15), (60, 1.0), (60, 0.15)]
)
def test_a_value_that_arrives_later_is_seen(delay: int, share: float) -> None:
    frame = ledger_with(1)
    arrived = (frame["age"] > delay * (1 + frame["draw"])) & (frame["draw"] < share)
    days = {2: 7, 20: 30, 60: 90}[delay]
    text = frame.assign(fault=pd.Series("buyer", frame.index).where(arrived))
    number = frame.assign(n=np.where(arrived, 2, 0))
    truth = frame.assign(proven=arrived)
    assert [f[:2] for f in found(text)] == [("fault", "not null")]
    assert found(text)[0][2] <= days
    assert [f[:2] for f in found(number)] == [("n", "not zero")]
    assert [f[:2] for f in found(truth)] == [("proven", "true")]


@pytest.mark.parametrize("seed", range(5))
def test_gaps_seasons_and_campaigns_are_not_taken_for_it(seed: int) -> None:
    frame = ledger_with(seed)
    age, draw = frame["age"], frame["draw"]
    rare = draw < 0.02
    season = draw < 0.3 + 0.1 * np.sin(2 * np.pi * age / 365)
    campaign = (age > 30) & (age < 60)
    newcomer = age < 200
    for filled in (rare, season, campaign, newcomer, draw < 0.5):
        assert found(frame.assign(x=np.where(filled, 1.0, np.nan))) == []


def test_a_column_without_a_value_is_empty_at_any_age() -> None:
    frame = ledger_with(1)
    for kind in ("boolean", "Int64", "Float64", "str"):
        assert found(frame.assign(x=pd.Series(None, frame.index, dtype=kind))) == []


def test_the_interval_of_a_share_holds_it() -> None:
    rng = np.random.default_rng(0)
    for share in (0.01, 0.3):
        hits = rng.binomial(200, share, 500)
        inside = [
            bounds(int(h), 200, 1.96)[0] <= share <= bounds(int(h), 200, 1.96)[1] for h in hits
        ]
        assert np.mean(inside) > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 500)
    assert bounds(0, 0) == (0.0, 1.0)
