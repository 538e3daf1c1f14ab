"""`[[label.sub_cause]]`, `[[label.provenance]]`: rules that name how a case ended.

`read_rules` makes them frozen values; `features.naming` applies them: the first that holds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from data.errors import UsageError
from features.toml_form import check_keys

NAMED: Final = ("sub_cause", "provenance")
_LISTS: Final = ("of", "cause", "fault", "seen", "unseen")


@dataclass(frozen=True)
class NameRule:
    """Every condition that is given must hold.

    `of` : outcomes (`features.label_facts`). `cause` : what was named as the cause, taken back or
    not. `fault` : the last word on it. `seen`, `unseen` :
    event sets of which any, or none, happened in the case from the decision on, before the moment
    of looking. `forgiven` : whether the target's rule forgave the outcome. `name` is the word;
    with `column` instead, the word is what the outcome's own event says there, if anything.
    """

    name: str | None = None
    column: str | None = None
    of: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()
    fault: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    forgiven: bool | None = None


def read_rules(tables: Any, where: str) -> tuple[NameRule, ...]:
    """Rules of a parsed file, in its order.

    Raises
    ------
    UsageError : an unknown key, a rule that gives no word or two.
    """
    if not isinstance(tables, Sequence) or not all(isinstance(t, Mapping) for t in tables):
        raise UsageError("it is no list of rules", where=where, fix="double the brackets: [[...]]")
    rules = []
    for number, table in enumerate(tables, 1):
        at = f"{where} number {number}"
        check_keys(table, [f.name for f in fields(NameRule)], at)
        if ("name" in table) == ("column" in table):
            raise UsageError("a rule gives one word", where=at, fix="give it name or column")
        lists: dict[str, Any] = {k: _listed(v) if k in _LISTS else v for k, v in table.items()}
        rules.append(NameRule(**lists))
    return tuple(rules)


def rule_sets(rules: Sequence[NameRule]) -> Iterator[str]:
    """The event sets that rules read."""
    for rule in rules:
        yield from (*rule.seen, *rule.unseen)


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)
