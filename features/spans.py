"""Lengths of time as declarations write them: `days(30)`, `hours(1)`, `LIFE`; "30d", "1h", "life".

One text form per length, so that names and TOML are canonical: the largest unit of d, h, m, s that
divides it. What a length means for a window is `features.declarations`' business.
"""

import re
from datetime import timedelta
from typing import Final

from data.errors import UsageError

Span = timedelta
LIFE: Final = timedelta.max
NO_TIME: Final = timedelta(0)

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def days(n: int) -> Span:
    """`n` times 24 hours, whatever a calendar says."""
    return timedelta(days=n)


def hours(n: int) -> Span:
    """`n` times 60 minutes."""
    return timedelta(hours=n)


def microseconds(span: Span) -> int:
    """The length in microseconds; `LIFE` has none and is the caller's case."""
    return span // timedelta(microseconds=1)


def span_text(span: Span) -> str:
    """The canonical text of a length of whole seconds.

    >>> span_text(hours(24)), span_text(hours(36)), span_text(LIFE), span_text(days(0))
    ('1d', '36h', 'life', '0d')
    """
    if span == LIFE:
        return "life"
    seconds, rest = divmod(microseconds(span), 1_000_000)
    if rest:
        raise UsageError(f"{span} is not whole seconds", fix="windows and delays are whole seconds")
    unit = next(u for u, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def parse_span(text: str) -> Span:
    """The length that a text names.

    >>> parse_span("90d") == days(90), parse_span("life") is LIFE
    (True, True)
    >>> parse_span("3 months")
    Traceback (most recent call last):
    ...
    data.errors.UsageError: '3 months' is no length of time
    fix: write a whole number and d, h, m or s ("30d", "1h"), or "life"
    """
    if text == "life":
        return LIFE
    match = re.fullmatch(r"(-?\d{1,7})([dhms])", text) if isinstance(text, str) else None
    if match is None:
        fix = 'write a whole number and d, h, m or s ("30d", "1h"), or "life"'
        raise UsageError(f"{text!r} is no length of time", fix=fix)
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
