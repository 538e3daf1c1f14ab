"""Mappings: a small TOML file that says how a shop's own tables become ledger rows.

In: the file. Out: a frozen `MappingFile`, validated as far as it can be without its sources;
running it is `data.staging`'s work.

Order of work within a source: `where` drops its rows, `derive` adds columns to what is left, every
field is computed over all of these rows (so a window sees whole baskets, and the same expression
gives the same value in two events), and only then an event's own `where` picks its rows.

A `zone` holds for times without one; an offset in a text outranks it. A local time that summer
time skips counts with the offset before the change, one that occurs twice is the later of the two.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from data.casts import check_zone
from data.contract import Contract, load_contract
from data.errors import UsageError, nearest

Words: TypeAlias = dict[str, Any]
_WRITTEN = {"str": "a text in quotes", "list": "a list of them", "dict": "a table"}
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_FLEETING = (
    r"\b((?:gen_random_)?uuid(?:v[47])?\s*\(|random\s*\(|(?:get_)?current_(?:timestamp|date|time)\b"
    r"|localtime(?:stamp)?\b|(?:now|today|(?:transaction|statement|clock)_timestamp)\s*\(|tablesample\b)"
)
_UNORDERED = r"\b(row_number|lag|lead|ntile|\w+_value)\s*\([^()]*\)\s*over\s*\(\s*\)"

# The words a mapping knows and the type behind each; "*" stands for any word.
_TEXTS: Words = {"*": str}
_TOP: Words = {"currency": str, "keys": _TEXTS, "event_types": [str], "columns": _TEXTS}
_TOP |= {"source": {"*": {}}, "event": [dict]}
_SOURCE: Words = dict.fromkeys(("path", "encoding", "delimiter", "uri", "uri_env", "query"), str)
_SOURCE |= {"zone": str, "where": str, "types": _TEXTS, "derive": _TEXTS}
_EVENT: Words = {"source": str, "type": str, "where": str, "delay": str, "fields": _TEXTS}


@dataclass(frozen=True)
class SourceSpec:
    """One table of the shop's: a file (`path`) or a PostgreSQL query, and what is done first.

    `types` names the columns of a CSV that are not text; `zone` is the zone of naive times.
    """

    name: str
    path: Path | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    types: Mapping[str, str] = field(default_factory=dict)
    uri: str = ""
    uri_env: str = ""
    query: str = ""
    zone: str | None = None
    where: str = "true"
    derive: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EventSpec:
    """Rows of one source that become events of one type (`type`, or a field `event_type`).

    `delay` is set for a source with one clock: `known_ts = event_ts + delay`.
    """

    source: str
    fields: Mapping[str, str]
    type: str = ""
    where: str = "true"
    delay: timedelta | None = None


@dataclass(frozen=True)
class MappingFile:
    """A whole mapping; `contract` includes the event types, columns and key types it declares."""

    name: str
    sources: Mapping[str, SourceSpec]
    events: tuple[EventSpec, ...]
    contract: Contract
    currency: str = "CNY"


def load_mapping(
    path: str | Path, *, root: Path | None = None, contract: Contract | None = None
) -> MappingFile:
    """Read a mapping; its relative paths start at `root`, or else at the file's folder.

    Raises
    ------
    UsageError : not TOML, an unknown word (naming the nearest), a missing part.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as e:
        raise UsageError(f"no mapping: {e.strerror}", where=str(path), fix="check the path") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise UsageError(f"not TOML: {e}", where=str(path), fix="see the line named") from e
    return parse_mapping(raw, root=root or path.parent, name=str(path), contract=contract)


def parse_mapping(
    raw: Mapping[str, Any], *, root: Path, name: str = "mapping", contract: Contract | None = None
) -> MappingFile:
    """The mapping of a TOML document.

    Parameters
    ----------
    root : the folder relative paths start at.
    contract : what the mapping may add to (the built-in one, or one a task has widened).

    Raises
    ------
    UsageError : an unknown word (naming the nearest), a missing part.
    """
    _known(raw, _TOP, name)
    contract = (contract or load_contract()).adding(
        columns=raw.get("columns", {}),
        event_types=raw.get("event_types", ()),
        key_types=raw.get("keys", {}),
        where=name,
    )
    if not raw.get("source") or not raw.get("event"):
        fix = "a mapping needs a [source.NAME] and an [[event]]"
        raise UsageError("nothing is mapped", where=name, fix=fix)
    sources = {k: _source(k, v, root, f"{name} [source.{k}]") for k, v in raw["source"].items()}
    events = tuple(
        _event(v, sources, contract, f"{name} [[event]] {i}")
        for i, v in enumerate(raw["event"], start=1)
    )
    return MappingFile(name, sources, events, contract, raw.get("currency", "CNY"))


