"""Who lives in the market: buyers with their devices and addresses, merchants, items.

Positions are the ids: user 0..n-1, merchant 0..m-1, item 0..k-1.
"""

import numpy as np
import pandas as pd

from data.market.calendar import Calendar
from data.market.draws import pick, pick_rows
from data.market.world import DAY, Array, World


def users(world: World, days: Calendar) -> pd.DataFrame:
    """Buyers: type, latent propensities, the window they shop in, devices and addresses.

    Returns
    -------
    One row a user: `type` (position in `buyers.types`), `opportunism` ~ N(0, 1), `rate`,
    `requests` (log of the own request propensity), `joined`, `leaves`, `bust` (us), `ring` (-1
    none), `level` (-1 unknown), `device`, `address` (first id of the own), `n_device`, `n_address`.
    """
    book, rng = world.book["buyers"], world.stream("users")
    n = max(40, int(world.n_orders / book["orders_each"]))
    kind = np.sort(pick(rng, np.array(book["share"]), n))
    z = rng.standard_normal(n)
    rate = np.array(book["rate"])[kind] * np.exp(book["rate_sd"] * rng.standard_normal(n))
    own = book["requests_sd"] * rng.standard_normal(n) + 0.5 * book["observed"] * z
    frame = pd.DataFrame({"type": kind, "opportunism": z, "rate": rate, "requests": own})
    frame["ring"] = _rings(rng, kind == _code(world, "ring"), *book["ring_size"])
    frame = frame.join(_windows(world, rng, frame, days))
    level = np.array(book["level"])[kind] + 0.5 * np.log(rate) - book["observed"] * z
    level += rng.standard_normal(n) - 0.8 * (frame["joined"].to_numpy() > world.start_us)
    frame["level"] = np.where(rng.random(n) < 0.05, -1, np.clip(np.rint(level), 0, 6))
    frame["level"] = frame["level"].astype(np.int64)
    return frame.join(_links(world, rng, frame))


def _code(world: World, buyer: str) -> int:
    return int(world.book["buyers"]["types"].index(buyer))


def _rings(rng: np.random.Generator, member: Array, low: int, high: int) -> Array:
    """Ring number of each user; members stand together because users are sorted by type."""
    n = int(member.sum())
    sizes = rng.integers(low, high + 1, n + 1)
    ring = np.full(len(member), -1)
    ring[member] = np.repeat(np.arange(n + 1), sizes)[:n]
    return ring


def _windows(
    world: World, rng: np.random.Generator, frame: pd.DataFrame, days: Calendar
) -> pd.DataFrame:
    book = world.book["buyers"]
    kind, ring, n = frame["type"].to_numpy(), frame["ring"].to_numpy(), len(frame)
    span = days.end_us - world.start_us
    joined = world.start_us + (rng.random(n) * 0.94 * span).astype(np.int64)
    together = world.start_us + (rng.random(ring.max() + 2) * 0.85 * span).astype(np.int64)
    joined = np.where(ring >= 0, together[ring] + rng.integers(0, 20 * DAY, n), joined)
    joined = np.where(rng.random(n) < np.array(book["old"])[kind], world.start_us, joined)
    life = np.array(book["life_days"])[kind] * rng.uniform(0.6, 1.4, n)
    stays = life == 0
    leaves = np.where(stays, days.end_us, joined + (np.maximum(life, 1) * DAY).astype(np.int64))
    leaves = np.minimum(np.maximum(leaves, joined + DAY), days.end_us)
    busts = kind == _code(world, "bust_out")
    bust = np.where(busts, leaves - book["bust_days"] * DAY, np.iinfo(np.int64).max)
    return pd.DataFrame({"joined": joined, "leaves": leaves, "bust": bust})


def _links(world: World, rng: np.random.Generator, frame: pd.DataFrame) -> pd.DataFrame:
    """Devices and addresses: own ones, a ring's pool, a family's device, a dormitory's address."""
    book, n = world.book["buyers"], len(frame)
    ring = frame["ring"].to_numpy()
    device, address = 2 * np.arange(n), 2 * np.arange(n)
    n_device = 1 + (rng.random(n) < 0.25)
    n_address = 1 + (rng.random(n) < 0.30)
    lone = np.flatnonzero(ring < 0)
    shares = lone[rng.random(len(lone)) < book["family"]]
    device[shares] = device[rng.choice(lone, len(shares))]
    dorm = lone[rng.random(len(lone)) < book["dormitory"]]
    hall = rng.integers(0, 1 + len(dorm) // book["dormitory_size"], len(dorm))
    address[dorm], n_address[dorm] = 2 * n + hall, 1
    member = ring >= 0
    device[member] = 2 * n + 4 * ring[member]
    address[member] = 3 * n + 4 * ring[member]
    n_device[member], n_address[member] = 4, 3
    return pd.DataFrame(
        {"device": device, "address": address, "n_device": n_device, "n_address": n_address}
    )


def merchants(world: World) -> pd.DataFrame:
    """Merchants: type (position in `merchants.types`) and size (share of the trade)."""
    book, rng = world.book["merchants"], world.stream("merchants")
    n = max(12, world.n_orders // book["orders_each"])
    kind = pick(rng, np.array(book["share"]), n)
    kind[:4] = np.arange(4)  # every world has each type
    size = np.exp(book["size_sd"] * rng.standard_normal(n))
    size[kind == book["types"].index("colluding")] *= 0.2
    return pd.DataFrame({"type": kind, "size": size})


def items(world: World, shops: pd.DataFrame) -> pd.DataFrame:
    """Items sorted by category: merchant, category, price in cents, cumulative popularity."""
    book, rng = world.book["goods"], world.stream("items")
    n = len(shops) * world.book["merchants"]["items_each"]
    merchant = np.arange(n) % len(shops)
    main = pick(rng, np.array(book["demand"]), len(shops))
    category = np.where(rng.random(n) < 0.7, main[merchant], pick(rng, np.array(book["demand"]), n))
    spread = np.array(book["price_sd"])[category] * rng.standard_normal(n)
    price = np.array(book["price"])[category] * np.exp(spread)
    popularity = shops["size"].to_numpy()[merchant] * (1 + rng.pareto(1.3, n))
    frame = pd.DataFrame(
        {"merchant": merchant, "category": category, "price": price, "popularity": popularity}
    ).sort_values("category", kind="stable", ignore_index=True)
    frame["cumulative"] = frame["popularity"].cumsum()
    return frame


def choose_items(world: World, rng: np.random.Generator, kind: Array, goods: pd.DataFrame) -> Array:
    """An item for each order: a category by the buyer's taste, then an item by popularity."""
    book = world.book["goods"]
    taste = np.array(world.book["buyers"]["taste"])[:, None]
    weights = (1 - taste) * np.array(book["demand"]) + taste * np.array(book["tempting"])
    cumulative = goods["cumulative"].to_numpy()
    category = goods["category"].to_numpy()
    edge = np.searchsorted(category, np.arange(len(book["categories"]) + 1))
    weights = np.where(np.diff(edge) > 0, weights, 0.0)
    bound = np.r_[0.0, cumulative][edge]
    chosen = pick_rows(rng, weights, kind)
    at = bound[chosen] + rng.random(len(kind)) * (bound[chosen + 1] - bound[chosen])
    found = np.searchsorted(cumulative, at, side="right")
    return np.asarray(np.clip(found, edge[chosen], edge[chosen + 1] - 1))
