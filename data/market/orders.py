"""Orders: who bought what, when, how it was paid, shipped and delivered."""

import numpy as np
import pandas as pd

from data.market.calendar import Calendar
from data.market.draws import pick, waiting
from data.market.parties import choose_items
from data.market.world import HOUR, Array, World

PAYMENTS = ("wallet", "card", "credit", "instalment")
NEVER = np.iinfo(np.int64).max


def orders(
    world: World, days: Calendar, people: pd.DataFrame, shops: pd.DataFrame, goods: pd.DataFrame
) -> pd.DataFrame:
    """One row an order, in the order of `placed`; the position is the order's id.

    `shipped` and `delivered` are `NEVER` where that does not happen; `unpaid` orders are cancelled.
    """
    rng = world.stream("orders")
    user, placed = _placed(world, rng, days, people)
    kind = people["type"].to_numpy()[user]
    item = choose_items(world, rng, kind, goods)
    item = _colluding(world, rng, people["ring"].to_numpy()[user], item, shops, goods)
    frame = pd.DataFrame({"user": user, "placed": placed, "item": item})
    frame["merchant"] = goods["merchant"].to_numpy()[item]
    frame["category"] = goods["category"].to_numpy()[item]
    busting = placed >= people["bust"].to_numpy()[user]
    frame["amount"], frame["count"] = _amounts(world, rng, goods["price"].to_numpy()[item], busting)
    return frame.assign(
        **_payment(world, rng, people.iloc[user], frame["amount"].to_numpy()),
        **_carriage(world, rng, days, shops, frame),
    )


def _placed(
    world: World, rng: np.random.Generator, days: Calendar, people: pd.DataFrame
) -> tuple[Array, Array]:
    low = days.mass(people["joined"].to_numpy())
    high = days.mass(people["leaves"].to_numpy())
    user = pick(rng, people["rate"].to_numpy() * (high - low), world.n_orders)
    placed = days.instant(low[user] + rng.random(world.n_orders) * (high - low)[user])
    order = np.lexsort((user, placed))
    return user[order], placed[order]


def _colluding(
    world: World,
    rng: np.random.Generator,
    ring: Array,
    item: Array,
    shops: pd.DataFrame,
    goods: pd.DataFrame,
) -> Array:
    """A ring buys part of its orders from one merchant who is in it."""
    code = world.book["merchants"]["types"].index("colluding")
    theirs = np.flatnonzero(shops["type"].to_numpy()[goods["merchant"].to_numpy()] == code)
    moved = (ring >= 0) & (rng.random(len(item)) < world.book["buyers"]["ring_collusion"])
    at = (ring[moved] * 7 + rng.integers(0, 4, int(moved.sum()))) % len(theirs)
    item = item.copy()
    item[moved] = theirs[at]
    return item


def _amounts(
    world: World, rng: np.random.Generator, price: Array, busting: Array
) -> tuple[Array, Array]:
    count = 1 + rng.poisson(0.25, len(price))
    raw = price * count * np.exp(0.25 * rng.standard_normal(len(price)))
    raw = np.where(busting, raw * world.book["buyers"]["bust_price"], raw)
    cents = np.clip(np.rint(raw), 100, world.book["goods"]["max_cents"]).astype(np.int64)
    return cents, count


def _payment(
    world: World, rng: np.random.Generator, buyer: pd.DataFrame, amount: Array
) -> dict[str, Array]:
    book, n = world.book["buyers"], len(buyer)
    kind = buyer["type"].to_numpy()
    lean = np.exp(book["observed"] * buyer["opportunism"].to_numpy() - book["observed"] ** 2 / 2)
    has_coupon = rng.random(n) < np.array(book["coupon"])[kind] * np.sqrt(lean)
    coupon = np.where(has_coupon, np.rint(amount * rng.uniform(0.03, 0.3, n)), 0).astype(np.int64)
    credit = rng.random(n) < np.array(book["credit"])[kind]
    payment = np.where(credit, 2 + (rng.random(n) < 0.3), rng.random(n) < 0.35)
    second = (rng.random(n) < 0.2) | (buyer["ring"].to_numpy() >= 0)
    offset = rng.integers(0, 1 << 20, (2, n))
    device = buyer["device"] + np.where(second, offset[0] % buyer["n_device"], 0)
    address = buyer["address"] + np.where(second, offset[1] % buyer["n_address"], 0)
    return {
        "coupon": coupon,
        "payment": payment.astype(np.int64),
        "unpaid": rng.random(n) < np.array(book["unpaid"])[kind] * lean,
        "device": device.to_numpy(),
        "address": address.to_numpy(),
    }


def _carriage(
    world: World,
    rng: np.random.Generator,
    days: Calendar,
    shops: pd.DataFrame,
    frame: pd.DataFrame,
) -> dict[str, Array]:
    n, placed = len(frame), frame["placed"].to_numpy()
    kind = shops["type"].to_numpy()[frame["merchant"].to_numpy()]
    median = np.array(world.book["merchants"]["ship_hours"])[kind]
    shipped = placed + waiting(rng, median, 0.7, 120, n)
    slow = days.backlog_at(shipped)
    delivered = shipped + waiting(rng, 52 * slow, 0.5, 360, n)
    lost = rng.random(n) < world.book["cases"]["lost_forward"] * slow
    lag = waiting(rng, 1.5 * slow, 0.9, 36, n)  # carriers report late, later in a festival
    return {
        "shipped": shipped,
        "delivered": np.where(lost, NEVER, delivered),
        "lost": lost,
        "lag": np.maximum(lag, HOUR // 60),
    }
