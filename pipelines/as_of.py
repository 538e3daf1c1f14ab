"""The moment a job looks from. Without `--as-of` it is the ledger's end: no clock is asked."""

import pandas as pd

from data.errors import ContractError, UsageError
from data.ledger import Ledger
from features.spine import instant

STALE_US = 2 * 86_400_000_000


def moment(given: str | None, ledger: Ledger, *, allow_stale: bool = False) -> pd.Timestamp:
    """The job's `as_of` in UTC; a text without a zone is UTC.

    Raises
    ------
    ContractError : an empty ledger, or one that ends more than two days before the moment.
    UsageError : no time, or one before the first event.
    """
    if not len(ledger):
        raise ContractError(
            "the ledger holds no event", where=ledger.source, fix="see its quarantine/ for why"
        )
    first, last = int(ledger.known_us[0]), int(ledger.known_us[-1])
    us = last + 1 if given is None else instant(given)
    if us <= first:
        raise UsageError(
            f"as-of {given} lies before the first event",
            where=ledger.source,
            fix=f"give a time after {stamp(first)}",
        )
    if us - last > STALE_US and not allow_stale:
        raise ContractError(
            f"as-of {given} lies more than two days after the last event ({stamp(last)})",
            where=ledger.source,
            fix="bring the ledger up to date, or pass --allow-stale",
        )
    return stamp(us)


def stamp(us: int) -> pd.Timestamp:
    """A time in UTC of microseconds since 1970."""
    return pd.Timestamp(us, unit="us", tz="UTC")
