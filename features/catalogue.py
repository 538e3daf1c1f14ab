"""The catalogue of a task's columns, made of its declarations: one entry per column.

In: a task. Out: `Entry` rows with everything a declaration says of itself, and what the signals of
`signals.toml` say beyond it. How a catalogue looks on a page is `features.catalogue_page`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Final

from features.declarations import (
    ENDLESS,
    STAGES,
    Composite,
    Declaration,
    Difference,
    Rate,
    Ratio,
    Request,
    Ring,
    Window,
)
from features.spans import LIFE, span_text
from features.task import Task, leaves

WORDS: Final = {Ratio: "/", Difference: "-", Rate: "/"}
SIGNS: Final = {1: "+", -1: "-"}


@dataclass(frozen=True)
class Signal:
    """A row of the signal catalogue; `absent` says why it has no column."""

    title: str
    limits: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Entry:
    """What a person may want to know of one column; every field is text.

    `meaning` tells what is computed, `window` over which past, `sign` per target in which direction
    the column may move the risk, `reason` the key of what people are told.
    """

    source: str
    name: str
    meaning: str
    entity: str
    window: str
    stage: str
    sign: str
    role: str
    reason: str

    def plain(self) -> dict[str, str]:
        """The entry for a machine."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@cache
def signals() -> Mapping[str, Signal]:
    """The rows of the signal catalogue by their keys."""
    text = files("features").joinpath("signals.toml").read_text(encoding="utf-8")
    return {key: Signal(**row) for key, row in tomllib.loads(text).items()}


def catalogue(task: Task, stage: str = STAGES[-1]) -> tuple[Entry, ...]:
    """The columns that exist at a stage, the policy's too, by signal in the order of their list.

    A source that is no signal comes last, as does a column without one.
    """
    rank = {key: place for place, key in enumerate(signals())}
    found = [_entry(d) for d in (*task.at_stage(stage), *task.policy_at(stage))]
    return tuple(sorted(found, key=lambda e: (rank.get(e.source, len(rank)), e.source)))


def _entry(d: Declaration) -> Entry:
    found = list(leaves(d))
    past = [w for w in found if isinstance(w, Window | Ring)]
    return Entry(
        source=d.source,
        name=d.name,
        meaning=meaning(d),
        entity=" + ".join(dict.fromkeys(_entity(x) for x in found)),
        window="; ".join(dict.fromkeys(_over(w) for w in past)),
        stage=d.stage,
        sign=" ".join(f"{SIGNS[s]}{target}" for target, s in d.sign.items() if s),
        role=d.role,
        reason=d.reason,
    )


def meaning(d: Declaration) -> str:
    """What is computed, in the words of the declaration.

    >>> from features.declarations import Events, Window, days
    >>> requests = Events("refund_requests", "refund_requested")
    >>> meaning(Window("user_id", requests, "sum", "amount_cents", days(7)))
    'sum of amount_cents over refund_requests'
    """
    if isinstance(d, Composite):
        a, b = (f"({meaning(x)})" if isinstance(x, Composite) else meaning(x) for x in (d.a, d.b))
        shrunk = f", shrunk to {d.prior[0]:g}" if isinstance(d, Rate) else ""
        return f"{a} {WORDS[type(d)]} {b}{shrunk}"
    if isinstance(d, Request):
        told = "" if d.equals is None else f" is {str(d.equals).lower()}"
        return f"{d.column} of the {d.stage.replace('_', ' ')}{told}"
    of = {
        "count": "number of",
        "age": "days since the last of",
        "tenure": "days since the first of",
        "streak": "number of",
        "distinct": f"different {d.column} in",
    }
    if isinstance(d, Ring):
        return _meaning_of_ring(d)
    since = f" since the last of {d.breaker.name}" if d.breaker else ""
    return f"{of.get(d.aggregate, f'{d.aggregate} of {d.column} over')} {d.events.name}{since}"


def _meaning_of_ring(r: Ring) -> str:
    name = r.events.name if r.events else ""
    of = {
        "size": "linked accounts, the own one included",
        "count": f"number of {name} of the other linked accounts",
        "sum": f"sum of {r.column} over {name} of the other linked accounts",
        "joined": f"other linked accounts whose first of {name} is new",
        "age": f"mean days since the first of {name} of the other linked accounts",
    }
    return of[r.aggregate]


def _entity(leaf: Window | Request | Ring) -> str:
    if isinstance(leaf, Request):
        return leaf.stage
    if isinstance(leaf, Ring):
        return f"linked by {leaf.links.name}"
    return " x ".join(key.removesuffix("_id") for key in leaf.keys)


def _over(w: Window | Ring) -> str:
    length = "life" if w.over == LIFE else span_text(w.over)
    if isinstance(w, Ring):
        return "" if w.aggregate in ENDLESS else length
    return f"{length} until {span_text(w.delay)} before" if w.delay else length
