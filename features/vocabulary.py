"""The words of a task against what the ledger may hold: a misspelt one would count nothing.

In: event sets, conditions and the contract that the task widens. Out: nothing, or a `UsageError`
that names the nearest word. Which tables of a task these words stand in is `features.task`'s work.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from data.contract import Contract
from data.errors import UsageError, nearest
from features.declarations import Declaration, Events, Links
from features.reasons import text_keys

_PLAIN: Final[Mapping[str, tuple[type, ...]]] = {
    "text": (str,),
    "key": (str, int),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}


def check_events(events: Events, contract: Contract, where: str) -> None:
    """Refuse types that no ledger of this task has, and conditions that none can meet."""
    at = f"{where}: [events.{events.name}]"
    for word in events.types:
        if word not in contract.event_types:
            hint = nearest(word, list(contract.event_types))
            fix = f"{hint} " * bool(hint) + f'a type of your own: [event_types] extra = ["{word}"]'
            raise UsageError(f"unknown event type '{word}'", where=at, fix=fix)
    check_where(events.where, contract, at)


def check_where(where: Mapping[str, Sequence[Any]], contract: Contract, at: str) -> None:
    """Refuse values that their column cannot hold; unknown columns are the ledger's matter."""
    for column, values in where.items():
        spec = contract.columns.get(column)
        if spec is None:
            continue
        if spec.type not in _PLAIN:
            fix = "a where names a key, text, truth or number column"
            raise UsageError(f"{column} is a {spec.type} and matches no value", where=at, fix=fix)
        for value in values:
            truth = isinstance(value, bool) and spec.type != "bool"
            if truth or not isinstance(value, _PLAIN[spec.type]):
                what = f"{column} = {value!r}, but the column holds {spec.type}"
                raise UsageError(what, where=at, fix=f"give a value of type {spec.type}")
            if spec.values and value not in spec.values:
                fix = nearest(str(value), list(spec.values)) or f"one of: {', '.join(spec.values)}"
                raise UsageError(f"{column} is never '{value}'", where=at, fix=fix)


def check_links(links: Links, contract: Contract, where: str) -> None:
    """Refuse a column that the contract knows and that is no key; unknown ones the ledger tells."""
    for column in links.caps:
        spec = contract.columns.get(column)
        if spec is not None and spec.type not in ("key", "text"):
            fix = "link by keys that accounts share: device_id, address_id"
            at = f"{where}: [links.{links.name}]"
            raise UsageError(f"{column} is a {spec.type} and no key", where=at, fix=fix)


def check_reasons(declarations: Iterable[Declaration]) -> None:
    """Refuse a reason that has no text."""
    known = list(text_keys())
    for d in declarations:
        if d.reason and d.reason not in known:
            fix = nearest(d.reason, known) or f"keys of features/reasons.toml: {', '.join(known)}"
            raise UsageError(f"unknown reason '{d.reason}'", where=f"feature {d.name}", fix=fix)
