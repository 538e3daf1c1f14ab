"""Events of orders: paid, cancelled, shipped, delivered."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from data.market.draws import between, waiting
from data.market.ledger_rows import BUYER, CARRIER, MERCHANT, SYSTEM, WORDS, Piece
from data.market.mark_words import month
from data.market.marks import price_band
from data.market.orders import NEVER
from data.market.world import HOUR, Array, World


def order_events(
    world: World, bought: pd.DataFrame, people: pd.DataFrame, kept_back: Array
) -> Iterator[Piece]:
    """Pieces of all orders; `kept_back` are orders cancelled before they were shipped."""
    rng = world.stream("order_events")
    placed, unpaid = bought["placed"].to_numpy(), bought["unpaid"].to_numpy()
    paid = np.flatnonzero(~unpaid)
    values = {
        "amount_cents": bought["amount"].to_numpy()[paid],
        "coupon_cents": bought["coupon"].to_numpy()[paid],
        "payment_method": bought["payment"].to_numpy()[paid],
        "item_count": bought["count"].to_numpy()[paid],
        "member_level": people["level"].to_numpy()[bought["user"].to_numpy()[paid]],
        "order_month": month(world, placed[paid]),
        "price_band": price_band(
            world, *(bought[k].to_numpy()[paid] for k in ("category", "amount", "count"))
        ),
        "actor": BUYER,
    }
    yield Piece("order_paid", paid, placed[paid], placed[paid], values)
    gone = np.flatnonzero(unpaid)
    late = placed[gone] + between(rng, 0.5, 24, len(gone))
    reason = {"reason": WORDS["reason"].index("unpaid"), "actor": SYSTEM}
    yield Piece("order_cancelled", gone, late, late, reason)
    sent = np.flatnonzero(~unpaid & ~kept_back)
    shipped = bought["shipped"].to_numpy()[sent]
    known = shipped + waiting(rng, 1.0, 0.9, 12, len(sent))
    waited = {"wait_hours": (shipped - placed[sent]) / HOUR, "actor": MERCHANT}
    yield Piece("order_shipped", sent, shipped, known, waited)
    came = np.flatnonzero(~unpaid & ~kept_back & (bought["delivered"].to_numpy() < NEVER))
    delivered = bought["delivered"].to_numpy()[came]
    known = np.maximum(delivered + bought["lag"].to_numpy()[came], delivered + HOUR // 60)
    yield Piece("order_delivered", came, delivered, known, {"actor": CARRIER})
