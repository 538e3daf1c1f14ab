"""Declarations to TOML tables and back: the one form that features have on disk.

`expand` reads the tables of a task file (lists of aggregates and windows become one declaration
each); `blocks` writes one table per declaration. Values are spelled by `data.toml_text`: equal
tasks give equal bytes. Which sections a task has is `features.task`'s business.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from data.errors import UsageError, nearest
from features.declarations import (
    ENDLESS,
    STAGES,
    About,
    Composite,
    Declaration,
    Difference,
    Events,
    Links,
    Rate,
    Ratio,
    Request,
    Ring,
    Window,
    windows,
)
from features.spans import NO_TIME, parse_span, span_text

Tables = dict[str, Any]
Found = TypeVar("Found")
KINDS: Final[dict[str, type[Declaration]]] = {
    "feature": Window,
    "request": Request,
    "ring": Ring,
    "ratio": Ratio,
    "difference": Difference,
    "rate": Rate,
}
_ABOUT: Final = ("sign", "reason", "stage", "source", "role")
_WINDOW: Final = ("entity", "events", "aggregate", "column", "over", "delay", "breaker")
_RING: Final = ("links", "events", "aggregate", "column", "over")
ASKED: Final = STAGES[1:]  # an attribute is named by the stage that brings it
_KEYS: Final = {
    "feature": (*_WINDOW, *_ABOUT),
    "request": ("column", "equals", *_ABOUT),
    "ring": (*_RING, *_ABOUT),
    "ratio": ("a", "b", "over", *_ABOUT),
    "difference": ("a", "b", "over", *_ABOUT),
    "rate": ("a", "b", "prior", "over", *_ABOUT),
    "operand": (*_WINDOW, "links", *ASKED, "equals", "ratio", "difference", "rate"),
}


@dataclass(frozen=True)
class Named:
    """What tables may name: event sets and ways of linking."""

    events: Mapping[str, Events]
    links: Mapping[str, Links]


def expand(tables: Tables, named: Named, where: str) -> list[Declaration]:
    """The declarations of all `[[feature]]`, `[[request]]`, ... tables, in canonical order.

    Parameters
    ----------
    tables : the parsed file; other sections are left alone.
    named : what tables may name.
    where : the file's name, for errors.
    """
    found: list[Declaration] = []
    for kind in KINDS:
        for number, table in enumerate(tables.get(kind, []), 1):
            at = f"{where}: [[{kind}]] number {number}"
            found += _located(kind, table, named, at)
    return found


def blocks(definitions: Iterable[Declaration]) -> list[tuple[str, dict[str, Any]]]:
    """One `(kind, table)` per declaration; what equals its default is left out."""
    kinds = {cls: kind for kind, cls in KINDS.items()}
    return [(kinds[type(d)], _computation(d) | _about(d)) for d in definitions]


def canonical(definitions: Iterable[Declaration]) -> tuple[Declaration, ...]:
    """The order on disk: by kind, else as given."""
    order = list(KINDS.values())
    return tuple(sorted(definitions, key=lambda d: order.index(type(d))))


def check_keys(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse a key that nobody would read, naming the nearest that somebody would."""
    known = list(known)
    for key in table:
        if key not in known:
            fix = nearest(key, known) or f"keys: {', '.join(known)}"
            raise UsageError(f"unknown key '{key}'", where=where, fix=fix)


def _located(kind: str, table: Tables, named: Named, at: str) -> list[Declaration]:
    try:
        check_keys(table, _KEYS[kind], at)
        found = _read(kind, table, named)
        if not found:
            fix = "name at least one aggregate and one length: an empty list declares nothing"
            raise UsageError("it stands for no feature", fix=fix)
        return found
    except UsageError as error:
        where = at if error.where in ("", at) else f"{at}, {error.where}"
        raise UsageError(error.what, where=where, fix=error.fix) from None
    except (TypeError, AttributeError) as error:
        fix = "compare its values with a table of the built-in task"
        raise UsageError(f"a value has the wrong type ({error})", where=at, fix=fix) from None


def _read(kind: str, table: Tables, named: Named) -> list[Declaration]:
    about: Tables = {k: table[k] for k in _ABOUT if k in table}
    if kind == "feature":
        return list(_read_windows(table, named, about))
    if kind == "request":
        return [Request(_need(table, "column"), table.get("equals"), **about)]
    if kind == "ring":
        return list(_read_rings(table, named, about))
    return [_read_composite(kind, t, named, about) for t in _shared_over(table)]


def _read_windows(table: Tables, named: Named, about: Tables) -> list[Window]:
    entity = _need(table, "entity")
    tail = f":{table['column']}" if "column" in table else ""
    return windows(
        entity if isinstance(entity, str) else tuple(entity),
        _set(_need(table, "events"), named),
        [f"{a}{tail}" for a in _listed(_need(table, "aggregate"))],
        over=[parse_span(o) for o in _listed(table.get("over", "life"))],
        delay=parse_span(table.get("delay", "0d")),
        breaker=_set(table["breaker"], named) if "breaker" in table else None,
        **about,
    )


