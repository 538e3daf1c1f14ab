"""The ledger in memory: codes decode to what was given."""

import pandas as pd
import pytest

from data.ledger import ledger_of


@pytest.mark.parametrize("order", [["x", "b", "a"], ["a", "b", "x"]])
def test_a_categorical_column_decodes_to_its_values_whatever_its_categories(
    order: list[str],
) -> None:
    times = pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"], utc=True)
    fault = pd.Categorical(["a", None, "x"], categories=order)
    frame = {"event_type": "e", "event_ts": times, "known_ts": times, "user_id": [1, 2, 3]}
    column = ledger_of(pd.DataFrame({**frame, "fault": fault}))["fault"]
    decoded = column.decode(column.values)
    assert decoded.astype(object).where(decoded.notna(), None).tolist() == ["a", None, "x"]


@pytest.mark.parametrize("ids", [[10, 20, 30], ["a", "b", "c"]])
def test_ids_of_another_ledger_are_found_by_their_value(ids: list[object]) -> None:
    times = pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True)
    frame = {"event_type": "e", "event_ts": times, "known_ts": times, "user_id": ids[1:]}
    column = ledger_of(pd.DataFrame(frame))["user_id"]
    asked = pd.Series(pd.Categorical([ids[2], None, ids[0], ids[1]]))
    assert column.encode(asked).tolist() == [1, -1, -2, 0]
