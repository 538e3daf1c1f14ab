"""Refund requests: which orders become a case, of which kind, when, and what the buyer says.

One order has at most one case. Nothing here depends on how requests are advanced.
"""

import numpy as np
import pandas as pd

from data.market.draws import between, pick_rows, waiting
from data.market.world import Array, World

REASONS = (
    "not_received",
    "quality",
    "wrong_item",
    "missing_parts",
    "size_fit",
    "changed_mind",
    "damaged",
    "late",
)
METHODS = ("pickup", "self_ship", "store")
RETURN, ONLY, UNSHIPPED = 0, 1, 2
# what buyers say, by refund type: columns follow REASONS
_SAYS = np.array(
    [
        [0.00, 0.18, 0.07, 0.05, 0.30, 0.28, 0.09, 0.03],
        [0.10, 0.36, 0.06, 0.16, 0.00, 0.00, 0.26, 0.06],
        [0.00, 0.00, 0.00, 0.00, 0.05, 0.80, 0.00, 0.15],
    ]
)
_SAYS_FASHION = np.array([0.0, 0.10, 0.05, 0.01, 0.56, 0.22, 0.04, 0.02])


def requests(
    world: World, bought: pd.DataFrame, people: pd.DataFrame, shops: pd.DataFrame
) -> pd.DataFrame:
    """One row a case, in the order of the request; the position is the case's id.

    Columns are the case's own (`order`, `at` in us, `refund_type`, `reason`, `amount`, ...) and
    those of its order, buyer and merchant that decide how it goes.
    """
    rng = world.stream("requests")
    user = bought["user"].to_numpy()
    kind = people["type"].to_numpy()[user]
    order = np.flatnonzero(rng.random(len(bought)) < _propensity(world, bought, people, shops))
    chosen = bought.iloc[order]
    claims = rng.random(len(order)) < np.array(world.book["buyers"]["not_received"])[kind[order]]
    refund_type = _refund_type(world, rng, chosen, claims)
    frame = pd.DataFrame(
        {
            "order": order,
            "at": _at(world, rng, chosen, kind[order], refund_type),
            "refund_type": refund_type,
            "reason": _reason(rng, chosen, refund_type, claims),
            "kind": kind[order],
            "trade": shops["type"].to_numpy()[chosen["merchant"]],
        }
    )
    for name in ("user", "merchant", "item", "category", "payment", "coupon", "count", "lost"):
        frame[name] = chosen[name].to_numpy()
    frame["order_amount"] = chosen["amount"].to_numpy()
    frame = frame.assign(**_details(world, rng, frame))
    for name in ("placed", "address"):
        frame[name] = chosen[name].to_numpy()
    for name in ("opportunism", "level", "bust", "joined", "ring"):
        frame[name] = people[name].to_numpy()[frame["user"]]
    frame = frame.assign(busting=frame["at"] >= frame["bust"])
    return frame.sort_values(["at", "order"], kind="stable", ignore_index=True)


def _propensity(
    world: World, bought: pd.DataFrame, people: pd.DataFrame, shops: pd.DataFrame
) -> Array:
    """P(the order becomes a case), shape (orders,)."""
    user, merchant = bought["user"].to_numpy(), bought["merchant"].to_numpy()
    base = np.array(world.book["goods"]["requests"])[bought["category"].to_numpy()]
    base = base * np.array(world.book["buyers"]["requests"])[people["type"].to_numpy()[user]]
    base = base * np.array(world.book["merchants"]["requests"])[shops["type"].to_numpy()[merchant]]
    base = base * np.exp(people["requests"].to_numpy()[user])
    base = np.where(bought["lost"].to_numpy(), 0.9, np.minimum(base, 0.75))
    return np.where(bought["unpaid"].to_numpy(), 0.0, base)


def _refund_type(
    world: World, rng: np.random.Generator, chosen: pd.DataFrame, claims: Array
) -> Array:
    book, n = world.book["cases"], len(chosen)
    only = (rng.random(n) < book["refund_only"]) | claims | chosen["lost"].to_numpy()
    before = (rng.random(n) < book["unshipped"]) & ~claims & ~chosen["lost"].to_numpy()
    return np.where(before, UNSHIPPED, np.where(only, ONLY, RETURN))


def _at(
    world: World, rng: np.random.Generator, chosen: pd.DataFrame, kind: Array, refund_type: Array
) -> Array:
    """When the request is made: before shipping, or after the parcel came or should have come."""
    n, placed = len(chosen), chosen["placed"].to_numpy()
    shipped, lost = chosen["shipped"].to_numpy(), chosen["lost"].to_numpy()
    arrived = np.where(lost, shipped + between(rng, 144, 330, n), chosen["delivered"].to_numpy())
    median = np.array(world.book["buyers"]["wait_hours"])[kind]
    after = arrived + waiting(rng, median, 0.8, 15 * 24, n)
    early = placed + ((shipped - placed) * rng.uniform(0.05, 0.95, n)).astype(np.int64)
    return np.where(refund_type == UNSHIPPED, early, after)


def _reason(
    rng: np.random.Generator, chosen: pd.DataFrame, refund_type: Array, claims: Array
) -> Array:
    table = np.vstack([_SAYS, _SAYS_FASHION])
    worn = (refund_type == RETURN) & (chosen["category"].to_numpy() < 2)
    reason = pick_rows(rng, table, np.where(worn, 3, refund_type))
    return np.where(claims | chosen["lost"].to_numpy(), 0, reason)


def _details(world: World, rng: np.random.Generator, frame: pd.DataFrame) -> dict[str, Array]:
    book, n = world.book["cases"], len(frame)
    full, kind = frame["order_amount"].to_numpy(), frame["kind"].to_numpy()
    part = (rng.random(n) < book["partial"]) & (frame["refund_type"].to_numpy() != UNSHIPPED)
    share = np.where(part, rng.uniform(0.25, 0.95, n), 1.0)
    evidence = rng.poisson(np.array(world.book["buyers"]["evidence"])[kind])
    ship = rng.random(n) < book["self_ship"]
    return {
        "amount": np.maximum(1, np.rint(full * share)).astype(np.int64),
        "evidence": np.where(frame["refund_type"].to_numpy() == UNSHIPPED, 0, evidence),
        "method": np.where(ship, 1, np.where(rng.random(n) < 0.05, 2, 0)),
    }
