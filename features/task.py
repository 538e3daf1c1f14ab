"""The task: which question is asked. Event sets, spine, label and features of one TOML file.

In: the name of a built-in task or a path. Out: a frozen `Task`. The file is the only form on disk;
`dump_task` writes the canonical one with everything expanded, and `load_task` of it is the same
task. What the tables of features look like is `features.toml_form`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from data.contract import Contract, load_contract
from data.errors import UsageError, nearest
from data.toml_text import toml_text
from features.declarations import (
    STAGES,
    Composite,
    Declaration,
    Events,
    Links,
    Request,
    Ring,
    Window,
    unique,
)
from features.label_form import label_columns, label_sets, label_words, read_label, word_sets
from features.task_file import listed, merge, read_chain, text_of
from features.toml_form import Named, blocks, canonical, check_keys, expand
from features.vocabulary import check_events, check_links, check_reasons, check_where

DEFAULT_TASK: Final = "advance_refund"
COLUMN_KINDS: Final = ("int", "float", "text", "bool", "time", "key")
LATER: Final = STAGES[STAGES.index("request") + 1 :]
_SPINE: Final = ("trigger", "request", "paid", *LATER)


@dataclass(frozen=True)
class Task:
    """One question, with everything that answers it.

    Parameters
    ----------
    declarations : all features in canonical order, the policy's included.
    trigger : event set whose rows ask for a decision; `request` columns travel with them.
    paid : event set of the standing stage, or None.
    stages : event set of each later stage that the task decides at.
    label : the table `[label]`, which `features.labels` reads; a key with a table is a target.
    models : hyper-parameters per target. policy : settings of the decision.
    columns, event_types : what the ledger may hold beyond the vocabulary.
    """

    name: str
    event_sets: Mapping[str, Events]
    declarations: tuple[Declaration, ...]
    trigger: str
    request: tuple[str, ...] = ()
    paid: str | None = None
    stages: Mapping[str, str] = field(default_factory=dict)
    label: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    event_types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "declarations", canonical(unique(self.declarations)))
        _check_task(self)

    @property
    def features(self) -> tuple[Declaration, ...]:
        """The columns a model sees."""
        return tuple(d for d in self.declarations if d.role == "model")

    @property
    def policy_columns(self) -> tuple[Declaration, ...]:
        """Columns for decisions only: a model never sees them."""
        return tuple(d for d in self.declarations if d.role == "policy")

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the labels."""
        return tuple(sorted(k for k, v in self.label.items() if isinstance(v, Mapping)))

    @property
    def case(self) -> str:
        """The column that says which events belong to one case."""
        return str(self.label.get("case", "case_id"))

    @property
    def version(self) -> str:
        """Twelve hex digits of the SHA-256 of the canonical file."""
        return hashlib.sha256(dump_task(self).encode()).hexdigest()[:12]

    def adding(self, definitions: Iterable[Declaration]) -> "Task":
        """The task with more features; their event sets are added with them."""
        more = tuple(definitions)
        sets = dict(self.event_sets)
        for events in (e for d in more for e in events_of(d)):
            if sets.setdefault(events.name, events) != events:
                fix = "give the new set another name"
                raise UsageError(
                    f"events '{events.name}' means two things", where=self.name, fix=fix
                )
        return replace(self, event_sets=sets, declarations=(*self.declarations, *more))

    def at_stage(self, stage: str) -> tuple[Declaration, ...]:
        """The model's columns that exist at a stage: its own and those of earlier stages."""
        return self._until(stage, self.features)

    def policy_at(self, stage: str) -> tuple[Declaration, ...]:
        """The policy's columns that exist at a stage."""
        return self._until(stage, self.policy_columns)

    def _until(self, stage: str, definitions: tuple[Declaration, ...]) -> tuple[Declaration, ...]:
        if stage not in STAGES:
            fix = nearest(stage, list(STAGES)) or f"stages: {', '.join(STAGES)}"
            raise UsageError(f"unknown stage '{stage}'", where=self.name, fix=fix)
        last = STAGES.index(stage)
        return tuple(d for d in definitions if STAGES.index(d.stage) <= last)

    def signs(self, target: str, names: Iterable[str] | None = None) -> dict[str, int]:
        """Expected sign per column name for one target; columns without one are left out."""
        wanted = None if names is None else set(names)
        signs = {d.name: d.sign.get(target, 0) for d in self.features}
        return {n: s for n, s in signs.items() if s and (wanted is None or n in wanted)}

    def reason_keys(self) -> dict[str, str]:
        """Reason key per column name, where there is one."""
        return {d.name: d.reason for d in self.features if d.reason}

    def params(self, target: str) -> dict[str, Any]:
        """Hyper-parameters of the target's model; empty where none were chosen."""
        return dict(self.models.get(target, {}))

    def entity_columns(self) -> tuple[str, ...]:
        """The columns that some window takes as its entity, in order of first use."""
        return tuple(dict.fromkeys(k for w in self.windows() for k in w.keys))

    def attributes(self, stage: str) -> tuple[str, ...]:
        """The columns that the rows of a stage bring along: `request`, later what features read."""
        if stage == "request":
            return self.request
        found = (leaf for d in self.declarations for leaf in leaves(d))
        asked = (x.column for x in found if isinstance(x, Request) and x.stage == stage)
        return tuple(dict.fromkeys(asked))

    def windows(self) -> Iterator[Window]:
        """Every window that some feature is or is made of."""
        return (leaf for d in self.declarations for leaf in leaves(d) if isinstance(leaf, Window))

    def rings(self) -> Iterator[Ring]:
        """Every ring that some feature is or is made of."""
        return (leaf for d in self.declarations for leaf in leaves(d) if isinstance(leaf, Ring))

    @property
    def links(self) -> dict[str, Links]:
        """The ways of linking that rings name."""
        found: dict[str, Links] = {}
        for links in (ring.links for ring in self.rings()):
            if found.setdefault(links.name, links) != links:
                fix = "give one of them another name"
                raise UsageError(f"links '{links.name}' means two things", where=self.name, fix=fix)
        return dict(sorted(found.items()))

    def columns_needed(self) -> set[str]:
        """The ledger's columns that spine, features and event sets read."""
        needed = {"event_type", "event_ts", "known_ts", "user_id", self.case, *self.request}
        needed.update(c for events in self.event_sets.values() for c in events.where)
        needed.update(c for stage in self.stages for c in self.attributes(stage))
        needed.update(w.column for w in self.windows() if w.column)
        needed.update(ring.column for ring in self.rings() if ring.column)
        needed.update(column for links in self.links.values() for column in links.caps)
        needed |= label_columns(read_label(self.label, self.name))
        return needed | set(self.entity_columns())

    def sets_of_spine(self) -> tuple[Events, ...]:
        """The event sets whose rows ask for a decision, at any stage."""
        return tuple(self.event_sets[name] for name in (self.trigger, *self.stages.values()))

    def columns_of_spine(self) -> set[str]:
        """The ledger's columns that a spine reads, beside type and clock."""
        read = {"user_id", "merchant_id", self.case, *self.request, *self.entity_columns()}
        read.update(c for events in self.sets_of_spine() for c in events.where)
        return read.union(*(self.attributes(stage) for stage in self.stages))

    def contract(self) -> Contract:
        """The ledger's contract, widened by the event types and columns that the task declares."""
        return load_contract().adding(columns=self.columns, event_types=self.event_types)


