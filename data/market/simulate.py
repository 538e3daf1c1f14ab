"""From a world to its ledger and, apart, its truth."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from data.market.advance_events import advance_events
from data.market.advances import Advances, advances, plan_of_action
from data.market.calendar import Calendar, calendar
from data.market.case_events import case_events
from data.market.fates import Fates, fates, outcomes, payable, probabilities
from data.market.ledger_rows import Piece, ledger_table
from data.market.order_events import order_events
from data.market.orders import orders
from data.market.parties import items, merchants, users
from data.market.policy import act, observables
from data.market.recovery import chance_full, claimed, recovered
from data.market.requests import requests
from data.market.story import Story, stopped
from data.market.timeline import timeline
from data.market.truth import truth_table
from data.market.world import Array, World


@dataclass(frozen=True)
class Market:
    """A simulated history: `events` for everybody, `truth` for the judge alone."""

    events: pa.Table
    truth: pa.Table


@dataclass(frozen=True)
class _Prospects:
    """What could happen to every case under each plan, before anybody decides."""

    cases: pd.DataFrame
    t: pd.DataFrame
    book: Fates
    chances: Array
    can: Array
    full: Array
    advanced: Advances


def simulate(world: World) -> Market:
    """Live through a world's history; the same world gives the same bytes."""
    days = calendar(world)
    people, shops = users(world, days), merchants(world)
    bought = orders(world, days, people, shops, items(world, shops))
    ahead = _prospects(world, days, requests(world, bought, people, shops))
    seen = observables(bought, ahead.cases, world.book["goods"]["categories"])
    propensity, action = act(world, seen, ahead.advanced.clawed_us, plan_of_action())
    story = _story(world, ahead, plan_of_action()[action])
    pieces = _pieces(bought, people, ahead, story, action, propensity)
    truth = truth_table(
        world,
        ahead.cases,
        ahead.t,
        ahead.book,
        ahead.chances,
        ahead.can,
        ahead.full,
        ahead.advanced,
    )
    return Market(ledger_table(world, bought, pieces), truth)


def _prospects(world: World, days: Calendar, cases: pd.DataFrame) -> _Prospects:
    cases = cases.assign(backlog=days.backlog_at(cases["at"].to_numpy()))
    book = fates(world)
    chances = probabilities(world, cases, book, cases["backlog"].to_numpy())
    can, t = payable(cases, book), timeline(world, days, cases)
    advanced = advances(world, cases, t, book, outcomes(world, chances), can)
    return _Prospects(cases, t, book, chances, can, chance_full(world, cases, book), advanced)


def _story(world: World, ahead: _Prospects, plan: Array) -> Story:
    """Pick, for every case, what happened under the plan that was followed."""
    at, advanced = np.arange(len(plan)), ahead.advanced
    columns = {
        name: np.stack([d[name].to_numpy() for d in advanced.moments])[plan, at]
        for name in advanced.moments[0].columns
    }
    return Story(
        world,
        ahead.cases,
        ahead.t,
        pd.DataFrame(columns),
        ahead.book,
        advanced.fate[plan, at],
        advanced.paid_us[plan, at],
        advanced.clawed_us[plan, at],
    )


def _pieces(
    bought: pd.DataFrame,
    people: pd.DataFrame,
    ahead: _Prospects,
    story: Story,
    action: Array,
    propensity: Array,
) -> Iterator[Piece]:
    kept_back = np.zeros(len(bought), bool)
    kept_back[story.cases["order"].to_numpy()[stopped(story)]] = True
    owed = claimed(story.cases["amount"].to_numpy(), ahead.book.amount[story.fate])
    back = recovered(story.world, story.cases, ahead.book, story.fate, ahead.full, owed)
    yield from order_events(story.world, bought, people, kept_back)
    yield from case_events(story)
    yield from advance_events(story, action, propensity, back)
