"""Events of the advance and of the claw-back, and the money that moves in them.

For every advance: paid = settled (the merchant bears) + recovered + written off + still open.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data.market.advances import STAGES
from data.market.ledger_rows import FUNDERS, PLATFORM, SYSTEM, Piece
from data.market.mark_events import overdue
from data.market.orders import NEVER
from data.market.recovery import claimed
from data.market.story import Story
from data.market.timeline import SECOND
from data.market.world import ACTIONS, HOUR, Array


def advance_events(
    s: Story, action: Array, propensity: Array, back: pd.DataFrame
) -> Iterator[Piece]:
    """Decision, payment, settlement or closing of advances, and their claw-backs.

    Parameters
    ----------
    action : shape (cases,), positions in ACTIONS; `propensity` has their probabilities.
    back : what each claw-back brings (`recovery.recovered`).
    """
    yield _decisions(s, action, propensity)
    yield from _payments(s, action)
    amount = s.cases["amount"].to_numpy()
    yield from _settlements(s, amount)
    yield from _clawbacks(s, amount, back)


def _decisions(s: Story, action: Array, propensity: Array) -> Piece:
    return s.piece(
        "advance_decided",
        np.ones(len(action), bool),
        s.t["request"] + SECOND,
        action=action,
        act_prob=propensity[np.arange(len(action)), action],
        keep_prob=propensity.max(axis=1),
        amount_cents=s.cases["amount"].to_numpy(),
        stage=STAGES.index("request"),
        policy_id=0,
        actor=SYSTEM,
    )


def _payments(s: Story, action: Array) -> Iterator[Piece]:
    yield s.piece(
        "advance_paid",
        s.paid,
        s.paid_us,
        amount_cents=s.cases["amount"].to_numpy(),
        stage=np.minimum(action, len(STAGES) - 1),
        funder=FUNDERS.index("platform"),
        actor=PLATFORM,
    )
    waits = np.isin(action, [ACTIONS.index(a) for a in ("at_first_scan", "after_delivery")])
    over = np.where(s.withdrawn, s.t["withdraw"], np.where(s.back, s.t["expire"], s.t["answer"]))
    over = np.where(s.back & s.book.scanned[s.fate], s.t["lost"], over)
    yield s.piece("advance_closed", waits & ~s.paid, over + SECOND, actor=SYSTEM)


def _settlements(s: Story, amount: Array) -> Iterator[Piece]:
    kept = s.paid & (s.clawed_us == NEVER)
    funder = FUNDERS.index("platform")
    yield s.piece("advance_settled", kept, s.d["settle"], amount_cents=amount, funder=funder)
    owed = claimed(amount, s.book.amount[s.fate])
    shared = s.paid & (owed < amount)
    rest = amount - owed
    yield s.piece("advance_settled", shared, s.clawed_us + SECOND, amount_cents=rest, funder=funder)
    wrong = s.paid & s.book.reversed[s.fate]
    when = s.d["overturned_known"] + HOUR
    yield s.piece("clawback_reversed", wrong, when, amount_cents=amount, actor=PLATFORM)
    yield s.piece("advance_settled", wrong, when + SECOND, amount_cents=amount, funder=funder)


def _clawbacks(s: Story, amount: Array, back: pd.DataFrame) -> Iterator[Piece]:
    clawed = s.paid & (s.clawed_us < NEVER)
    owed = claimed(amount, s.book.amount[s.fate])
    yield s.piece(
        "clawback_opened",
        clawed,
        s.clawed_us,
        amount_cents=owed,
        cause=s.book.cause[s.fate],
        fault=s.book.fault[s.fate],
        proven=s.book.proven[s.fate].astype(np.int64),
        actor=PLATFORM,
    )
    stands = clawed & ~s.book.reversed[s.fate]
    came = back["recovered"].to_numpy()
    opened = np.where(stands, s.clawed_us, 0)
    wait = np.where(came < owed, NEVER, back["recovery_wait"].to_numpy())
    yield overdue(s, stands, wait, opened)
    yield s.piece(
        "clawback_recovered",
        stands & (came > 0),
        opened + back["recovery_wait"].to_numpy(),
        amount_cents=came,
        channel=back["channel"].to_numpy(),
        actor=SYSTEM,
    )
    yield s.piece(
        "clawback_written_off",
        stands & (came < owed),
        opened + back["write_off_wait"].to_numpy(),
        amount_cents=owed - came,
        actor=PLATFORM,
    )
