"""What executors run is pure: rows may come in any order, and none may be missing."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.ledger import Ledger, ledger_of
from data.part import arrow_of
from features.declarations import LIFE, Events, days, windows
from features.engine import features
from features.grouping import asked_codes
from features.plan import Plan, compile_plan
from pipelines.engines import columns_alone
from pipelines.spark.buckets import POSITION, ROW, Blocks, Pieces
from pipelines.spark.transit import dtypes_of, received, sent

START = pd.Timestamp("2026-01-01", tz="UTC")
ASKS = Events("asks", "ask", where={"category": ["food", "toys"]})
PLAN = compile_plan(
    [
        *windows("user_id", ASKS, ["sum:weight", "mean:weight", "count"], over=[days(2), LIFE]),
        *windows(("category", "user_id"), ASKS, ["max:weight", "distinct:category"], over=[LIFE]),
    ]
)
Shuffle = Callable[[pa.Table], pa.Table]


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    rng, n = np.random.default_rng(1), 400
    known = START + pd.to_timedelta(rng.integers(0, 4, n), unit="D")
    frame = pd.DataFrame(
        {
            "event_type": rng.choice(["ask", "pay"], n),
            "event_ts": known,
            "known_ts": known,
            "user_id": rng.integers(0, 5, n),
            "category": rng.choice(["food", "toys", "rope"], n),
            "weight": rng.normal(0, 1e9, n) * 10.0 ** rng.integers(-9, 9, n),
        }
    )
    return ledger_of(frame)


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    rng, n = np.random.default_rng(2), 60
    as_of = (START + pd.to_timedelta(rng.integers(0, 6, n), unit="D")).as_unit("us")
    users, kinds = rng.integers(0, 7, n), rng.choice(["food", "toys", "gold"], n)
    return pd.DataFrame({"as_of": as_of, "user_id": users, "category": kinds})


@pytest.fixture
def shuffle() -> Shuffle:
    rng = np.random.default_rng(3)
    return lambda table: table.take(pa.array(rng.permutation(table.num_rows)))


def cells_of(plan: Plan, ledger: Ledger, cases: pd.DataFrame, shuffle: Shuffle) -> pa.Table:
    """All pieces, one bucket an entity, as the executors would give them."""
    names = ["known_ts", *dict.fromkeys(n for e in plan.entities for n in e.columns)]
    words = {n: d for n in ("event_type", "category") if (d := ledger[n].dictionary) is not None}
    pieces = Pieces(plan, 1, {n: ledger[n].kind for n in names}, words)
    events = pa.table({n: arrow_of(ledger[n]) for n in names})
    events = events.append_column(POSITION, pa.array(np.arange(len(ledger))))
    asked = pa.table({k: pa.array(v) for k, v in asked_codes(plan.entities, ledger, cases).items()})
    asked = asked.append_column("as_of", sent(cases).column("as_of"))
    asked = asked.append_column(ROW, pa.array(np.arange(len(cases))))
    return pa.concat_tables(
        pieces.fill((pa.scalar(at),), shuffle(events), shuffle(asked))
        for at in range(len(plan.entities))
    )


def blocks_of(plan: Plan, cases: pd.DataFrame, expected: pd.DataFrame) -> Blocks:
    schema = sent(expected.iloc[:0]).append_column(ROW, pa.array([], pa.int64())).schema
    return Blocks(plan, plan.definitions, dtypes_of(cases), columns_alone, schema)


def test_rows_may_arrive_in_any_order(
    ledger: Ledger, cases: pd.DataFrame, shuffle: Shuffle
) -> None:
    expected = features(PLAN.definitions, ledger, cases)
    asked = sent(cases).append_column(ROW, pa.array(np.arange(len(cases))))
    cells = shuffle(cells_of(PLAN, ledger, cases, shuffle))
    found = blocks_of(PLAN, cases, expected).compose(cells, shuffle(asked))
    assert found.column(ROW).to_pylist() == list(range(len(cases)))
    back = received(found, dict(expected.dtypes))
    pd.testing.assert_frame_equal(back, expected, check_exact=True)


def test_a_decision_without_an_answer_is_an_error(
    ledger: Ledger, cases: pd.DataFrame, shuffle: Shuffle
) -> None:
    expected = features(PLAN.definitions, ledger, cases)
    asked = sent(cases).append_column(ROW, pa.array(np.arange(len(cases))))
    cells = cells_of(PLAN, ledger, cases, shuffle)
    with pytest.raises(RuntimeError, match="60 decisions, 59 answers"):
        blocks_of(PLAN, cases, expected).compose(cells.slice(1), asked)
