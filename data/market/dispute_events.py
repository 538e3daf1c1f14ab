"""Events of disputes, audits, complaints and chargebacks."""

from collections.abc import Iterator

import numpy as np

from data.market.draws import between
from data.market.fates import FAULTS
from data.market.ledger_rows import BUYER, MERCHANT, PLATFORM, Piece
from data.market.story import Story
from data.market.world import DAY, HOUR

_BLAMED = FAULTS.index("buyer")


def dispute_events(s: Story) -> Iterator[Piece]:
    """All pieces of a quarrel about a case."""
    yield from _disputes(s)
    yield from _audits(s)
    yield from _grievances(s)


def _disputes(s: Story) -> Iterator[Piece]:
    d = s.d
    fault = np.where(s.book.fault[s.fate] < 0, _BLAMED, s.book.fault[s.fate])
    proven = np.where(s.named("shared_unproven", "unknown_fault"), 0, 1)
    yield s.piece("arbitration_opened", s.disputed, d["arbitration"], actor=MERCHANT)
    yield s.piece(
        "arbitration_ruled",
        s.disputed,
        d["ruled"],
        d["ruled_known"],
        fault=fault,
        proven=proven,
        actor=PLATFORM,
    )
    yield s.piece(
        "arbitration_overturned",
        s.named("false_appeal"),
        d["overturned"],
        d["overturned_known"],
        fault=FAULTS.index("merchant"),
        actor=PLATFORM,
    )


def _audits(s: Story) -> Iterator[Piece]:
    """Random audits: most end within weeks, some after the horizon of the labels."""
    d, quick = s.d, s.named("audit_abuse")
    late = s.named("audit_late") & s.paid
    flagged = np.where(late, s.clawed_us - 30 * HOUR, d["audit"])
    known = np.where(late, s.clawed_us - HOUR, d["audit_known"])
    yield s.piece(
        "audit_flagged", quick | late, flagged, known, fault=_BLAMED, proven=1, actor=PLATFORM
    )


def _grievances(s: Story) -> Iterator[Piece]:
    """Complaints of merchants about buyers and of buyers, and chargebacks."""
    rng, n, kind = s.world.stream("grievances"), len(s.cases), s.cases["kind"].to_numpy()
    buyers = s.world.book["buyers"]
    lean = np.exp(buyers["observed"] * s.cases["opportunism"].to_numpy())
    guilty = np.where(s.book.abuse[s.fate], buyers["guilty"], 1.0)
    about = rng.random(n) < np.array(buyers["complaints"])[kind] * lean * guilty
    when = s.t["answer"] + between(rng, 1, 200, n)
    yield s.piece("complaint_filed", about, when, actor=MERCHANT)
    shop = np.array(s.world.book["merchants"]["complaints"])[s.cases["trade"].to_numpy()]
    own = rng.random(n) < shop
    yield s.piece("complaint_filed", own, s.t["answer"] + between(rng, 1, 100, n), actor=BUYER)
    disputes = rng.random(n) < np.array(buyers["chargebacks"])[kind] * lean
    when = s.t["request"] + between(rng, 48, 400, n)
    yield s.piece("chargeback_filed", disputes, when, when + 2 * DAY, actor=BUYER)
