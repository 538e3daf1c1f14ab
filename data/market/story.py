"""What really happened to each case: the one thing that the event generators read."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.market.fates import Fates
from data.market.ledger_rows import Piece
from data.market.orders import NEVER
from data.market.requests import RETURN, UNSHIPPED
from data.market.world import HOUR, Array, World


@dataclass(frozen=True)
class Story:
    """The realised course of every case: its attributes, clock, fate, plan and advance."""

    world: World
    cases: pd.DataFrame
    t: pd.DataFrame
    d: pd.DataFrame
    book: Fates
    fate: Array
    paid_us: Array
    clawed_us: Array

    def named(self, *names: str) -> Array:
        """Which cases met one of these fates."""
        return np.isin(self.fate, [self.book.code(n) for n in names])

    @property
    def back(self) -> Array:
        """Which cases are returns."""
        return np.asarray(self.cases["refund_type"].to_numpy() == RETURN)

    @property
    def paid(self) -> Array:
        """Which cases were advanced."""
        return self.paid_us < NEVER

    @property
    def withdrawn(self) -> Array:
        """Which requests the buyer took back."""
        return self.named("withdrew_kept", "withdrew_repaid")

    @property
    def disputed(self) -> Array:
        """Which cases the arbiter saw."""
        return self.book.appeal[self.fate] | self.named("empty_box")

    def piece(
        self,
        event_type: str,
        which: Array,
        event_us: "Array | pd.Series[int]",
        known_us: "Array | pd.Series[int] | None" = None,
        **values: Array | int,
    ) -> Piece:
        """Events of one type for the cases in a mask; arrays are given for all cases."""
        at = np.flatnonzero(which)
        event = np.asarray(event_us)[at]
        known = event if known_us is None else np.asarray(known_us)[at]
        kept = {k: v if isinstance(v, int) else np.asarray(v)[at] for k, v in values.items()}
        order = self.cases["order"].to_numpy()[at]
        return Piece(event_type, order, event, known, kept, at)


def stopped(s: Story) -> Array:
    """Unshipped cases whose order was in fact held back."""
    sent = s.named("never_shipped", "merchant_fault") | s.withdrawn | s.disputed
    return np.asarray((s.cases["refund_type"].to_numpy() == UNSHIPPED) & ~sent)


def refund_due(s: Story) -> Array:
    """Cents the buyer is owed on the normal track."""
    amount = s.cases["amount"].to_numpy()
    none = s.named("never_shipped", "fake_tracking", "empty_box", "false_claim", "unknown_fault")
    half = s.named("shared_fault", "shared_unproven")
    return np.where(none | s.withdrawn, 0, np.where(half, amount // 2, amount))


def refund_us(s: Story) -> Array:
    """When the normal track pays."""
    when = np.where(s.disputed, s.d["ruled_known"], s.d["end"])
    when = np.where(s.named("false_appeal"), s.d["overturned_known"], when)
    lost = s.back & s.named("carrier_lost", "merchant_fault")
    return np.asarray(np.where(lost, s.t["lost"], when) + HOUR // 60)
