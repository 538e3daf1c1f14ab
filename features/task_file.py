"""Task files as plain tables: found, parsed, checked in shape, put together along `extends`.

In: a built-in name or a path. Out: the chain of tables, the oldest first, and their sum. What the
tables mean is `features.task`'s business.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from data.errors import UsageError, nearest
from data.toml_text import toml_key, toml_text
from features.toml_form import KINDS, Tables, check_keys

BUILT_IN: Final = Path(__file__).parent / "tasks"
_TABLES: Final = ("columns", "event_types", "events", "links", "spine", "label", "model", "policy")
_OF_TABLES: Final = ("events", "links", "model")
_SECTIONS: Final = ("name", "extends", *_TABLES, *KINDS)


def read_chain(name_or_path: str | Path) -> list[Tables]:
    """The tables of a file and of all that it extends, its own last."""
    path = _find(name_or_path, Path())
    chain, seen = [_parse(path)], {path}
    while "extends" in chain[0]:
        path = _find(chain[0]["extends"], path.parent)
        if path in seen:
            raise UsageError("it extends itself", where=str(path), fix="remove a line 'extends'")
        seen.add(path)
        chain.insert(0, _parse(path))
    return chain


def merge(chain: Sequence[Tables]) -> Tables:
    """Later files add to earlier ones, key by key; an event set or a target is one key."""
    merged: Tables = {"name": chain[-1].get("name", "")}
    for section in _TABLES:
        merged[section] = {k: v for t in chain for k, v in t.get(section, {}).items()}
    extra = [t for tables in chain for t in listed(tables.get("event_types", {}).get("extra", ()))]
    merged["event_types"] = tuple(sorted(set(extra)))
    return merged


def listed(value: Any) -> tuple[Any, ...]:
    """A list, or a single value as a list of one."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def text_of(sections: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Titles and tables as TOML; a table inside a table stands inline.

    >>> print(text_of([("[spine]", {"trigger": "asks"})]), end="")
    <BLANKLINE>
    [spine]
    trigger = "asks"
    """
    lines = []
    for title, table in sections:
        lines += ["", title, *(f"{toml_key(k)} = {toml_text(v)}" for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _find(name_or_path: str | Path, folder: Path) -> Path:
    built_in = {p.stem: p for p in sorted(BUILT_IN.glob("*.toml"))}
    if str(name_or_path) in built_in:
        return built_in[str(name_or_path)]
    path = folder / str(name_or_path)
    if not path.is_file():
        hint = nearest(str(name_or_path), list(built_in))
        fix = hint or f"give a TOML file or a built-in task: {', '.join(built_in)}"
        raise UsageError("no such task", where=str(name_or_path), fix=fix)
    return path.resolve()


def _parse(path: Path) -> Tables:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        fix = "correct the file; TOML is described at toml.io"
        raise UsageError(f"it cannot be read: {error}", where=str(path), fix=fix) from None
    check_keys(tables, _SECTIONS, path.name)
    for name in _TABLES:
        _need_table(tables.get(name, {}), f"{path.name}: [{name}]")
    for name in _OF_TABLES:
        for key, table in tables.get(name, {}).items():
            _need_table(table, f"{path.name}: [{name}.{key}]")
    for kind in KINDS:
        if not isinstance(tables.get(kind, []), list):
            where, fix = f"{path.name}: [{kind}]", f"double the brackets: [[{kind}]]"
            raise UsageError("it is one table, not a list of them", where=where, fix=fix)
        for number, table in enumerate(tables.get(kind, []), 1):
            _need_table(table, f"{path.name}: [[{kind}]] number {number}")
    return tables


def _need_table(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        fix = "write key = value lines under the title"
        raise UsageError(f"it is {value!r}, not a table", where=where, fix=fix)
