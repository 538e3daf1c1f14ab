"""The law of time: what became known at or after a decision cannot reach its features.

`check` takes any ledger frame and any decisions before `cut`, alters the future in several ways,
and compares every cell. The simulated marketplace is held to the same law with it.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from data.ledger import ledger_of
from features.declarations import Declaration
from features.engine import features


def check(
    definitions: Sequence[Declaration],
    events: pd.DataFrame,
    cases: pd.DataFrame,
    cut: pd.Timestamp,
    other_futures: Iterable[pd.DataFrame] = (),
    clock: str = "known_ts",
) -> None:
    """Assert that no cell of the cases decided until `cut` moves when its future does.

    `clock` is the column that the engine is made to cut on; the future is told by `known_ts`.
    """
    cases = cases[cases["as_of"] <= cut]
    expected = _features(definitions, events, cases, clock)
    past = events[events["known_ts"] < cut]
    future = events[events["known_ts"] >= cut]
    for other in (*scrambled(future), *other_futures):
        altered = pd.concat([past, other]).astype(events.dtypes.to_dict())
        found = _features(definitions, altered, cases, clock)
        pd.testing.assert_frame_equal(found, expected, check_exact=True, check_categorical=False)


def scrambled(future: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """No future, every fact given to another event, and everything twice."""
    yield future.iloc[:0]
    facts = [str(c) for c in future if c not in ("event_id", "known_ts")]
    order = np.random.default_rng(7).permutation(len(future))
    yield future.assign(**{c: future[c].to_numpy()[order] for c in facts})
    yield pd.concat([future, future.assign(event_id=future["event_id"] + "-again")])


def _features(
    definitions: Sequence[Declaration], events: pd.DataFrame, cases: pd.DataFrame, clock: str
) -> pd.DataFrame:
    return features(definitions, ledger_of(events.assign(known_ts=events[clock])), cases)
