"""The contract compiled to SQL: how a raw column becomes a typed one, and what breaks a row.

In: the contract and the Arrow types a source really has. Out: per column an expression and its
`Rule`s, each an SQL condition that is true where the row is broken. Every rule looks at one row;
duplicates are `data.duplicates`' work. A type no value of which could fit is a fault of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import available_timezones

import pyarrow as pa

from data.contract import ColumnSpec, Contract
from data.errors import ContractError, UsageError, nearest

_OFFSET = r"\d:\d\d.*(Z|UTC|[+-]\d\d(:?\d\d)?)$"
_WANTS = {
    "key": ("int", "float", "decimal", "text", "null"),
    "text": ("text", "int", "null"),
    "int": ("int", "float", "decimal", "text", "null"),
    "float": ("int", "float", "decimal", "text", "null"),
    "bool": ("bool", "int", "float", "text", "null"),
    "time": ("time", "naive", "text", "null"),
}
_SQL = {"text": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN"}
_ARROW = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "time": pa.timestamp("us")}


@dataclass(frozen=True)
class Rule:
    """`sql` is true where a row breaks the rule; null and false are fine."""

    column: str
    fault: str
    text: str
    sql: str

    @property
    def name(self) -> str:
        """The rule's name, unique in a contract."""
        return f"{self.column}.{self.fault}"


@dataclass(frozen=True)
class TypedColumn:
    """A column's typed value as SQL over its raw one; `same` if the raw one will do as it is."""

    name: str
    sql: str
    same: bool
    rules: tuple[Rule, ...]


def quoted(name: str) -> str:
    """An SQL identifier.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def typed(name: str) -> str:
    """The SQL name of a column's typed value."""
    return quoted(name + "$")


def literal(text: str) -> str:
    """An SQL text."""
    return "'" + text.replace("'", "''") + "'"


def family(kind: pa.DataType) -> str:
    """What an Arrow type holds: int, float, decimal, text, bool, time, naive, null or other."""
    t = pa.types
    if t.is_dictionary(kind):
        return family(kind.value_type)
    if t.is_timestamp(kind):
        return "naive" if kind.tz is None else "time"
    tests = (
        ("int", (t.is_integer,)),
        ("float", (t.is_floating,)),
        ("decimal", (t.is_decimal,)),
        ("text", (t.is_string, t.is_large_string, t.is_string_view)),
        ("bool", (t.is_boolean,)),
        ("naive", (t.is_date,)),
        ("null", (t.is_null,)),
    )
    return next((name for name, are in tests if any(test(kind) for test in are)), "other")


def compile_column(
    spec: ColumnSpec, kind: pa.DataType, contract: Contract, *, zone: str | None, where: str
) -> TypedColumn:
    """How a raw column of Arrow type `kind` is read as `spec`, and every rule about it.

    Raises
    ------
    ContractError : no value of this type can fit; a naive time without a zone.
    """
    held = family(kind)
    if held not in _WANTS[spec.type]:
        raise ContractError(
            f"column '{spec.name}' is {kind}, not {spec.type}",
            where=where,
            fix=f"write it as {' or '.join(_WANTS[spec.type][:-1])}, or map it by an expression",
        )
    if held == "naive" and zone is None:
        raise ContractError(
            f"the times of column '{spec.name}' are naive",
            where=where,
            fix="write them with a zone, or give the source's `zone` in the mapping",
        )
    sql, rules = _reading(spec, held, contract, zone)
    rules += [*_presence(spec, held, contract), *_range(spec, contract)]
    return TypedColumn(spec.name, sql, _is_typed(spec, kind, contract), tuple(rules))


def order_rule() -> Rule:
    """Nothing is known before it happens."""
    sql = f"{typed('known_ts')} < {typed('event_ts')}"
    return Rule("known_ts", "before_event", "is earlier than event_ts", sql)


def check_zone(zone: str, *, where: str) -> None:
    """Refuse a zone the time zone database does not know.

    Raises
    ------
    UsageError : naming the nearest.
    """
    if zone not in available_timezones():
        fix = nearest(zone, sorted(available_timezones())) or "for example 'Asia/Shanghai'"
        raise UsageError(f"unknown time zone '{zone}'", where=where, fix=fix)


def _is_typed(spec: ColumnSpec, kind: pa.DataType, contract: Contract) -> bool:
    """Whether the Arrow type is already the stored one, so that no value needs a look."""
    held = family(kind)
    if spec.type == "text":
        return held == "text"
    if spec.type == "key":
        wanted = contract.key_types.get(spec.name, held)
        return held == wanted and (held == "text" or kind == pa.int64())
    if spec.type == "time":
        return held == "time" and kind.unit == "us"
    return bool(kind == _ARROW[spec.type])


def _reading(
    spec: ColumnSpec, held: str, contract: Contract, zone: str | None
) -> tuple[str, list[Rule]]:
    raw = quoted(spec.name)
    kind = spec.type
    if kind == "key":
        kind = contract.key_types.get(spec.name) or ("text" if held in ("text", "null") else "int")
    if kind == "time":
        return _reading_time(spec.name, raw, held, zone)
    whole = spec.type in ("key", "int") and held in ("float", "decimal")
    if whole or (kind == "int" and held == "text"):
        sql = f"TRY_CAST({raw} AS BIGINT)"  # ids of a frame with a null arrive as floats
        sql = f"TRY_CAST({sql} AS VARCHAR)" if kind == "text" else sql
        return sql, [*_reading_int(spec.name, raw, held)]
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


def _reading_int(name: str, raw: str, held: str) -> Iterator[Rule]:
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


def _reading_time(name: str, raw: str, held: str, zone: str | None) -> tuple[str, list[Rule]]:
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


def _presence(spec: ColumnSpec, held: str, contract: Contract) -> Iterator[Rule]:
    raw, value = quoted(spec.name), typed(spec.name)
    if spec.required:
        empty = f" OR isnan({raw})" if held == "float" else ""
        yield Rule(spec.name, "missing", "is missing", f"{raw} IS NULL{empty}")
    if spec.type == "key" and held == "text":
        yield Rule(spec.name, "empty", "is an empty text", f"{raw} = ''")
    if on := contract.required_on.get(spec.name):
        types = ", ".join(literal(t) for t in on)
        sql = f"{value} IS NULL AND {typed('event_type')} IN ({types})"
        yield Rule(spec.name, "required", "is missing for this event type", sql)


def _range(spec: ColumnSpec, contract: Contract) -> Iterator[Rule]:
    value = typed(spec.name)
    words = contract.event_types if spec.name == "event_type" else spec.values
    if words:
        allowed = ", ".join(literal(w) for w in words)
        yield Rule(spec.name, "unknown", "is not a known word", f"{value} NOT IN ({allowed})")
    some = f"isfinite({value}) AND " if spec.type == "float" else ""  # SQL's NaN is above all
    if spec.low is not None:
        fault = "negative" if spec.low == 0 else "low"
        yield Rule(spec.name, fault, f"is below {spec.low}", f"{some}{value} < {spec.low}")
    if spec.high is not None:
        yield Rule(spec.name, "high", f"is above {spec.high}", f"{some}{value} > {spec.high}")
    if spec.type == "time":
        first, end = (f"TIMESTAMPTZ '{d} 00:00:00+00'" for d in (contract.first, contract.end))
        text = f"lies outside {contract.first} to {contract.end}"
        yield Rule(spec.name, "range", text, f"{value} < {first} OR {value} >= {end}")
