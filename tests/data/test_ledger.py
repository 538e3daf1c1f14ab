"""The ledger in memory: codes decode to what was given."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError
from data.ledger import Column, ledger_of


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


@pytest.mark.parametrize(
    ("held", "other", "kind"), [([1, 2], ["1", "2"], "numbers"), (["1", "2"], [1, 2], "text")]
)
@pytest.mark.parametrize("as_category", [False, True])
def test_numbers_are_not_looked_for_among_texts(
    held: list[Any], other: list[Any], kind: str, as_category: bool
) -> None:
    """Nobody would have a past, and nobody would say so."""
    times = pd.to_datetime(["2026-01-01"] * 2, utc=True)
    frame = {"event_type": "e", "event_ts": times, "known_ts": times, "user_id": held}
    column = ledger_of(pd.DataFrame(frame))["user_id"]

    def codes(ids: list[Any], dtype: str | None = None) -> list[int]:
        asked = pd.Series(ids, name="user_id", dtype=dtype)
        found: list[int] = column.encode(
            asked.astype("category") if as_category else asked
        ).tolist()
        return found

    with pytest.raises(ContractError, match="the ids of 'user_id' are") as error:
        codes([*other, None])
    assert error.value.fix == f"give the ids as {kind}, as the ledger has them"
    assert codes([held[1], None, held[0]]) == [1, -1, 0]
    for nothing in ("float64", "str", "object", "Int64"):
        assert codes([None, None], nothing) == [-1, -1]
    assert codes([]) == []


def test_ids_are_not_hashed_to_be_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash table of all ids of a large ledger takes gigabytes, and stays."""
    column = Column("code", np.array([2, -1, 0], np.int32), dictionary=pd.Index(["a", "b", "c"]))
    expected = pd.Categorical(["c", None, "a"], categories=["a", "b", "c"])
    found = column.decode(column.values)
    pd.testing.assert_series_equal(found, pd.Series(expected), check_category_order=True)
    hashed = property(lambda _index: pytest.fail("the dictionary was hashed"))
    monkeypatch.setattr(pd.Index, "is_unique", hashed)
    assert column.decode(column.values).array.codes.tolist() == [2, -1, 0]
