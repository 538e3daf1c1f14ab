"""A ledger that grows by the night: only what is new, nothing rewritten, the same as built at once."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.check import check
from data.errors import BusyError, ContractError, NothingToDoError, QuarantineLimitError
from data.folder import read_manifest
from data.ingest import append_ledger, build_ledger, write_ledger_table
from data.ledger import Ledger
from data.lock import locked
from data.store import read_ledger

START = pd.Timestamp("2026-01-01", tz="UTC")
DRAW = st.tuples(
    st.integers(0, 5),
    st.integers(0, 2),
    st.integers(1, 4),
    st.none() | st.integers(1, 3),
    st.none() | st.integers(0, 100),
    st.none() | st.booleans(),
    st.sampled_from(["order_paid", "order_shipped", "order_cancelled"]),
)


def events(draws: list[Any], ids: str = "text") -> pd.DataFrame:
    """Few days, users and words, so that each night ties, repeats some and sees some first."""
    names = ["day", "late", "user", "item", "cents", "proven", "event_type"]
    table = pd.DataFrame(draws, columns=names)
    event = START + pd.to_timedelta(table["day"], unit="D")
    item = table["item"].astype("Int64")
    text = ids == "text"
    return pd.DataFrame(
        {
            "event_id": [f"e{n}" if text else n for n in range(len(table))][::-1],
            "event_type": table["event_type"],
            "event_ts": event.dt.as_unit("us"),
            "known_ts": (event + pd.to_timedelta(table["late"], unit="D")).dt.as_unit("us"),
            "user_id": "u" + (9 - table["user"]).astype("str") if text else 9 - table["user"],
            "item_id": "i" + item.astype("str") if text else item,
            "amount_cents": table["cents"].astype("Int64"),
            "act_prob": table["cents"].astype("float64") / 100,
            "proven": table["proven"].astype("boolean"),
            "deadline_ts": event.where(table["day"] != 1).dt.as_unit("us"),
        }
    )


def nights(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The events as they became known, a column that is all null left out."""
    for _, night in frame.groupby("known_ts"):
        yield night.dropna(axis=1, how="all")


def values(ledger: Ledger) -> dict[str, Any]:
    """What the ledger says, whatever its codes."""
    return {
        n: list(c.decode(c.values).astype(object).where(c.values >= 0, None))
        if c.kind == "code"
        else (c.values.tobytes(), None if c.valid is None else c.valid.tobytes())
        for n, c in ledger.columns.items()
    }


def hashes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@given(st.lists(DRAW, min_size=1, max_size=20), st.sampled_from(["int", "text"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_grown_night_by_night_is_built_at_once(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Any], ids: str
) -> None:
    place, frame = tmp_path_factory.mktemp("grown"), events(drawn, ids)
    build_ledger(frame.dropna(axis=1, how="all"), place / "once")
    for night in nights(frame):
        append_ledger(night, place / "grown")
    once, grown = read_ledger(place / "once"), read_ledger(place / "grown")
    texts = [n for n in ("event_type", "proven") if n in once]
    assert values(grown) == values(once)
    for name in texts:
        np.testing.assert_array_equal(grown[name].values, once[name].values)
        assert list(grown[name].dictionary) == list(once[name].dictionary)  # type: ignore[arg-type]
    told, built = read_manifest(place / "grown"), read_manifest(place / "once")
    for fact in ("rows", "watermark", "first_known", "columns", "key_types"):
        assert getattr(told, fact) == getattr(built, fact), fact
    assert check(place / "grown").ok
