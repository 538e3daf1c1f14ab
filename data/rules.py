"""The contract compiled to SQL: how a raw column becomes a typed one, and what breaks a row.

In: the contract and the Arrow types a source really has. Out: per column an expression and its
`Rule`s, each an SQL condition that is true where the row is broken. Every rule looks at one row;
duplicates are `data.duplicates`' work. A type no value of which could fit is a fault of the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa

from data.casts import cast_column
from data.contract import ColumnSpec, Contract
from data.errors import ContractError
from data.sql import Rule, literal, quoted, typed

_WANTS = {
    "key": ("int", "float", "decimal", "text", "null"),
    "text": ("text", "int", "null"),
    "int": ("int", "float", "decimal", "text", "null"),
    "float": ("int", "float", "decimal", "text", "null"),
    "bool": ("bool", "int", "float", "text", "null"),
    "time": ("time", "naive", "text", "null"),
}
_ARROW = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "time": pa.timestamp("us")}


@dataclass(frozen=True)
class TypedColumn:
    """A column's typed value as SQL over its raw one; `same` if the raw one will do as it is."""

    name: str
    sql: str
    same: bool
    rules: tuple[Rule, ...]


def family(kind: pa.DataType) -> str:
    """What an Arrow type holds: int, float, decimal, text, bool, time, naive, null or other."""
    t = pa.types
    if t.is_dictionary(kind):
        return family(kind.value_type)
    if t.is_timestamp(kind):
        return "naive" if kind.tz is None else "time"
    tests = (
        ("int", (t.is_integer,)),
        ("float", (t.is_float32, t.is_float64)),
        ("decimal", (t.is_decimal128,)),  # DuckDB reads no wider ones
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
    sql, rules = cast_column(spec, held, contract, zone)
    rules += [*_presence(spec, held, contract), *_range(spec, contract)]
    return TypedColumn(spec.name, sql, _is_typed(spec, kind, contract), tuple(rules))


def order_rule() -> Rule:
    """Nothing is known before it happens."""
    sql = f"{typed('known_ts')} < {typed('event_ts')}"
    return Rule("known_ts", "before_event", "is earlier than event_ts", sql)


def _is_typed(spec: ColumnSpec, kind: pa.DataType, contract: Contract) -> bool:
    """Whether the Arrow type is already the stored one, so that no value needs a look."""
    held = family(kind)
    if pa.types.is_string_view(kind):  # Arrow can neither sort nor take it
        return False
    if spec.type == "text":
        return held == "text"
    if spec.type == "key":
        wanted = contract.key_types.get(spec.name, held)
        return held == wanted and (held == "text" or kind == pa.int64())
    if spec.type == "time":
        return held == "time" and kind.unit == "us"
    return bool(kind == _ARROW[spec.type])


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
        text = f"lies outside {contract.first} to {contract.end - timedelta(days=1)}"
        yield Rule(spec.name, "range", text, f"{value} < {first} OR {value} >= {end}")
