"""The moment a job looks from. Without `--as-of` it is the ledger's end: no clock is asked."""

import pandas as pd

from data.errors import ContractError, UsageError
from data.ledger import Ledger
from features.spine import instant

STALE_US = 2 * 86_400_000_000


def moment(given: str | None, ledger: Ledger, *, allow_stale: bool | None = None) -> pd.Timestamp:
    """The job's `as_of` in UTC; a text without a zone is UTC.

    Parameters
    ----------
    allow_stale : the setting of that name; None for a command without one.

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
    us = last + 1 if given is None else instant(given, "--as-of")
    if us <= first:
        raise UsageError(
            f"as-of {given} lies before the first event",
            where=ledger.source,
            fix=f"give a time after {stamp(first)}",
        )
    if us - last > STALE_US and not allow_stale:
        fix = f"bring the ledger up to date, or give a time before {stamp(last + STALE_US)}"
        raise ContractError(
            f"as-of {given} lies more than two days after the last event ({stamp(last)})",
            where=ledger.source,
            fix=fix if allow_stale is None else f"{fix}, or pass --allow-stale",
        )
    return stamp(us)


def beginning(given: str, as_of: pd.Timestamp) -> pd.Timestamp:
    """The moment of `--since`, which lies before `as_of`."""
    since = stamp(instant(given, "--since"))
    if since >= as_of:
        raise UsageError(
            f"since {given} is not before the as-of {as_of}",
            where="--since",
            fix="give an earlier --since or a later --as-of",
        )
    return since


def stamp(us: int) -> pd.Timestamp:
    """A time in UTC of microseconds since 1970."""
    return pd.Timestamp(us, unit="us", tz="UTC")
