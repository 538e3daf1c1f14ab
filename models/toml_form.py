"""Between TOML tables and frozen dataclasses: `build` reads and checks types, `to_toml` writes.

The written form is canonical: keys in sorted order, nulls left out, one spelling per value, so that
its hash depends on the content only.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from data.errors import UsageError, nearest
from data.toml_text import toml_text

T = TypeVar("T")


def build(cls: type[T], table: Mapping[str, Any], where: str, at: str = "") -> T:
    """An instance of the dataclass `cls` from a parsed table.

    Parameters
    ----------
    where : the file, for errors.
    at : the path of the table in the file, for errors.

    Raises
    ------
    UsageError : a key is unknown or missing, or a value has the wrong type.
    """
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            hint = nearest(key, list(known)) or f"known: {', '.join(known)}"
            raise UsageError(f"unknown key '{_join(at, key)}'", where=where, fix=hint)
    for name, field in known.items():
        if name not in table and field.default is MISSING:
            raise UsageError(f"'{_join(at, name)}' is missing", where=where, fix="add it")
    hints = get_type_hints(cls)
    return cls(**{k: _convert(v, hints[k], where, _join(at, k)) for k, v in table.items()})


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key


def _convert(value: Any, hint: Any, where: str, at: str) -> Any:
    origin = get_origin(hint)
    if is_dataclass(hint) and isinstance(value, dict):
        return build(hint, value, where, at)  # type: ignore[arg-type]
    if origin is tuple and isinstance(value, list):
        return tuple(
            _convert(v, get_args(hint)[0], where, f"{at}[{i}]") for i, v in enumerate(value)
        )
    if origin is Mapping and isinstance(value, dict):
        return {k: _convert(v, get_args(hint)[1], where, _join(at, k)) for k, v in value.items()}
    if origin in (Union, types.UnionType):
        return _convert(value, _branch(value, hint, where, at), where, at)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is hint:
        return value
    raise UsageError(f"'{at}' is {value!r}", where=where, fix=f"give {_words(hint)}")


def _branch(value: Any, hint: Any, where: str, at: str) -> Any:
    """The member of a union that a TOML value can become."""
    kind = tuple if isinstance(value, list) else type(value)
    for member in get_args(hint):
        if (get_origin(member) or member) is kind:
            return member
    raise UsageError(f"'{at}' is {value!r}", where=where, fix=f"give {_words(hint)}")


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: 'a text in quotes, "..."',
    date: "a date without quotes, such as 2027-01-31",
}


def _words(hint: Any) -> str:
    """A type as one would say it to somebody who writes TOML.

    >>> _words(tuple[str, ...] | int | None)
    'a list, or a whole number'
    """
    if get_origin(hint) in (Union, types.UnionType):
        return ", or ".join(_words(m) for m in get_args(hint) if m is not type(None))
    if get_origin(hint) is tuple:
        return "a list" if not is_dataclass(get_args(hint)[0]) else "tables, [[...]]"
    return _KINDS.get(hint, "a table, [...]")


def to_toml(table: Mapping[str, Any], at: str = "") -> str:
    """The canonical TOML of nested tables, lists of tables and plain values.

    >>> print(to_toml({"b": {"y": 2.0}, "a": 1, "none": None}), end="")
    a = 1
    <BLANKLINE>
    [b]
    y = 2.0
    """
    lines = [f"{k} = {toml_text(v)}\n" for k, v in sorted(table.items()) if _is_plain(v)]
    for key, value in sorted(table.items()):
        path = _join(at, key)
        if isinstance(value, Mapping):
            lines.append(f"\n[{path}]\n{to_toml(value, path)}")
        elif _is_tables(value):
            lines += [f"\n[[{path}]]\n{to_toml(item, path)}" for item in value]
    return "".join(lines)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Mapping)


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, Mapping) and not _is_tables(value)
