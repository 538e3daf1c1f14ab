"""What platforms, carriers and devices note about orders and cases beside their course.

Every note has a stream of its own, so that none of them moves what was there without it. A note of
the request knows who the buyer is (`kind`, `opportunism`) and never how the case ends; a note of
the parcel knows what was in it and where it came from, for then that has happened.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtr

from data.market.requests import RETURN
from data.market.story import Story
from data.market.world import HOUR, Array, World


def price_band(world: World, category: Array, amount: Array, count: Array) -> Array:
    """Tenth of the price among goods of its category, 0 to 9."""
    goods = world.book["goods"]
    sd = np.array(goods["price_sd"])[category]
    z = np.log(amount / count / np.array(goods["price"])[category]) / sd
    return np.asarray(np.minimum(10 * ndtr(z), 9).astype(np.int64))


def request_marks(s: Story) -> dict[str, Array]:
    """Columns of the request: accounts, evidence, properties of the goods, the merchant's name."""
    c, world = s.cases, s.world
    category, merchant = c["category"].to_numpy(), c["merchant"].to_numpy()
    amount, count = c["order_amount"].to_numpy(), c["count"].to_numpy()
    rng = world.stream("marks of merchants")
    n = int(merchant.max(initial=0)) + 1
    sloppy = np.array(world.book["merchants"]["sloppy"])[c["trade"].to_numpy()]
    rating = 5.2 - 0.3 * sloppy + rng.normal(0, 0.12, n)[merchant]
    deposit = 100_000 * np.exp(rng.exponential(1.5, n))[merchant]
    return {
        **_accounts(s),
        **_evidence(s),
        **_goods(s),
        "price_band": price_band(world, category, amount, count),
        "merchant_rating": np.round(np.clip(rating, 3.0, 5.0), 1),
        "merchant_deposit_cents": deposit.astype(np.int64),
    }


def _by_kind(s: Story, name: str) -> Array:
    """A parameter of `[marks]`, per case by the type of its buyer."""
    return np.asarray(np.array(s.world.book["marks"][name])[s.cases["kind"].to_numpy()])


def _accounts(s: Story) -> dict[str, Array]:
    """Pay-out account, phone, network, device: a buyer's own, a ring's shared, a hub's."""
    rng, user = s.world.stream("marks of accounts"), s.cases["user"].to_numpy()
    n, each = len(user), int(user.max(initial=0)) + 1
    ring = s.cases["ring"].to_numpy()
    shared = ring * 3 + rng.integers(0, 3, each)[user]  # a ring of 4 to 12 has three of each
    other = rng.random(n) < 0.03
    hubs = 20 + each // 200
    mobile = rng.random(n) < 0.4
    return {
        "payout_id": np.where(ring >= 0, 2 * each + shared, 2 * user + other),
        "phone_id": np.where(ring >= 0, 2 * each + shared, 2 * user),
        "ip_id": np.where(mobile, rng.integers(0, hubs, n), hubs + s.cases["address"].to_numpy()),
        "device_tampered": (rng.random(n) < _by_kind(s, "tampered")).astype(np.int64),
    }


def _evidence(s: Story) -> dict[str, Array]:
    """Pictures: their hash, how many were taken in the app; a second word for the reason."""
    rng, c = s.world.stream("marks of evidence"), s.cases
    n, count = len(c), c["evidence"].to_numpy()
    known = 4 + n // 2000  # pictures that go round, for each type of buyer
    pool = known * c["kind"].to_numpy() + rng.integers(0, known, n)
    reused = rng.random(n) < _by_kind(s, "evidence_reused")
    return {
        "evidence_hash": np.where(
            count == 0, -1, np.where(reused, pool, 1000 * known + np.arange(n))
        ),
        "in_app_count": rng.binomial(count, _by_kind(s, "in_app")),
        "reason_detail": 2 * c["reason"].to_numpy() + (rng.random(n) < 0.4),
        "attempt": 1 + rng.binomial(4, _by_kind(s, "attempts")),
        "variant_count": 1 + np.minimum(rng.poisson(0.15, n), c["count"].to_numpy() - 1),
    }