def leaves(d: Declaration) -> Iterator[Window | Request | Ring]:
    """The windows, request attributes and rings that a declaration is made of."""
    if isinstance(d, Composite):
        yield from leaves(d.a)
        yield from leaves(d.b)
    else:
        yield d


def events_of(d: Declaration) -> Iterator[Events]:
    """The event sets that a declaration reads."""
    for leaf in leaves(d):
        if isinstance(leaf, Window):
            yield leaf.events
            if leaf.breaker:
                yield leaf.breaker
        elif isinstance(leaf, Ring) and leaf.events:
            yield leaf.events


def load_task(name_or_path: str | Path = DEFAULT_TASK) -> Task:
    """The task of a built-in name or of a file.

    Raises
    ------
    UsageError : no such file, no TOML, an unknown key or event set, a feature that cannot be meant.
    """
    chain, where = read_chain(name_or_path), str(name_or_path)
    merged = merge(chain)
    sets = {n: _read_events(n, t, where) for n, t in merged["events"].items()}
    links = {n: Links(n, caps) for n, caps in merged["links"].items()}
    found: dict[str, Declaration] = {}
    for tables in chain:
        found |= {d.name: d for d in unique(expand(tables, Named(sets, links), where))}
    spine = merged["spine"]
    check_keys(spine, _SPINE, f"{where}: [spine]")
    if "trigger" not in spine:
        fix = 'add trigger = "<event set whose rows ask for a decision>"'
        raise UsageError("the key 'trigger' is missing", where=f"{where}: [spine]", fix=fix)
    return Task(
        name=merged["name"] or Path(where).stem,
        event_sets=sets,
        declarations=tuple(found.values()),
        trigger=spine["trigger"],
        request=listed(spine.get("request", ())),
        paid=spine.get("paid"),
        stages={stage: spine[stage] for stage in LATER if stage in spine},
        label=merged["label"],
        models=merged["model"],
        policy=merged["policy"],
        columns=merged["columns"],
        event_types=merged["event_types"],
    )


