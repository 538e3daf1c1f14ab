"""Rows that say something beside the course of cases: changed accounts, second thoughts, claims."""

from collections.abc import Iterator

import numpy as np

from data.market.draws import between
from data.market.ledger_rows import BUYER, CARRIER, PLATFORM, Piece
from data.market.mark_words import CHANGES
from data.market.marks import happens, returned
from data.market.requests import REASONS
from data.market.story import Story
from data.market.world import DAY, HOUR, Array

OVERDUE_DAYS = 14


def mark_events(s: Story) -> Iterator[Piece]:
    """All pieces but those of the money."""
    yield _account_changes(s)
    yield _switches(s)
    yield _corrections(s)
    yield _insurance(s)
    yield _pauses(s)


def overdue(s: Story, owing: Array, wait: Array, opened: Array) -> Piece:
    """Claw-backs not repaid in full two weeks after they were opened.

    Parameters
    ----------
    owing : cases with a claw-back that stands; `wait` us until all comes back, if it does.
    """
    late = owing & (wait > OVERDUE_DAYS * DAY)
    return s.piece("clawback_overdue", late, opened + OVERDUE_DAYS * DAY, actor=PLATFORM)


def _account_changes(s: Story) -> Piece:
    """Some time between the order and the request; the event belongs to no case."""
    rng, changes = happens(s, "account_changes")
    at = np.flatnonzero(changes)
    placed, asked = s.cases["placed"].to_numpy()[at], s.t["request"].to_numpy()[at]
    when = placed + (rng.random(len(at)) * (asked - placed)).astype(np.int64)
    values: dict[str, Array | int] = {
        "actor": BUYER,
        "change": rng.integers(0, len(CHANGES), len(at)),
    }
    return Piece("account_changed", s.cases["order"].to_numpy()[at], when, when, values)


def _switches(s: Story) -> Piece:
    """The buyer gives another reason for the same request."""
    rng, switches = happens(s, "switches")
    n, first = len(s.cases), s.cases["reason"].to_numpy()
    other = (first + rng.integers(1, len(REASONS), n)) % len(REASONS)
    when = s.t["request"] + between(rng, 0.071, 0.08, n)
    return s.piece("request_edited", switches, when, actor=BUYER, reason=other)


def _corrections(s: Story) -> Piece:
    """The buyer corrects the tracking number before the parcel is seen."""
    rng, corrects = happens(s, "corrections")
    corrects = corrects | (s.named("fake_tracking") & (rng.random(len(corrects)) < 0.25))
    t = s.t
    when = t["tracking"] + (rng.uniform(0.1, 0.9, len(t)) * (t["scan"] - t["tracking"])).astype(int)
    return s.piece("tracking_edited", returned(s) & corrects, when, actor=BUYER)


def _pauses(s: Story) -> Piece:
    """Parcels that stand still for three days, and arrive after all."""
    rng, pauses = happens(s, "pauses")
    slow = s.t["delivered"] - s.t["scan"] > 96 * HOUR
    came = returned(s) & s.book.delivered[s.fate]
    when = s.t["scan"] + between(rng, 73, 96, len(s.cases))
    return s.piece("logistics_abnormal", came & slow & pauses, when, actor=CARRIER)


def _insurance(s: Story) -> Piece:
    """The freight insurance pays for the way back."""
    rng, claims = happens(s, "insurance")
    when = s.t["scan_known"] + between(rng, 1, 48, len(s.cases))
    return s.piece("insurance_claimed", returned(s) & claims, when, actor=BUYER)
