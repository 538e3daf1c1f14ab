"""The built-in task: what it holds, what it never holds, and that it lives on simulated data."""

from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from data.ledger import Ledger, ledger_of
from data.market import World, simulate
from features.engine import features
from features.labels import labels
from features.spine import spine, standing_spine
from features.task import dump_task, events_of, leaves, load_task

TASK = load_task("advance_refund")
SIGNALS = {
    *(f"U{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 17, 18, 19, 20)),
    *(
        "Q1",
        "Q2",
        "Q3",
        "Q4",
        "Q6",
        "Q7",
        "Q10",
        "M1",
        "M2",
        "M6",
        "I",
        "G1",
        "G2",
        "G3",
        "G4",
        "G6",
    ),
}
TARGETS = ("y_claw", "y_abuse")


class Market(NamedTuple):
    """A simulated ledger, as a frame and in memory, with the decisions on it."""

    events: pd.DataFrame
    ledger: Ledger
    cases: pd.DataFrame


@pytest.fixture(scope="module")
def market() -> Market:
    table = simulate(World(n_orders=25_000, seed=3)).events
    needed = {"event_id", *TASK.columns_needed()}
    events = table.select([c for c in table.column_names if c in needed]).to_pandas()
    ledger = ledger_of(events)
    return Market(events, ledger, spine(TASK, ledger))


@pytest.fixture(scope="module")
def matrix(market: Market) -> pd.DataFrame:
    return features(TASK.declarations, market.ledger, market.cases)


def test_about_150_columns_say_every_signal_of_the_first_catalogue() -> None:
    assert 140 <= len(TASK.features) <= 190
    assert {d.source for d in TASK.features} >= SIGNALS
    assert {d.source for d in TASK.policy_columns} == {"U23", "G9"}


def test_the_standing_of_a_user_needs_nothing_but_the_user() -> None:
    standing = TASK.at_stage("standing")
    assert len(standing) >= 60
    assert {getattr(leaf, "keys", None) for d in standing for leaf in leaves(d)} == {("user_id",)}


def test_outputs_of_our_own_policy_are_no_columns() -> None:
    read = {t for d in TASK.declarations for e in events_of(d) for t in e.types}
    assert read.isdisjoint({"advance_decided", "advance_closed"})
    where = {c for d in TASK.declarations for e in events_of(d) for c in e.where}
    columns = {getattr(leaf, "column", None) for d in TASK.declarations for leaf in leaves(d)}
    ours = {"action", "act_prob", "keep_prob", "policy_id", "model_version", "stage", "funder"}
    assert (where | columns).isdisjoint(ours)


def test_every_event_set_is_used() -> None:
    used = {e.name for d in TASK.declarations for e in events_of(d)}
    text = dump_task(TASK)
    label = text[text.index("[label]") :]
    assert [n for n in TASK.event_sets if n not in used and f'"{n}"' not in label] == []


def test_no_column_is_dead_on_the_simulated_market(matrix: pd.DataFrame) -> None:
    dead = [c for c in matrix if matrix[c].nunique() < 2]
    assert dead == []


def test_no_single_column_knows_the_label(market: Market, matrix: pd.DataFrame) -> None:
    y = labels(TASK, market.ledger, market.cases, "2025-07-01")
    instant = (y["paid_stage"] == "request") & y["y_abuse"].notna() & y["y_claw"].notna()
    numbers = matrix.loc[instant].select_dtypes("number").drop(columns=_policy())
    for target in TARGETS:
        truth = y.loc[instant, target].to_numpy()
        for name, values in numbers.items():
            auc = roc_auc_score(truth, values.fillna(values.median()).to_numpy())
            assert 0.1 < auc < 0.9, (target, name)


def test_nothing_of_the_future_moves_a_cell_of_the_catalogue(
    market: Market, time_travel: ModuleType
) -> None:
    rng = np.random.default_rng(11)
    for place in rng.choice(len(market.cases), 2, replace=False):
        cut = market.cases["as_of"].iloc[place]
        near = market.cases[market.cases["as_of"] <= cut].tail(300)
        time_travel.check(TASK.declarations, market.events, near, cut)


def test_nothing_of_the_future_moves_a_standing(market: Market, time_travel: ModuleType) -> None:
    night = pd.Timestamp("2025-03-01", tz="UTC")
    users = standing_spine(TASK, market.ledger, night).head(2_000)
    definitions = [d for d in TASK.declarations if d.stage == "standing"]
    time_travel.check(definitions, market.events, users, night)


def test_a_kernel_that_cut_on_the_time_of_the_event_would_be_found(
    market: Market, time_travel: ModuleType
) -> None:
    told_late = market.events["event_type"] == "arbitration_ruled"
    news = market.events.loc[told_late, ["merchant_id", "event_ts", "known_ts"]]
    at = market.cases[["merchant_id", "as_of"]].astype({"merchant_id": "int64"}).reset_index()
    pairs = at.merge(news.astype({"merchant_id": "int64"}), on="merchant_id")
    between = (pairs["event_ts"] < pairs["as_of"]) & (pairs["as_of"] <= pairs["known_ts"])
    case = market.cases.loc[[pairs.loc[between, "index"].iloc[0]]]
    cut = case["as_of"].iloc[0]
    time_travel.check(TASK.declarations, market.events, case, cut)
    with pytest.raises(AssertionError):
        time_travel.check(TASK.declarations, market.events, case, cut, clock="event_ts")


def _policy() -> list[str]:
    return [d.name for d in TASK.policy_columns]