def _goods(s: Story) -> dict[str, Array]:
    """Properties of the item that its category and its number decide."""
    rng, book = s.world.stream("marks of items"), s.world.book["marks"]
    item, category = s.cases["item"].to_numpy(), s.cases["category"].to_numpy()
    u = rng.random((int(item.max(initial=0)) + 1, 4))[item]
    names = ("serial_tracked", "consumable", "limited_edition", "inspection_exempt")
    flags = {k: u[:, n] < np.array(book[k])[category] for n, k in enumerate(names)}
    resale = np.round(np.array(book["resale"])[category], 2)
    return {k: v.astype(np.int64) for k, v in flags.items()} | {"resale_share": resale}


def parcel_marks(s: Story) -> dict[str, Array]:
    """Columns of tracking, scans and delivery: carrier, weights, way, checks."""
    rng, c, n = s.world.stream("marks of parcels"), s.cases, len(s.cases)
    method, item = c["method"].to_numpy(), c["item"].to_numpy()
    fake, empty = s.named("fake_tracking"), s.named("empty_box")
    typical = np.array(s.world.book["marks"]["weight_g"])[c["category"].to_numpy()]
    spread = np.exp(rng.normal(0, 0.5, int(item.max(initial=0)) + 1))[item]
    expected = np.rint(typical * spread * c["count"].to_numpy())
    share = np.exp(rng.normal(0, 0.12, n))
    share = np.where(empty, rng.uniform(0.02, 0.6, n), share)
    share = np.where(fake, rng.uniform(0.05, 1.1, n), share)
    share = np.where(s.named("false_claim"), share * rng.uniform(0.75, 1.0, n), share)
    km = np.exp(rng.normal(1.5, 1.0, n))
    far = rng.random(n) < np.where(fake, 0.6, 0.02)
    elsewhere = rng.random(n) < np.select([fake, s.named("merchant_fault")], [0.5, 0.4], 0.003)
    odd = rng.random(n) < np.select([fake, empty, s.named("carrier_lost")], [0.5, 0.25, 0.1], 0.015)
    return {
        "carrier": np.select([method == 0, method == 2], [0, 1], rng.integers(2, 6, n)),
        "expected_weight_g": np.maximum(expected, 20).astype(np.int64),
        "weight_g": np.maximum(expected * share, 10).astype(np.int64),
        "origin_km": np.rint(np.where(far, rng.uniform(100, 1500, n), km)).astype(np.int64),
        "to_merchant": (~elsewhere).astype(np.int64),
        "risk_code": odd.astype(np.int64),
        "scan_count": 3 + rng.poisson(3, n),
    }


def finding(s: Story) -> Array:
    """What the merchant says is wrong with refused goods."""
    rng, n = s.world.stream("marks of inspections"), len(s.cases)
    claims = np.array([0, 0, 1, 2, 2, 3])[rng.integers(0, 6, n)]
    return np.where(s.named("empty_box"), 3 + (rng.random(n) < 0.6), claims)


def hours(later: "pd.Series[int]", earlier: "pd.Series[int]") -> Array:
    """Hours between two moments of every case."""
    return np.asarray((later.to_numpy() - earlier.to_numpy()) / HOUR)


def happens(s: Story, name: str) -> tuple[np.random.Generator, Array]:
    """A stream of its own, and which cases see an event that comes by type of buyer."""
    rng = s.world.stream(f"marks: {name}")
    return rng, rng.random(len(s.cases)) < _by_kind(s, name)


def returned(s: Story) -> Array:
    """Returns whose parcel was scanned."""
    back = s.cases["refund_type"].to_numpy() == RETURN
    return np.asarray(back & s.book.scanned[s.fate])
