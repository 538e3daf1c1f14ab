"""How a raw value becomes a typed one, as SQL, and the rules broken by a value that cannot.

In: a column's declaration and what its Arrow type holds. Out: an expression and its `Rule`s.
"""

from collections.abc import Iterator
from zoneinfo import available_timezones

from data.contract import ColumnSpec, Contract
from data.errors import UsageError, nearest
from data.sql import Rule, literal, quoted, typed

_OFFSET = r"\d:\d\d.*(Z|UTC|[+-]\d\d(:?\d\d)?)$"
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
        return sql, [*_cast_int(spec.name, raw, held)]
    sql = f"TRY_CAST({raw} AS {_SQL[kind]})"
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


def _cast_int(name: str, raw: str, held: str) -> Iterator[Rule]:
    """Rules of a whole number read from a float, a decimal or a text (a cast alone would round)."""
    number = f"TRY_CAST({raw} AS DOUBLE)" if held == "text" else raw
    exists = "" if held == "decimal" else f"NOT isnan({number}) AND "
    if held == "text":
        lost = f"{raw} IS NOT NULL AND ({number} IS NULL OR isnan({number}))"
        yield Rule(name, "unparseable", "is no whole number", lost)
    finite = "" if held == "decimal" else f"isfinite({number}) AND "
    yield Rule(name, "fractional", "is not whole", f"{finite}{number} <> trunc({number})")
    lost = f"{number} IS NOT NULL AND {exists}{typed(name)} IS NULL"
    yield Rule(name, "overflow", "does not fit 64 bits", lost)


def _cast_time(name: str, raw: str, held: str, zone: str | None) -> tuple[str, list[Rule]]:
    local = f"AT TIME ZONE {literal(zone)}" if zone else ""
    if held == "naive":
        return f"{raw}::TIMESTAMP {local}", []
    if held in ("time", "null"):
        return f"{raw}::TIMESTAMPTZ", []
    parsed = f"TRY_CAST({raw} AS TIMESTAMPTZ)"
    has_offset = f"regexp_matches({raw}, {literal(_OFFSET)})"
    naive = f"TRY_CAST({raw} AS TIMESTAMP) {local}" if zone else "NULL"
    rules = [Rule(name, "unparseable", "is no time", f"{raw} IS NOT NULL AND {parsed} IS NULL")]
    if not zone:
        sql = f"{parsed} IS NOT NULL AND NOT {has_offset}"
        rules.append(Rule(name, "naive", "has no zone", sql))
    return f"CASE WHEN {has_offset} THEN {parsed} ELSE {naive} END", rules


def check_zone(zone: str, *, where: str) -> None:
    """Refuse a zone the time zone database does not know.

    Raises
    ------
    UsageError : naming the nearest.
    """
    if zone not in available_timezones():
        fix = nearest(zone, sorted(available_timezones())) or "for example 'Asia/Shanghai'"
        raise UsageError(f"unknown time zone '{zone}'", where=where, fix=fix)
