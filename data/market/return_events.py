"""Events of the goods' way back: tracking, scans, delivery, inspection, and the refund after it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from data.market.ledger_rows import BUYER, CARRIER, MERCHANT, PLATFORM, SYSTEM, Piece
from data.market.marks import finding, hours, parcel_marks
from data.market.story import Story, refund_due, refund_us
from data.market.timeline import CONFIRM_DAYS
from data.market.world import DAY, HOUR, Array

_IDLE = 0.5  # buyers who fill in a tracking number and never ship


def return_events(s: Story) -> Iterator[Piece]:
    """All pieces of the way back."""
    yield from _returns(s)
    yield from _inspections(s)


def _returns(s: Story) -> Iterator[Piece]:
    rng, t = s.world.stream("returns"), s.t
    scanned = s.back & s.book.scanned[s.fate]
    number = np.arange(len(t))
    fake = s.named("fake_tracking") & s.back
    number = np.where(fake & (number > 0), (rng.random(len(t)) * number).astype(np.int64), number)
    idle = s.named("never_shipped") & s.back & (rng.random(len(t)) < _IDLE)
    marks = parcel_marks(s)
    carrier: dict[str, Any] = {"tracking_id": number, "carrier": marks["carrier"]}
    yield s.piece("tracking_submitted", scanned | idle, t["tracking"], actor=BUYER, **carrier)
    carrier["actor"] = CARRIER
    seen = {k: marks[k] for k in ("weight_g", "expected_weight_g", "origin_km", "to_merchant")}
    yield s.piece(
        "first_scan",
        scanned,
        t["scan"],
        t["scan_known"],
        **carrier,
        **seen,
        risk_code=marks["risk_code"],
        wait_hours=hours(t["scan"], t["request"]),
    )
    stuck = s.back & s.named("fake_tracking", "carrier_lost", "merchant_fault")
    known = t["stuck"] + HOUR
    yield s.piece("logistics_abnormal", stuck, t["stuck"], known, **carrier)
    came = s.back & s.book.delivered[s.fate]
    yield s.piece(
        "return_delivered",
        came,
        t["delivered"],
        t["delivered_known"],
        **carrier,
        scan_count=marks["scan_count"],
        wait_hours=hours(t["delivered"], t["scan"]),
        deadline_ts=t["delivered_known"].to_numpy() + CONFIRM_DAYS * DAY,
    )
    yield from _moved(s, came)


def _moved(s: Story, came: Array) -> Iterator[Piece]:
    """In a back-log the platform moves the dates by which buyers ship and merchants confirm."""
    t, moved = s.t, s.t["moved"].to_numpy()
    for which, since, until in ((s.back, "answer", "expire"), (came, "delivered_known", "auto")):
        when, deadline = t[since] + HOUR, t[until].to_numpy()
        yield s.piece("deadline_moved", moved & which, when, actor=PLATFORM, deadline_ts=deadline)


def _inspections(s: Story) -> Iterator[Piece]:
    good = s.back & s.named("clean", "audit_abuse", "audit_late")
    looked = hours(s.d["end"], s.t["delivered_known"])
    yield s.piece("receipt_confirmed", good, s.d["end"], actor=MERCHANT, wait_hours=looked)
    automatic = s.back & s.named("auto_confirmed")
    yield s.piece("receipt_auto_confirmed", automatic, s.d["end"], actor=SYSTEM)
    refused = s.back & s.disputed
    yield s.piece("goods_refused", refused, s.d["end"], actor=MERCHANT, finding=finding(s))
    due = refund_due(s)
    unpaid = (due > 0) & ~s.paid
    yield s.piece("refund_paid", unpaid, refund_us(s), amount_cents=due, actor=SYSTEM)
