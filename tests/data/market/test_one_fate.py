"""Worlds in which every case meets the same fate: what the truth says is what the labels see."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.ledger import ledger_of
from data.market import Market, World, simulate
from data.market.fates import CAUSES, FAULTS, Fates, fates
from data.market.world import load_book
from features.labels import labels
from features.spine import spine
from features.task import load_task

NAMES = [row["name"] for row in load_book()["fate"]]
CERTAIN = 1e12


def instantly(seen: pd.DataFrame) -> "np.ndarray[Any, Any]":
    return np.tile([1.0, 0.0, 0.0, 0.0, 0.0], (len(seen), 1))


def world_of(fate: str) -> World:
    book = load_book()
    for row in book["fate"]:
        if row["name"] == fate:
            for odds in {"returned", "only", "unshipped"} & set(row):
                row[odds] = [CERTAIN * x for x in row[odds]]
    return World(n_orders=4000, seed=2, months=12, book=book, policy=instantly, policy_id="all")


def settled_cases(world: World, market: Market, fate: str) -> pd.DataFrame:
    """Truth and labels of the cases that met the fate and are old enough for every horizon."""
    frame = market.events.to_pandas()
    task, ledger = load_task("advance_refund"), ledger_of(frame)
    cases = spine(task, ledger, stage="request")
    end = pd.Timestamp(world.end_us, unit="us", tz="UTC")
    told = labels(task, ledger, cases, as_of=end)
    truth = market.truth.to_pandas().set_index("case_id")
    both = told.set_index(cases["case_id"].astype("int64")).join(truth)
    return both[(both["fate_instant"] == fate) & both["y_loss_matured"]]


@pytest.mark.parametrize("fate", NAMES)
def test_labels_say_what_the_truth_says(fate: str) -> None:
    world = world_of(fate)
    book, market = fates(world), simulate(world)
    code, rows = book.code(fate), settled_cases(world, market, fate)
    assert len(rows) > 50
    clawed = float(book.cause[code] >= 0 and not book.late[code])
    assert (rows["y_claw"] == clawed).all()
    assert rows["p_claw_instant"].to_numpy() == pytest.approx(clawed, abs=1e-3)
    if fate == "unknown_fault":
        assert rows["y_abuse"].isna().all()
        assert rows["p_unknown_instant"].to_numpy() == pytest.approx(1.0, abs=1e-3)
    else:
        abuse = float(book.abuse[code])
        assert (rows["y_abuse"] == abuse).all()
        assert rows["p_abuse_instant"].to_numpy() == pytest.approx(abuse, abs=1e-3)
    check_cause(book, code, rows)
    check_loss(rows)


def check_cause(book: Fates, code: int, rows: pd.DataFrame) -> None:
    if book.cause[code] < 0 or book.late[code]:
        return
    cause = CAUSES[book.cause[code]]
    assert rows[f"p_{cause}_instant"].to_numpy() == pytest.approx(1.0, abs=1e-3)
    assert set(rows["cause"].astype("str")) == {cause}
    if not book.reversed[code] and FAULTS[book.fault[code]] != "unknown":
        assert set(rows["fault"].astype("str")) == {FAULTS[book.fault[code]]}


def check_loss(rows: pd.DataFrame) -> None:
    """Count and mean share of lost money within four standard errors of the truth."""
    lost, p = rows["y_loss"].sum(), rows["p_loss_instant"]
    assert abs(lost - p.sum()) <= 4 * np.sqrt((p * (1 - p)).sum()) + 1e-2
    share = rows["loss_cents"].fillna(0) / rows["amount_cents"]
    expected = rows["loss_cents_instant"] / rows["amount_cents"]
    assert abs((share - expected).mean()) <= 4 * share.std() / np.sqrt(len(rows)) + 1e-3
