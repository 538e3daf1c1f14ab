"""A small ledger that keeps the contract."""

import pandas as pd
import pytest


@pytest.fixture
def frame() -> pd.DataFrame:
    event = pd.to_datetime(
        ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", "2026-01-09"], utc=True
    ).as_unit("us")
    return pd.DataFrame(
        {
            "event_id": ["e1", "e2", "e3", "e4", "e5"],
            "event_type": [
                "order_paid",
                "order_paid",
                "refund_requested",
                "advance_paid",
                "clawback_opened",
            ],
            "event_ts": event,
            "known_ts": event + pd.Timedelta(hours=1),
            "user_id": ["u1", "u2", "u1", "u1", "u1"],
            "case_id": [None, None, "c1", "c1", "c1"],
            "amount_cents": pd.array([1000, 2500, 1000, 1000, 1000], "Int64"),
            "cause": [None, None, None, None, "withdrawn"],
            "proven": pd.array([None, None, None, None, True], "boolean"),
        }
    )
