"""The table of scored requests: checked once, so that the arithmetic behind it need not look.

What cannot be meant (a negative amount, a probability of 1.2, a row twice) is an error with its
place; what is merely not known (a null) is marked `missing` and will take the normal track.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, nearest

REQUIRED = (
    "row_id",
    "user_id",
    "as_of",
    "amount_cents",
    "points",
    "loss_instant_cents",
    "clawcost_instant_cents",
    "hours_instant",
    "q_scan",
    "loss_scan_cents",
    "clawcost_scan_cents",
    "hours_scan",
    "open_cents",
    "clean_advances",
)
#: A null in one of these leaves no decision to take.
NEEDED = (
    "amount_cents",
    "points",
    "loss_instant_cents",
    "clawcost_instant_cents",
    "hours_instant",
    "open_cents",
)
_NEVER_NEGATIVE = (
    "amount_cents",
    "loss_instant_cents",
    "clawcost_instant_cents",
    "loss_scan_cents",
    "clawcost_scan_cents",
    "open_cents",
)
_OTHER_NUMBERS = (
    "hours_instant",
    "hours_scan",
    "points",
    "q_scan",
    "clean_advances",
    "ledger_age_hours",
)
_STAGES = ("request", "first_scan")
_LARGEST = 1e15  # cents; sums of these stay exact


def checked(scored: pd.DataFrame) -> pd.DataFrame:
    """`scored` with every column that deciding reads, `missing` marked, nulls of money set to 0.

    Raises
    ------
    ContractError : see `models.decide.decide`.
    """
    for name in REQUIRED:
        if name not in scored:
            fix = nearest(name, [str(c) for c in scored.columns]) or "scored has one row a request"
            raise ContractError(f"column '{name}' is missing", where="scored", fix=fix)
    table = scored.copy(deep=False)
    _check_keys(table)
    table["ledger_age_hours"] = table.get("ledger_age_hours", 0.0)
    for name in (*_NEVER_NEGATIVE, *_OTHER_NUMBERS):
        table[name] = _numbers(table[name], _NEVER_NEGATIVE.count(name) > 0)
    _refuse(
        table, "q_scan", ~table["q_scan"].fillna(0.0).between(0.0, 1.0), "a probability in [0, 1]"
    )
    for name in ("amount_cents", "open_cents"):
        _refuse(table, name, (table[name] % 1.0).fillna(0.0) > 0.0, "whole cents")
    table["stage"] = table.get("stage", "request")
    _refuse(table, "stage", ~table["stage"].isin(_STAGES), f"one of: {', '.join(_STAGES)}")
    table["settled_ts"] = table.get(
        "settled_ts", pd.Series(pd.NaT, table.index, "datetime64[us, UTC]")
    )
    table["missing"] = table[list(NEEDED)].isna().any(axis=1)
    return table.fillna({"amount_cents": 0, "open_cents": 0})


def microseconds(times: "pd.Series[pd.Timestamp]") -> NDArray[np.int64]:
    """Microseconds since 1970; `models.limits.NEVER` for a null."""
    return times.dt.as_unit("us").dt.tz_localize(None).to_numpy().view(np.int64)


def _check_keys(table: pd.DataFrame) -> None:
    if not isinstance(table["as_of"].dtype, pd.DatetimeTZDtype):
        raise ContractError(
            f"column 'as_of' is {table['as_of'].dtype}",
            where="scored",
            fix="give times with a zone: pd.to_datetime(..., utc=True)",
        )
    for name in ("row_id", "user_id", "as_of"):
        _refuse(table, name, table[name].isna(), "a value in every row")
    _refuse(table, "row_id", table["row_id"].duplicated(), "each row_id once")


def _numbers(values: "pd.Series[float]", money: bool) -> "pd.Series[float]":
    """As float64 with NaN for what is not finite, but for points (a risk of 0 scores infinity)."""
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        what = f"column '{values.name}' is {values.dtype}"
        raise ContractError(what, where="scored", fix="give numbers") from error
    if money:
        wrong = (numbers < 0.0) | (numbers > _LARGEST) & np.isfinite(numbers)
        _refuse(numbers.to_frame(), str(values.name), wrong, "cents from 0 to 1e15")
    return numbers if values.name == "points" else numbers.where(np.isfinite(numbers))


def _refuse(table: pd.DataFrame, name: str, wrong: "pd.Series[bool]", fix: str) -> None:
    if wrong.any():
        place = int(np.argmax(wrong.to_numpy()))
        raise ContractError(
            f"column '{name}' has {int(wrong.sum())} values that cannot be meant "
            f"(first: row {place}, {table[name].iloc[place]!r})",
            where="scored",
            fix=f"give {fix}",
        )
