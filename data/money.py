"""The money of each advance: what was paid, who bore it, what came back, what is still out.

In: a ledger. Out: one row per case with an advance's money, and whether it balances:

    paid = settled (the merchant bears it) + recovered (by channel) + written off + open

with nothing open below zero, no more recovered and written off than was asked for, and at most one
claw-back that stands. Cents throughout; nothing here is a float.
"""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Column, Ledger

Cents = NDArray[np.int64]

_FLOWS: Final = {
    "paid": "advance_paid",
    "settled": "advance_settled",
    "recovered": "clawback_recovered",
    "written_off": "clawback_written_off",
    "clawed": "clawback_opened",
    "reversed": "clawback_reversed",
}


def money_balance(ledger: Ledger) -> pd.DataFrame:
    """The balance of every advance, one row a case, in the order of the cases' codes.

    Returns
    -------
    `case_id`, `paid_cents`, `settled_cents`, `recovered_cents` and its parts
    `recovered_<channel>_cents` (without the column `channel` only the sum), `written_off_cents`,
    `clawed_cents`, `reversed_cents`, `open_cents`, and `balanced`. A row with money but no pay-out
    cannot balance.

    Raises
    ------
    ContractError : `case_id` or `amount_cents` is missing, or an amount of these events is.
    """
    cases, amount = ledger["case_id"], ledger["amount_cents"]
    n = len(pd.Index([]) if cases.dictionary is None else cases.dictionary)
    rows = {name: _rows(ledger, kind) for name, kind in _FLOWS.items()}
    _check(ledger, amount, rows)
    sums = {name: _sum(cases.values[at], amount.values[at], n) for name, at in rows.items()}
    counts = {name: np.bincount(cases.values[at], minlength=n) for name, at in rows.items()}
    touched = np.flatnonzero(sum(counts.values()))
    channels = _by_channel(ledger, rows["recovered"], n)
    left = sums["paid"] - sums["settled"] - sums["recovered"] - sums["written_off"]
    owed = sums["clawed"] - sums["reversed"]
    balanced = (
        (counts["paid"] > 0)
        & (left >= 0)
        & (sums["recovered"] + sums["written_off"] <= owed)
        & (counts["clawed"] - counts["reversed"] <= 1)
    )
    table: dict[str, Any] = {"case_id": cases.decode(touched)}
    for name, values in {**sums, **channels, "open": left}.items():
        table[f"{name}_cents"] = values[touched]
    return pd.DataFrame(table | {"balanced": balanced[touched]})


def _rows(ledger: Ledger, kind: str) -> NDArray[np.int64]:
    types = ledger["event_type"]
    code = types.encode(pd.Series([kind], dtype=object))[0]
    return np.flatnonzero(types.values == code) if code >= 0 else np.zeros(0, np.int64)


def _check(ledger: Ledger, amount: Column, rows: dict[str, NDArray[np.int64]]) -> None:
    every = np.concatenate(list(rows.values()))
    lost = ledger["case_id"].values[every] < 0
    if amount.kind == "float":  # whole numbers with gaps, as pandas reads them
        lost |= ~np.isfinite(amount.values[every])
    elif amount.valid is not None:
        lost |= ~amount.valid[every]
    if lost.any():
        what = f"{int(lost.sum())} events move an advance's money without case_id or amount_cents"
        fix = "run `clawback check` on the source; such rows belong in the quarantine"
        raise ContractError(what, where=ledger.source, fix=fix)


def _by_channel(ledger: Ledger, rows: NDArray[np.int64], n: int) -> dict[str, Cents]:
    if "channel" not in ledger or ledger["channel"].dictionary is None:
        return {}
    channel, cases = ledger["channel"], ledger["case_id"].values
    used = np.unique(channel.values[rows])
    names = ["unnamed" if c < 0 else str(channel.decode(np.array([c])).iloc[0]) for c in used]
    chosen = {name: rows[channel.values[rows] == c] for name, c in zip(names, used, strict=True)}
    amount = ledger["amount_cents"].values
    return {f"recovered_{k}": _sum(cases[at], amount[at], n) for k, at in chosen.items()}


def _sum(cases: NDArray[np.int32], cents: NDArray[Any], n: int) -> Cents:
    total = np.zeros(n, np.int64)
    np.add.at(total, cases, cents.astype(np.int64))
    return total