def _source(name: str, raw: Mapping[str, Any], root: Path, where: str) -> SourceSpec:
    _known(raw, _SOURCE, where)
    if ("path" in raw) == ("query" in raw):
        raise UsageError("give either `path` or `query`", where=where, fix="one source, one table")
    if "query" in raw and ("uri" in raw) == ("uri_env" in raw):
        fix = "`uri_env` names the environment variable that holds the address and password"
        raise UsageError("give either `uri` or `uri_env`", where=where, fix=fix)
    if "zone" in raw:
        check_zone(raw["zone"], where=where)
    delimiter = raw.get("delimiter", ",")
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        fix = "one character, for example ; or | (a tab is written \\t)"
        raise UsageError(f"delimiter '{delimiter}' cannot be used", where=where, fix=fix)
    for column, kind in raw.get("types", {}).items():
        if kind not in ("int", "float", "bool"):
            fix = nearest(kind, ["int", "float", "bool"]) or "int, float or bool"
            raise UsageError(f"type '{kind}' of '{column}' is unknown", where=where, fix=fix)
    for part in (raw.get("where", ""), *raw.get("derive", {}).values()):
        _check_repeatable(part, where)
    path = root / raw["path"] if "path" in raw else None
    return SourceSpec(name, **{**raw, "path": path})


def _event(
    raw: Mapping[str, Any], sources: Mapping[str, SourceSpec], contract: Contract, where: str
) -> EventSpec:
    _known(raw, _EVENT, where)
    source, fields = raw.get("source", ""), dict(raw.get("fields", {}))
    if source not in sources:
        fix = nearest(source, list(sources)) or f"sources: {', '.join(sources)}"
        raise UsageError(f"unknown source '{source}'", where=where, fix=fix)
    _known(fields, dict.fromkeys(contract.columns, str), f"{where} fields")
    if ("type" in raw) == ("event_type" in fields):
        fix = "`type` for one event type, a field `event_type` for an expression"
        raise UsageError("give either `type` or a field `event_type`", where=where, fix=fix)
    if "type" in raw and raw["type"] not in contract.event_types:
        fix = nearest(raw["type"], list(contract.event_types)) or "declare it in `event_types`"
        raise UsageError(f"unknown event type '{raw['type']}'", where=where, fix=fix)
    for part in (raw.get("where", ""), *fields.values()):
        _check_repeatable(part, where)
    _check_clocks(raw, fields, where)
    delay = _duration(raw["delay"], where) if "delay" in raw else None
    return EventSpec(source, fields, raw.get("type", ""), raw.get("where", "true"), delay)


def _check_clocks(raw: Mapping[str, Any], fields: Mapping[str, str], where: str) -> None:
    for name in ("event_ts", "user_id"):
        if name not in fields:
            raise UsageError(f"field '{name}' is missing", where=where, fix=f"map {name}")
    if ("delay" in raw) == ("known_ts" in fields):
        fix = "map `known_ts` to the source's second clock, or state the `delay` of its only one"
        raise UsageError("give either `known_ts` or `delay`", where=where, fix=fix)


def _check_repeatable(sql: str, where: str) -> None:
    """Refuse what another run, or another event of the same row, would answer differently.

    The engine may shuffle rows between two windows, so `row_number() over ()` could differ between
    two events of one row.
    """
    if found := re.search(_FLEETING, re.sub(r"'[^']*'", "''", sql), re.IGNORECASE):
        fix = "use `source_row` or columns of the source; the same tables give the same ledger"
        raise UsageError(f"{found[1]} differs from run to run", where=where, fix=fix)
    if re.search(_UNORDERED, sql, re.IGNORECASE):
        fix = "use `source_row`, or give the window an ORDER BY that ends with it"
        raise UsageError("a window function of the order has no order", where=where, fix=fix)


def _duration(text: str, where: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([smhd])", str(text))
    if not match:
        raise UsageError(f"'{text}' is no delay", where=where, fix="for example 0s, 15m, 2h, 1d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _known(raw: Mapping[str, Any], words: Words, where: str) -> None:
    """Refuse a word that is not known, or a value of another type than it wants."""
    for word, value in raw.items():
        kind = words.get(word, words.get("*"))
        if kind is None:
            fix = nearest(word, list(words)) or f"known: {', '.join(words)}"
            raise UsageError(f"unknown word '{word}'", where=where, fix=fix)
        wanted: type = kind if isinstance(kind, type) else type(kind)
        items = value if isinstance(kind, list) and isinstance(value, list) else []
        if not isinstance(value, wanted) or not all(isinstance(v, kind[0]) for v in items):
            fix = f"write {_WRITTEN[wanted.__name__]}"
            raise UsageError(f"'{word}' is {value!r}", where=where, fix=fix)
        if isinstance(kind, dict) and isinstance(value, dict) and kind:
            _known(value, kind, f"{where} {word}")
