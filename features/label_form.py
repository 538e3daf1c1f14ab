"""The `[label]` section of a task: which outcome is asked for, and what takes it back.

`read_label` makes the table frozen values, `label_sets` and `label_columns` say what they read of
the ledger. Computing labels is `features.labels`' work.

A target is positive if its case sees an event of `events` within `horizon` of the start, unless
* an event of `unless` follows it in the case before anything else does (the outcome was wrong),
* the last `verdict` on the case says otherwise, or says nothing (null),
* it is `forgiven`: made good in full soon enough, or
* `short_of` is set and the money of that event set, at the horizon, covers the outcome's amount.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from data.errors import UsageError, nearest
from features.label_rules import NAMED, NameRule, read_rules, rule_sets
from features.spans import LIFE, NO_TIME, Span, parse_span
from features.toml_form import check_keys

AMOUNT: Final = "amount_cents"
_VERDICT: Final = ("column", "events", "positive", "if_proven", "proven", "unknown")


@dataclass(frozen=True)
class Verdict:
    """Whose word counts: the last row of `events` whose `column` is neither null nor `unknown`.

    It makes the outcome positive if it is one of `positive`, or one of `if_proven` and some row of
    the event sets `proven` says the same; every other word makes it negative, no word null.
    """

    column: str
    events: tuple[str, ...]
    positive: tuple[str, ...]
    if_proven: tuple[str, ...] = ()
    proven: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forgiven:
    """Outcomes matching `where` are harmless if `by` sums to their amount `within` a time."""

    where: Mapping[str, Any] = field(hash=False)
    by: str
    within: Span


@dataclass(frozen=True)
class Target:
    """One label; see the module. `outcome`: column of its events that names how a case ended."""

    events: str
    horizon: Span
    unless: tuple[str, ...] = ()
    verdict: Verdict | None = None
    forgiven: Forgiven | None = None
    short_of: str | None = None
    outcome: str | None = None

    @property
    def sets(self) -> tuple[str, ...]:
        """The event sets it reads."""
        said = (*self.verdict.events, *self.verdict.proven) if self.verdict else ()
        by = (self.forgiven.by,) if self.forgiven else ()
        short = (self.short_of,) if self.short_of else ()
        return (self.events, *self.unless, *said, *by, *short)


@dataclass(frozen=True)
class Label:
    """How outcomes are read.

    Parameters
    ----------
    case : the key column that ties a decision to what followed.
    start : event set of the pay-out. Horizons count from it and a case without it has no label;
        without `start` they count from `as_of`.
    decisions : event set of the logged decisions, whose propensities travel with the label.
    named : rules that name how a case ended, by column (`features.label_rules`).
    days : ages of an outcome, in days, at which what came back of its money is told.
    """

    case: str = "case_id"
    start: str | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)
    decisions: str | None = None
    named: Mapping[str, tuple[NameRule, ...]] = field(default_factory=dict)
    days: tuple[int, ...] = ()


def read_label(table: Mapping[str, Any], where: str) -> Label:
    """The section of a parsed file.

    Raises
    ------
    UsageError : an unknown key, a target without events or horizon, an endless horizon.
    """
    named = {n: read_rules(table[n], f"{where}: [[label.{n}]]") for n in NAMED if n in table}
    rest = {k: v for k, v in table.items() if k not in named}
    targets = {n: t for n, t in rest.items() if isinstance(t, Mapping)}
    plain = {k: v for k, v in rest.items() if k not in targets}
    check_keys(plain, ("case", "start", "decisions", "days"), f"{where}: [label]")
    read = {n: _read_target(t, f"{where}: [label.{n}]") for n, t in targets.items()}
    days = _read_days(plain.pop("days", ()), f"{where}: [label] days")
    return Label(targets=read, named=named, days=days, **plain)


def label_sets(label: Label) -> Iterator[tuple[str, str]]:
    """Where an event set is named, and its name."""
    for key in ("start", "decisions"):
        if getattr(label, key) is not None:
            yield f"[label] {key}", getattr(label, key)
    for name, target in label.targets.items():
        yield from ((f"[label.{name}]", events) for events in target.sets)


def word_sets(label: Label) -> Iterator[str]:
    """The event sets that only the words for an outcome ask for, targets' too."""
    for rules in label.named.values():
        yield from rule_sets(rules)


def label_words(label: Label) -> Iterator[tuple[str, Mapping[str, tuple[Any, ...]]]]:
    """Where values of a column are named, and these values by column."""
    for name, target in label.targets.items():
        if target.forgiven:
            yield f"[label.{name}] forgiven", target.forgiven.where
        if target.verdict:
            said = target.verdict
            words = (*said.positive, *said.if_proven, *said.unknown)
            yield f"[label.{name}] verdict", {said.column: words}


def label_columns(label: Label) -> set[str]:
    """Columns of the ledger that labels read, beside those of their event sets."""
    needed = {label.case}
    needed |= {"stage", AMOUNT} if label.start else set()
    needed |= {"action", "act_prob", "keep_prob"} if label.decisions else set()
    for target in label.targets.values():
        needed |= {target.verdict.column} if target.verdict else set()
        needed |= {AMOUNT} if target.short_of or target.forgiven else set()
        needed |= set(target.forgiven.where) if target.forgiven else set()
        needed |= {target.outcome} if target.outcome else set()
    needed |= {r.column for rules in label.named.values() for r in rules if r.column}
    return needed


def _read_target(table: Mapping[str, Any], where: str) -> Target:
    check_keys(table, [f.name for f in fields(Target)], where)
    if not {"events", "horizon"} <= set(table):
        fix = 'add events = "<event set>" and horizon = "60d"'
        raise UsageError("a label names its events and its horizon", where=where, fix=fix)
    return Target(
        table["events"],
        _length(table["horizon"], where),
        tuple(table.get("unless", ())),
        _read_verdict(table["verdict"], f"{where} verdict") if "verdict" in table else None,
        _read_forgiven(table["forgiven"], f"{where} forgiven") if "forgiven" in table else None,
        table.get("short_of"),
        table.get("outcome"),
    )


def _read_days(given: Any, where: str) -> tuple[int, ...]:
    whole = isinstance(given, list | tuple) and all(type(d) is int and 0 < d < 3_650 for d in given)
    if not whole or list(given) != sorted(set(given)):
        raise UsageError(f"{given!r}", where=where, fix="give whole days, rising: [7, 15, 30]")
    return tuple(given)


def _read_verdict(table: Mapping[str, Any], where: str) -> Verdict:
    check_keys(table, _VERDICT, where)
    _need(table, ("column", "events", "positive"), where)
    lists = {k: tuple(table[k]) for k in _VERDICT[1:] if k in table}
    return Verdict(column=table["column"], **lists)


def _read_forgiven(table: Mapping[str, Any], where: str) -> Forgiven:
    check_keys(table, ("where", "by", "within"), where)
    _need(table, ("where", "by", "within"), where)
    lists = {c: tuple(v) if isinstance(v, list) else (v,) for c, v in table["where"].items()}
    return Forgiven(dict(sorted(lists.items())), table["by"], _length(table["within"], where))


def _length(text: str, where: str) -> Span:
    span = parse_span(text)
    if not NO_TIME < span < LIFE:
        raise UsageError(f"a horizon of {text!r}", where=where, fix='give a length such as "60d"')
    return span


def _need(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in keys:
        if key not in table:
            fix = nearest(key, list(table)) or f"add {key} = ..."
            raise UsageError(f"the key '{key}' is missing", where=where, fix=fix)
