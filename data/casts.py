"""How a raw value becomes a typed one, as SQL, and the rules broken by a value that cannot.

In: a column's declaration and what its Arrow type holds. Out: an expression and its `Rule`s.
"""

from collections.abc import Iterator
from zoneinfo import available_timezones

from data.contract import ColumnSpec, Contract
from data.errors import UsageError, nearest
from data.sql import Rule, literal, quoted, typed

_PLAIN = r"^(0|-?[1-9]\d*)$"
_FRACTION = r"^[^eE]*\.0*[1-9][^eE]*$"
_DAY = r"^ *\d{4}[-/]\d\d?[-/]\d\d?"
_CLOCK = r"[T ]\d\d?:\d\d(:\d\d(\.\d*)?)?"
_LOCAL = f"{_DAY}({_CLOCK})? *$"
# No offset on earth reaches 16 hours; the name of a zone is no offset, for it may be ambiguous.
_OFFSET = f"{_DAY}{_CLOCK}(Z| ?UTC| ?GMT|[+-](0\\d|1[0-5])(:?[0-5]\\d)?) *$"
_SQL = {"text": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}


def cast_column(
    spec: ColumnSpec, held: str, contract: Contract, zone: str | None
) -> tuple[str, list[Rule]]:
    """A column's typed value, and what makes it unreadable.

    Parameters
    ----------
    held : what the raw column holds (`data.rules.family`).
    zone : of times without one.
    """
    raw = quoted(spec.name)
    kind = spec.type
    if kind == "key":
        kind = contract.key_types.get(spec.name) or ("text" if held in ("text", "null") else "int")
    if kind == "time":
        return _cast_time(spec.name, raw, held, zone)
    whole = spec.type in ("key", "int") and held in ("float", "decimal")
    if whole or (kind == "int" and held == "text"):
        sql = f"TRY_CAST({raw} AS BIGINT)"  # ids of a frame with a null arrive as floats
        sql = f"TRY_CAST({sql} AS VARCHAR)" if kind == "text" else sql
        return sql, [*_cast_int(spec, raw, held)]
    sql = f"TRY_CAST({raw} AS {_SQL[kind]})"
    if kind == "bool" and held == "float":  # booleans of a frame with a null; NaN is no true
        raw = f"CASE WHEN NOT isnan({raw}) THEN {raw} END"
        sql = f"TRY_CAST({raw} AS BOOLEAN)"
    rules = []
    if held == "int" and kind == "int":
        rules.append(Rule(spec.name, "overflow", "does not fit 64 bits", _lost(spec.name, raw)))
    if kind == "bool" and held in ("int", "float"):
        rules.append(Rule(spec.name, "unparseable", "is neither 0 nor 1", f"{raw} NOT IN (0, 1)"))
    if held == "text" and kind in ("float", "bool"):
        rules.append(Rule(spec.name, "unparseable", f"is no {kind}", _lost(spec.name, raw)))
    if kind == "float":
        text = "is not finite"
        rules.append(Rule(spec.name, "infinite", text, f"isinf({typed(spec.name)})"))
    return sql, rules


def _lost(name: str, raw: str) -> str:
    return f"{raw} IS NOT NULL AND {typed(name)} IS NULL"


def _cast_int(spec: ColumnSpec, raw: str, held: str) -> Iterator[Rule]:
    """Rules of a whole number read from a float, a decimal or a text (a cast alone would round).

    An id in a text is plain: of 7, 007 and +7 only the first is one, or three users would be one.
    """
    name, key = spec.name, spec.type == "key"
    number = f"TRY_CAST({raw} AS DOUBLE)" if held == "text" else raw
    finite = "" if held == "decimal" else f"isfinite({number}) AND "
    part = f"{finite}{number} <> trunc({number})"
    if held == "text":
        plain = (
            f"regexp_matches({raw}, {literal(_PLAIN)})"
            if key
            else f"({number} IS NOT NULL AND NOT isnan({number}) AND NOT contains({raw}, '_'))"
        )
        text = "is no plain whole number" if key else "is no whole number"
        yield Rule(name, "unparseable", text, f"{raw} IS NOT NULL AND NOT {plain}")
        beyond = f"contains({raw}, '.') AND regexp_matches({raw}, {literal(_FRACTION)})"
        part = f"({part}) OR ({beyond})"  # a DOUBLE drops what is past its digits
    if not (key and held == "text"):
        yield Rule(name, "fractional", "is not whole", part)
    exists = "" if held == "decimal" else f"AND NOT isnan({number})"
    exists += f" AND {plain}" if held == "text" else ""
    lost = f"{typed(name)} IS NULL AND {number} IS NOT NULL {exists}"
    yield Rule(name, "overflow", "does not fit 64 bits", lost)
    if key and held == "float":
        last = f"CASE typeof({raw}) WHEN 'FLOAT' THEN {2**24} ELSE {2**53} END"
        sql = f"{typed(name)} IS NOT NULL AND abs({raw}) >= {last}"
        yield Rule(
            name, "inexact", "is a float beyond the whole numbers floats can tell apart", sql
        )


def _cast_time(name: str, raw: str, held: str, zone: str | None) -> tuple[str, list[Rule]]:
    """An instant. An offset in a text outranks the source's zone.

    A local time that summer time skips keeps the offset from before (02:30 is 03:30 in summer),
    and one that occurs twice is the second: in doubt nothing is known too early.
    """
    local = f"AT TIME ZONE {literal(zone)}" if zone else ""
    if held == "naive":
        return f"{raw}::TIMESTAMP {local}", []
    if held in ("time", "null"):
        return f"{raw}::TIMESTAMPTZ", []
    has_offset, is_local = (f"regexp_matches({raw}, {literal(p)})" for p in (_OFFSET, _LOCAL))
    parsed = f"TRY_CAST({raw} AS TIMESTAMP)"
    naive = (
        "false"
        if zone
        else f"coalesce({typed(name)} IS NULL AND {is_local} AND {parsed} IS NOT NULL, false)"
    )
    lost = f"{_lost(name, raw)} AND NOT {naive}"
    rules = [Rule(name, "unparseable", "is no time", lost)]
    if not zone:
        rules.append(Rule(name, "naive", "has no zone", naive))
    instant = f"WHEN {has_offset} THEN TRY_CAST({raw} AS TIMESTAMPTZ)"
    here = f"WHEN {is_local} THEN {parsed} {local}" if zone else ""
    return f"CASE {instant} {here} END", rules


def check_zone(zone: str, *, where: str) -> None:
    """Refuse a zone the time zone database does not know.

    Raises
    ------
    UsageError : naming the nearest.
    """
    if zone not in available_timezones():
        fix = nearest(zone, sorted(available_timezones())) or "for example 'Asia/Shanghai'"
        raise UsageError(f"unknown time zone '{zone}'", where=where, fix=fix)
