"""The built-in task: what it holds, what it never holds, and that it lives on simulated data."""

from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from data.ledger import Ledger, ledger_of
from data.market import World, simulate
from features.catalogue import signals
from features.declarations import STAGES as ALL_STAGES
from features.declarations import Declaration, Request
from features.engine import features
from features.labels import labels
from features.spine import spine, standing_spine
from features.task import dump_task, events_of, leaves, load_task

TASK = load_task("advance_refund")
STAGES = ("request", "tracking", "first_scan", "delivered")
# The market's parcels do not arrive unseen, and a number that was used before does not arrive.
NEVER_IN_THE_MARKET = {"case_first_scans_count_life"}
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


def test_about_250_columns_say_every_signal_that_is_not_absent_with_a_reason() -> None:
    assert 240 <= len(TASK.features) <= 310
    said = {d.source for d in TASK.declarations}
    assert {k for k, s in signals().items() if not s.absent} == said
    assert {d.source for d in TASK.policy_columns} >= {"U23", "M5"}


def test_not_received_though_delivered_is_the_same_for_one_parcel_and_for_two() -> None:
    (column,) = (d for d in TASK.features if d.source == "Q4")
    orders = ["two", "two", "one"]
    known = pd.date_range("2026-01-01", periods=3, tz="UTC", unit="us")
    events = pd.DataFrame({"event_type": "order_delivered", "event_ts": known, "known_ts": known})
    cases = pd.DataFrame({"order_id": [*orders, "none"], "as_of": known[-1] + pd.Timedelta("1D")})
    cases["request_reason"] = ["size", *3 * ["not_received"]]
    X = features([column], ledger_of(events.assign(order_id=orders, user_id="a")), cases)
    assert X[column.name].fillna(-1).tolist() == [0, 1, 1, -1]


def test_the_parcel_is_not_known_before_it_is_sent() -> None:
    early = {d.source for d in TASK.at_stage("request")}
    assert not {s for s in early if s.startswith("L")}
    assert {d.source for d in TASK.features} >= {f"L{n}" for n in range(1, 8)}


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


@pytest.mark.parametrize("stage", STAGES)
def test_no_column_is_dead_on_the_simulated_market(market: Market, stage: str) -> None:
    X = features(TASK.declarations, market.ledger, spine(TASK, market.ledger, stage))
    early = stage == "request"
    new = [d.name for d in TASK.declarations if d.stage == stage or (early and exists(d, stage))]
    assert {n for n in new if X[n].nunique() < 2} <= NEVER_IN_THE_MARKET


@pytest.mark.parametrize("stage", ["standing", *STAGES])
def test_every_column_of_a_later_stage_is_null_and_no_other(market: Market, stage: str) -> None:
    if stage == "standing":
        cases = standing_spine(TASK, market.ledger, pd.Timestamp("2025-03-01", tz="UTC"))
    else:
        cases = spine(TASK, market.ledger, stage)
    X = features(TASK.declarations, market.ledger, cases)
    assert list(X) == [d.name for d in TASK.declarations]
    for d in TASK.declarations:
        assert exists(d, stage) or X[d.name].isna().all(), d.name
    # what is there does not depend on what was asked beside it
    alone = features([d for d in TASK.declarations if exists(d, stage)], market.ledger, cases)
    pd.testing.assert_frame_equal(X[list(alone)], alone, check_exact=True)


def test_rows_of_mixed_stages_are_masked_row_by_row(market: Market) -> None:
    parts = {s: spine(TASK, market.ledger, s).head(400) for s in STAGES}
    names = list(parts["delivered"].columns)
    mixed = pd.concat([p.reindex(columns=names).astype(object) for p in parts.values()])
    mixed["as_of"] = pd.to_datetime(mixed["as_of"], utc=True).dt.as_unit("us")
    numbers = [d for d in TASK.declarations if not text(d, market)]
    X = features(numbers, market.ledger, typed(mixed, parts["delivered"]))
    for stage, cases in parts.items():
        one = features(numbers, market.ledger, cases)
        mine = X[(mixed["stage"] == stage).to_numpy()]
        np.testing.assert_array_equal(mine.to_numpy(np.float64), one.to_numpy(np.float64))


def exists(d: Declaration, stage: str) -> bool:
    return ALL_STAGES.index(d.stage) <= ALL_STAGES.index(stage)


def text(d: Declaration, market: Market) -> bool:
    return isinstance(d, Request) and d.equals is None and market.ledger[d.column].kind == "code"


def typed(mixed: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """Object columns back to what they were, so that numbers are numbers again."""
    numeric = [str(c) for c in like if pd.api.types.is_numeric_dtype(like[c].dtype)]
    return mixed.assign(**{c: pd.to_numeric(mixed[c]).astype("Float64") for c in numeric})


def test_no_single_column_knows_the_label(market: Market, matrix: pd.DataFrame) -> None:
    y = labels(TASK, market.ledger, market.cases, "2025-07-01")
    instant = (y["paid_stage"] == "request") & y["y_abuse"].notna() & y["y_claw"].notna()
    here = [d.name for d in TASK.at_stage("request")]
    numbers = matrix.loc[instant, here].select_dtypes("number")
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


@pytest.mark.parametrize("stage", STAGES[1:])
def test_nothing_of_the_future_moves_a_cell_of_a_later_stage(
    market: Market, time_travel: ModuleType, stage: str
) -> None:
    cases = spine(TASK, market.ledger, stage)
    place = int(np.random.default_rng(5).integers(len(cases) // 2, len(cases)))
    cut = cases["as_of"].iloc[place]
    near = cases[cases["as_of"] <= cut].tail(300)
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
