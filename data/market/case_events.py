"""Events of cases: the request, the answer, and what the buyer does next."""

from collections.abc import Iterator

import numpy as np

from data.market.dispute_events import dispute_events
from data.market.draws import between
from data.market.ledger_rows import BUYER, MERCHANT, PLATFORM, SYSTEM, Piece
from data.market.mark_events import mark_events
from data.market.marks import hours, request_marks
from data.market.return_events import return_events
from data.market.story import Story, stopped
from data.market.timeline import ANSWER_HOURS, SECOND, TRACKING_DAYS
from data.market.world import DAY, HOUR


def case_events(story: Story) -> Iterator[Piece]:
    """All pieces that are about cases and not about the advance's money."""
    yield from _requests(story)
    yield from _answers(story)
    yield from return_events(story)
    yield from dispute_events(story)
    yield from mark_events(story)


def _requests(s: Story) -> Iterator[Piece]:
    c, rng, n = s.cases, s.world.stream("edits"), len(s.cases)
    yield s.piece(
        "refund_requested",
        np.ones(n, bool),
        s.t["request"],
        amount_cents=c["amount"].to_numpy(),
        order_amount_cents=c["order_amount"].to_numpy(),
        coupon_cents=c["coupon"].to_numpy(),
        payment_method=c["payment"].to_numpy(),
        item_count=c["count"].to_numpy(),
        member_level=c["level"].to_numpy(),
        evidence_count=c["evidence"].to_numpy(),
        reason=c["reason"].to_numpy(),
        refund_type=c["refund_type"].to_numpy(),
        return_method=np.where(s.back, c["method"].to_numpy(), -1),
        deadline_ts=(s.t["request"] + ANSWER_HOURS * HOUR).to_numpy(),
        actor=BUYER,
        **request_marks(s),
    )
    edits = rng.random(n) < s.world.book["cases"]["edited"]
    when = s.t["request"] + between(rng, 0.02, 0.07, n)
    yield s.piece("request_edited", edits, when, actor=BUYER, reason=c["reason"].to_numpy())


def _answers(s: Story) -> Iterator[Piece]:
    answer, silent = s.t["answer"], s.t["silent"].to_numpy()
    refused = ~s.back & s.disputed
    tracking_by = np.where(s.back, answer.to_numpy() + TRACKING_DAYS * DAY, -1)
    agreed = ~silent & ~refused
    waited = hours(answer, s.t["request"])
    yield s.piece(
        "merchant_agreed",
        agreed,
        answer,
        actor=MERCHANT,
        deadline_ts=tracking_by,
        wait_hours=waited,
    )
    automatic = silent & ~refused
    yield s.piece("request_auto_agreed", automatic, answer, actor=SYSTEM, deadline_ts=tracking_by)
    yield s.piece("merchant_refused", refused, answer, actor=MERCHANT, wait_hours=waited)
    yield s.piece("buyer_withdrew", s.withdrawn, s.t["withdraw"], actor=BUYER)
    kept = s.named("never_shipped") & s.back
    yield s.piece("request_expired", kept, s.t["expire"], actor=SYSTEM)
    reason = s.cases["reason"].to_numpy()
    yield s.piece("order_cancelled", stopped(s), answer + SECOND, actor=PLATFORM, reason=reason)