def _read_rings(table: Tables, named: Named, about: Tables) -> Iterator[Ring]:
    check_keys(table, (*_RING, *_ABOUT), "ring")
    links = _one_of(_need(table, "links"), named.links, "way of linking", "links")
    events = _set(table["events"], named) if "events" in table else None
    for aggregate in _listed(_need(table, "aggregate")):
        kind, _, column = aggregate.partition(":")
        for over in _listed(table.get("over", "life")):
            summed = column or table.get("column")
            yield Ring(links, kind, events, summed, parse_span(over), **about)


def _read_composite(
    kind: str, table: Tables, named: Named, about: Tables
) -> Ratio | Difference | Rate:
    a, b = (_operand(_need(table, side), named, f"operand {side}") for side in "ab")
    if kind == "rate":
        prior = _need(table, "prior")
        if len(prior) != 2:
            raise UsageError(f"the prior is {prior}", fix="prior = [mean, weight]")
        return Rate(a, b, (prior[0], prior[1]), **about)
    return Ratio(a, b, **about) if kind == "ratio" else Difference(a, b, **about)


def _operand(table: Tables, named: Named, at: str) -> Declaration:
    check_keys(table, _KEYS["operand"], at)
    inner = next((k for k in ("ratio", "difference", "rate") if k in table), None)
    if inner:
        check_keys(table[inner], ("a", "b", "prior"), at)
        return _read_composite(inner, table[inner], named, {})
    for stage in (s for s in ASKED if s in table):
        return Request(table[stage], table.get("equals"), stage=stage)
    found: list[Declaration] = (
        [*_read_rings(table, named, {})] if "links" in table else [*_read_windows(table, named, {})]
    )
    if len(found) != 1:
        fix = 'an operand has one aggregate and one over; put the list into the block\'s own "over"'
        raise UsageError(f"it stands for {len(found)} features", where=at, fix=fix)
    return found[0]


def _shared_over(table: Tables) -> list[Tables]:
    """One table per shared `over`, filled into every window that names none."""
    if "over" not in table:
        return [table]
    rest = {k: v for k, v in table.items() if k not in ("a", "b")}
    return [
        rest | {side: _filled(_need(table, side), over) for side in "ab"}
        for over in _listed(table["over"])
    ]


def _filled(operand: Tables, over: str) -> Tables:
    if "entity" in operand or "links" in operand:
        return {"over": over} | operand
    inner = {k: v for k, v in operand.items() if k in ("ratio", "difference", "rate")}
    sides = {k: v | {s: _filled(v[s], over) for s in "ab" if s in v} for k, v in inner.items()}
    return operand | sides


def _computation(d: Declaration) -> dict[str, Any]:
    if isinstance(d, Composite):
        prior = {"prior": list(d.prior)} if isinstance(d, Rate) else {}
        return {"a": _as_operand(d.a), "b": _as_operand(d.b)} | prior
    if isinstance(d, Request):
        return {"column": d.column} | ({} if d.equals is None else {"equals": d.equals})
    if isinstance(d, Ring):
        return _ring_table(d)
    table = {
        "entity": d.entity if isinstance(d.entity, str) else list(d.entity),
        "events": d.events.name,
        "aggregate": f"{d.aggregate}:{d.column}" if d.column else d.aggregate,
        "over": span_text(d.over),
    }
    table |= {"delay": span_text(d.delay)} if d.delay != NO_TIME else {}
    return table | ({"breaker": d.breaker.name} if d.breaker else {})


def _ring_table(d: Ring) -> dict[str, Any]:
    table = {"links": d.links.name} | ({"events": d.events.name} if d.events else {})
    table |= {"aggregate": f"{d.aggregate}:{d.column}" if d.column else d.aggregate}
    return table | ({"over": span_text(d.over)} if d.aggregate not in ENDLESS else {})


def _as_operand(d: Declaration) -> dict[str, Any]:
    if isinstance(d, Request):
        return {d.stage: d.column} | ({} if d.equals is None else {"equals": d.equals})
    ((kind, table),) = blocks([d])
    return table if kind in ("feature", "ring") else {kind: table}


def _about(d: Declaration) -> dict[str, Any]:
    plain = About.__dataclass_fields__
    return {k: v for k in _ABOUT if (v := getattr(d, k)) and v != plain[k].default}


def _set(name: str, named: Named) -> Events:
    return _one_of(name, named.events, "event set", "events")


def _one_of(name: str, known: Mapping[str, Found], what: str, section: str) -> Found:
    if name not in known:
        fix = nearest(name, list(known)) or f"declare [{section}.{name}]"
        raise UsageError(f"unknown {what} '{name}'", fix=fix)
    return known[name]


def _need(table: Tables, key: str) -> Any:
    if key not in table:
        raise UsageError(f"the key '{key}' is missing", fix=f"add {key} = ...")
    return table[key]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
