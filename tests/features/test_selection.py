"""Held cases are not good: calling them good must be seen, on a market whose truth is known.

What would the claw-back rate be if every request were paid at once? The logged propensities answer
it from the cases that were paid at once (weight 1 / propensity). Filling the labels of held cases
with 0, as naive pipelines do, answers far too low.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from data.ledger import ledger_of
from data.market import World, simulate
from features.labels import labels
from features.spine import spine
from features.task import load_task

TASK = load_task("advance_refund")
LOOK, YOUNGEST = "2025-07-01", pd.Timestamp("2025-05-01", tz="UTC")
NORMAL_99_9 = 3.29  # both tails together leave 1 in 1000


class Estimate(NamedTuple):
    rate: float
    error: float


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    """Requests old enough for both horizons, labelled, with the planted probability beside."""
    market = simulate(World(n_orders=60_000, seed=21))
    needed = {"event_id", *TASK.columns_needed()}
    chosen = [c for c in market.events.column_names if c in needed]
    ledger = ledger_of(market.events.select(chosen).to_pandas())
    decisions = spine(TASK, ledger, as_of=YOUNGEST)
    table = labels(TASK, ledger, decisions, LOOK)
    names = ["case_id", "p_claw_instant", "p_abuse_instant"]
    planted = market.truth.select(names).to_pandas().set_index("case_id")
    return table.join(planted.loc[decisions["case_id"].astype(int)].reset_index(drop=True))


def labelled(cases: pd.DataFrame, target: str) -> pd.DataFrame:
    """Every row with a label but those paid at a later stage; a labelled held case would be in."""
    later = cases["paid_stage"].isin(["first_scan", "delivered"])
    return cases.loc[cases[target].notna() & ~later, [target, "act_prob"]]


def weighted_rate(rows: pd.DataFrame, target: str) -> Estimate:
    """Self-normalised inverse-propensity mean, with its standard error."""
    weight = 1 / rows["act_prob"].to_numpy()
    y = rows[target].to_numpy()
    rate = float((weight * y).sum() / weight.sum())
    return Estimate(rate, float(np.sqrt((weight**2 * (y - rate) ** 2).sum()) / weight.sum()))


def plain_rate(y: "pd.Series[float]") -> Estimate:
    return Estimate(float(y.mean()), float(y.std() / np.sqrt(len(y))))


def covers(estimate: Estimate, truth: float) -> bool:
    return abs(estimate.rate - truth) <= NORMAL_99_9 * estimate.error


@pytest.mark.parametrize("target", ["y_claw", "y_abuse"])
def test_honest_labels_find_the_planted_rate_and_held_as_good_does_not(
    cases: pd.DataFrame, target: str
) -> None:
    truth = float(cases[f"p_{target[2:]}_instant"].mean())
    honest = weighted_rate(labelled(cases, target), target)
    assert covers(honest, truth), (honest, truth)
    assert honest.error < truth / 5  # an estimate that covers everything would prove nothing
    relabelled = cases.assign(**{target: cases[target].fillna(0)})
    assert not covers(weighted_rate(labelled(relabelled, target), target), truth)
    held_as_good = plain_rate(relabelled[target])
    assert not covers(held_as_good, truth), (held_as_good, truth)


def test_a_held_case_is_never_labelled(cases: pd.DataFrame) -> None:
    held = cases["paid_ts"].isna()
    assert held.mean() > 0.2
    assert cases.loc[held, ["y_claw", "y_abuse", "y_loss"]].isna().all(axis=None)
    at_once = cases["paid_stage"] == "request"
    assert cases.loc[at_once, "y_claw"].notna().all()
