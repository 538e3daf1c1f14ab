"""Clocks that cannot be right are told; clocks that may be are not."""

import numpy as np
import pandas as pd
import pytest

from data.clocks import odd_clocks
from data.ledger import ledger_of

START = pd.Timestamp("2026-01-01", tz="UTC")


def kinds(word: str, event_days: np.ndarray, late_days: np.ndarray | float) -> list[str]:
    event = START + pd.to_timedelta(event_days, "D").round("s")
    known = event + pd.to_timedelta(np.zeros(len(event)) + late_days, "D").round("s")
    frame = pd.DataFrame({"event_type": word, "event_ts": event, "known_ts": known, "user_id": 1})
    return [c.kind for c in odd_clocks(ledger_of(frame))]


@pytest.fixture
def days() -> np.ndarray:
    return np.sort(np.random.default_rng(0).uniform(0, 360, 900))


def test_news_from_others_need_a_way_here(days: np.ndarray) -> None:
    assert kinds("first_scan", days, 0) == ["no_delay"]
    assert kinds("first_scan", days, 0.1) == []
    assert kinds("order_paid", days, 0) == []
    assert kinds("first_scan", days[:10], 0) == []  # ten rows may be chance


def test_a_history_loaded_without_its_delay_is_told(days: np.ndarray) -> None:
    late = np.random.default_rng(1).uniform(0.1, 2, len(days))
    assert kinds("own_event", days, np.where(days < 180, 0, late)) == ["backfilled"]
    assert kinds("own_event", days, late) == []
    # The other way round a source became faster, and half of each month may be told at once.
    assert kinds("own_event", days, np.where(days < 180, late, 0)) == []
    assert kinds("own_event", days, np.where(np.arange(len(days)) % 2, late, 0)) == []


def test_a_date_is_not_known_at_its_midnight(days: np.ndarray) -> None:
    assert kinds("own_event", np.floor(days), 0) == ["dates"]
    assert kinds("own_event", np.floor(days), 1) == []
    assert kinds("own_event", np.floor(days) + 8 / 24, 0) == ["dates"]  # midnight elsewhere
    assert kinds("own_event", np.zeros(900), 0) == []  # one moment is no pattern


def test_a_year_in_one_instant_is_a_load_and_a_nightly_load_is_none(days: np.ndarray) -> None:
    assert kinds("own_event", days, 400 - days) == ["bulk"]
    assert kinds("own_event", days, np.ceil(days) - days) == []
    assert kinds("own_event", days, np.ceil(days / 7) * 7 - days) == []