def dump_task(task: Task) -> str:
    """The canonical TOML of a task: expanded, one table per feature, equal tasks equal bytes."""
    sections: list[tuple[str, Mapping[str, Any]]] = [
        ("columns", dict(sorted(task.columns.items()))),
        ("event_types", {"extra": list(task.event_types)} if task.event_types else {}),
        *((f"events.{n}", _events_table(e)) for n, e in sorted(task.event_sets.items())),
        *((f"links.{n}", links.caps) for n, links in task.links.items()),
        ("spine", _spine_table(task)),
        ("label", {k: v for k, v in task.label.items() if k not in task.targets}),
        *((f"label.{n}", task.label[n]) for n in task.targets),
        *((f"model.{n}", dict(sorted(p.items()))) for n, p in sorted(task.models.items())),
        ("policy", task.policy),
    ]
    tables = [(f"[{title}]", table) for title, table in sections if table]
    tables += [(f"[[{kind}]]", table) for kind, table in blocks(task.declarations)]
    return f"name = {toml_text(task.name)}\n" + text_of(tables)


def _events_table(events: Events) -> dict[str, Any]:
    where = {c: v[0] if len(v) == 1 else list(v) for c, v in events.where.items()}
    return {"types": list(events.types)} | ({"where": where} if where else {})


def _spine_table(task: Task) -> dict[str, Any]:
    paid = {"paid": task.paid} if task.paid else {}
    return {"trigger": task.trigger, "request": list(task.request)} | paid | dict(task.stages)


def _read_events(name: str, table: Mapping[str, Any], where: str) -> Events:
    at = f"{where}: [events.{name}]"
    check_keys(table, ("types", "where"), at)
    where_table = table.get("where", {})
    if not isinstance(where_table, Mapping):
        fix = 'write where = { reason = "not_received" }'
        raise UsageError(f"its where is {where_table!r}", where=at, fix=fix)
    return Events(name, listed(table.get("types", ())), where_table)


def _check_task(task: Task) -> None:
    named = {"[spine] trigger": task.trigger, "[spine] paid": task.paid}
    named |= {f"[spine] {stage}": name for stage, name in task.stages.items()}
    label, contract = read_label(task.label, task.name), task.contract()
    naming = (("[label]'s words", name) for name in word_sets(label))
    for what, name in (*named.items(), *label_sets(label), *naming):
        if name is not None and name not in task.event_sets:
            fix = nearest(name, list(task.event_sets)) or f"declare [events.{name}]"
            raise UsageError(f"{what}: unknown event set '{name}'", where=task.name, fix=fix)
    check_keys(task.policy, ("file",), f"{task.name}: [policy]")
    for column, kind in task.columns.items():
        if kind not in COLUMN_KINDS:
            fix = f"kinds: {', '.join(COLUMN_KINDS)}"
            raise UsageError(f"[columns] {column}: unknown kind {kind!r}", where=task.name, fix=fix)
    for events in task.event_sets.values():
        check_events(events, contract, task.name)
    for links in task.links.values():
        check_links(links, contract, task.name)
    for where, words in label_words(label):
        check_where(words, contract, f"{task.name}: {where}")
    check_reasons(task.declarations)
    _check_requests(task)
    _check_targets(task)


def _check_requests(task: Task) -> None:
    for d in task.declarations:
        for leaf in leaves(d):
            if not isinstance(leaf, Request):
                continue
            where = f"feature {d.name}"
            if leaf.stage != "request" and leaf.stage not in task.stages:
                fix = f'add {leaf.stage} = "<event set>" to [spine]'
                raise UsageError(f"the task has no stage '{leaf.stage}'", where=where, fix=fix)
            if leaf.stage == "request" and leaf.column not in task.request:
                hint = nearest(leaf.column, list(task.request))
                fix = hint or f'add "{leaf.column}" to request of [spine]'
                raise UsageError("its column does not travel in the spine", where=where, fix=fix)


def _check_targets(task: Task) -> None:
    """Signs and hyper-parameters of a target that is none would be read by nobody."""
    targets = list(task.targets)
    named = [(f"feature {d.name}: sign", target) for d in task.declarations for target in d.sign]
    for where, target in [*named, *((f"{task.name}: [model]", t) for t in task.models)]:
        if targets and target not in targets:
            fix = nearest(target, targets) or f"targets: {', '.join(targets)}"
            raise UsageError(f"unknown target '{target}'", where=where, fix=fix)
