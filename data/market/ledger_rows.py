"""From pieces, one per kind of event, to one Arrow table in ledger form.

A piece says which orders it is about; the keys are gathered from the orders once, at the end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data.market.advances import STAGES
from data.market.fates import CAUSES, FAULTS
from data.market.mark_words import CARRIERS, CHANGES, DETAILS, FINDINGS, RISK_CODES, months
from data.market.orders import PAYMENTS
from data.market.recovery import CHANNELS
from data.market.requests import METHODS, REASONS
from data.market.world import ACTIONS, REFUND_TYPES, Array, World

NULL = -1
ACTORS = ("buyer", "merchant", "platform", "carrier", "system")
BUYER, MERCHANT, PLATFORM, CARRIER, SYSTEM = range(len(ACTORS))
FUNDERS = ("platform", "merchant_deposit", "insurer")
CANCELLED = ("unpaid", "changed_mind")
WORDS: Mapping[str, tuple[str, ...]] = {
    "reason": (*REASONS, "unpaid"),
    "actor": ACTORS,
    "refund_type": REFUND_TYPES,
    "return_method": METHODS,
    "cause": CAUSES,
    "fault": FAULTS,
    "funder": FUNDERS,
    "channel": CHANNELS,
    "stage": STAGES,
    "action": ACTIONS,
    "payment_method": PAYMENTS,
    "reason_detail": DETAILS,
    "carrier": CARRIERS,
    "risk_code": RISK_CODES,
    "finding": FINDINGS,
    "change": CHANGES,
}
NUMBERS = (
    "amount_cents",
    "order_amount_cents",
    "coupon_cents",
    "item_count",
    "member_level",
    "evidence_count",
    "in_app_count",
    "attempt",
    "variant_count",
    "price_band",
    "merchant_deposit_cents",
    "expected_weight_g",
    "weight_g",
    "origin_km",
    "scan_count",
)
IDS = ("tracking_id", "payout_id", "phone_id", "ip_id", "evidence_hash")
FLOATS = ("act_prob", "keep_prob", "wait_hours", "merchant_rating", "resale_share")
TRUTHS = (
    "proven",
    "device_tampered",
    "serial_tracked",
    "consumable",
    "limited_edition",
    "inspection_exempt",
    "to_merchant",
)


@dataclass(frozen=True)
class Piece:
    """Events of one type: their orders (positions), clocks, and values by ledger column.

    Words are codes into `WORDS`, integers below zero are null, floats NaN.
    """

    event_type: str
    order: Array
    event_us: Array
    known_us: Array
    values: Mapping[str, Array | int]
    case: Array | None = None


def ledger_table(world: World, bought: pd.DataFrame, pieces: Iterable[Piece]) -> pa.Table:
    """All events known before the world's end, sorted by `(known_ts, event_ts)`."""
    kept = [p for p in (_before(p, world.end_us) for p in pieces) if len(p.order)]
    sizes = [len(p.order) for p in kept]
    types = sorted({p.event_type for p in kept})
    code = np.repeat([types.index(p.event_type) for p in kept], sizes).astype(np.int8)
    event, known = (np.concatenate([getattr(p, k) for p in kept]) for k in ("event_us", "known_us"))
    row = np.lexsort((code, event, known))
    order = np.concatenate([p.order for p in kept])[row]
    columns: dict[str, Any] = {
        "event_id": pc.utf8_lpad(pa.array(np.arange(len(row))).cast(pa.string()), 9, "0"),
        "event_type": _words(code[row], tuple(types)),
        "event_ts": _times(event[row]),
        "known_ts": _times(known[row]),
    }
    columns |= _keys(world, bought, order)
    case = [np.full(len(p.order), NULL) if p.case is None else p.case for p in kept]
    columns["case_id"] = _integers(np.concatenate(case)[row])
    for name in (
        *WORDS,
        *NUMBERS,
        *IDS,
        *FLOATS,
        *TRUTHS,
        "deadline_ts",
        "policy_id",
        "order_month",
    ):
        columns[name] = _column(world, name, kept, sizes, row)
    columns["model_version"] = pa.nulls(len(row), pa.string())  # rules decided, no model
    return pa.table(columns)


def _before(piece: Piece, end_us: int) -> Piece:
    keep = piece.known_us < end_us
    if keep.all():
        return piece
    values = {k: v if isinstance(v, int) else np.asarray(v)[keep] for k, v in piece.values.items()}
    case = None if piece.case is None else piece.case[keep]
    return Piece(
        piece.event_type,
        piece.order[keep],
        piece.event_us[keep],
        piece.known_us[keep],
        values,
        case,
    )


def _keys(world: World, bought: pd.DataFrame, order: Array) -> dict[str, Any]:
    categories = tuple(world.book["goods"]["categories"])
    keys: dict[str, Any] = {"order_id": pa.array(order)}
    for name in ("user", "merchant", "item", "device", "address"):
        keys[f"{name}_id"] = pa.array(bought[name].to_numpy()[order])
    keys["category"] = _words(bought["category"].to_numpy()[order], categories)
    return keys


def _column(
    world: World, name: str, kept: list[Piece], sizes: list[int], row: Array
) -> pa.Array | pa.ChunkedArray:
    """One column of all pieces in ledger order, null where a piece does not have it."""
    share = name in FLOATS
    full = np.full(len(row), np.nan) if share else np.full(len(row), NULL, np.int64)
    start = 0
    for piece, size in zip(kept, sizes, strict=True):
        if name in piece.values:
            full[start : start + size] = piece.values[name]
        start += size
    full = full[row]
    if share:
        return pa.array(full, mask=np.isnan(full))
    if name in WORDS:
        return _words(full, WORDS[name])
    if name == "policy_id":
        return _words(full, (world.policy_id,))
    if name == "order_month":
        return _words(full, months(world))
    if name in TRUTHS:
        return pa.array(full > 0, mask=full < 0)
    if name == "deadline_ts":
        return _times(full)
    return _integers(full)


def _words(codes: Array, words: tuple[str, ...]) -> pa.DictionaryArray:
    indices = pa.array(codes.astype(np.int8), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words))


def _integers(values: Array) -> pa.Array:
    return pa.array(values.astype(np.int64), mask=values < 0)


def _times(us: Array) -> pa.Array:
    return pa.array(us.astype(np.int64), pa.timestamp("us", tz="UTC"), mask=us < 0)
