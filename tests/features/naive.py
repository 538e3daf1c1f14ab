"""The oracle: every feature by a plain loop over events as dictionaries. Slow and obvious.

It shares nothing with the engine but the declarations and the words of the rule:
`as_of - delay - over <= known_ts < as_of - delay`.
"""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from features.declarations import (
    LIFE,
    STAGES,
    Declaration,
    Difference,
    Events,
    Links,
    Rate,
    Ratio,
    Request,
    Ring,
    Window,
)

Row = dict[str, Any]


def naive_features(
    definitions: list[Declaration], events: list[Row], cases: list[Row], case: str = "case_id"
) -> dict[str, list[Any]]:
    """Values per column name. Null is None; events and cases are rows of plain Python values.

    A row without a stage is a request. `case` names the column whose events make up a case.
    """
    events = sorted(events, key=lambda e: (e["known_ts"], e["event_ts"], e["event_id"]))
    rows = [c | {"own": case} for c in cases]
    return {d.name: [at_stage(d, events, row) for row in rows] for d in definitions}


def at_stage(d: Declaration, events: list[Row], case: Row) -> Any:
    return value(d, events, case) if stage(d.stage) <= stage(case.get("stage")) else None


def stage(name: str | None) -> int:
    return STAGES.index(name or "request")


def value(d: Declaration, events: list[Row], case: Row) -> Any:
    if isinstance(d, Window):
        return window(d, events, case)
    if isinstance(d, Ring):
        return ring(d, events, case)
    if isinstance(d, Request):
        asked = case[f"{d.stage}_{d.column}"]
        return asked if asked is None or d.equals is None else float(asked == d.equals)
    a, b = value(d.a, events, case), value(d.b, events, case)
    if a is None or b is None:
        return None
    if isinstance(d, Rate):
        mean, weight = d.prior
        return (a + mean * weight) / (b + weight)
    if isinstance(d, Difference):
        return a - b
    assert isinstance(d, Ratio)
    return a / b if b != 0 else None


def window(w: Window, events: list[Row], case: Row) -> float | None:
    if any(case[k] is None for k in w.keys):
        return None
    end = case["as_of"] - w.delay
    own = [e for e in events if all(e[k] == case[k] for k in w.keys)]
    key = case["own"]
    if stage(case.get("stage")) > stage("request") and key not in w.keys:
        own = [e for e in own if e[key] is None or e[key] != case[key]]
    past = [e for e in own if e["known_ts"] < end]
    if w.over != LIFE:
        past = [e for e in past if e["known_ts"] >= end - w.over]
    return aggregate(w, past, case)


def aggregate(w: Window, past: list[Row], case: Row) -> float | None:
    found = [e for e in past if belongs(e, w.events)]
    if w.aggregate == "count":
        return len(found)
    if w.aggregate == "streak":
        assert w.breaker
        ends = [n for n, e in enumerate(past) if belongs(e, w.breaker)]
        since = past[ends[-1] + 1 :] if ends else past
        return sum(belongs(e, w.events) for e in since)
    if w.aggregate in ("age", "tenure"):
        which = -1 if w.aggregate == "age" else 0
        if not found:
            return None
        gone: timedelta = case["as_of"] - found[which]["known_ts"]
        return gone / timedelta(microseconds=1) / 86_400e6
    values: list[float] = [e[w.column or ""] for e in found if not null(e[w.column or ""])]
    if w.aggregate == "distinct":
        return len(set(values))
    if w.aggregate == "sum":
        return sum(values)
    if not values:
        return None
    return max(values) if w.aggregate == "max" else sum(values) / len(values)


def ring(r: Ring, events: list[Row], case: Row) -> float | None:
    if case["user_id"] is None:
        return None
    past = [e for e in events if e["known_ts"] < case["as_of"]]
    others = cluster(r.links, past, case["user_id"]) - {case["user_id"]}
    if r.aggregate == "size" or r.events is None:
        return 1 + len(others)
    found = [e for e in past if e["user_id"] in others and belongs(e, r.events)]
    first: dict[Any, datetime] = {e["user_id"]: e["known_ts"] for e in reversed(found)}
    begin = None if r.over == LIFE else case["as_of"] - r.over
    if r.aggregate == "joined":
        return len([t for t in first.values() if begin is None or t >= begin])
    if r.aggregate == "age":
        gone = [whole_ms(case["as_of"]) - whole_ms(t) for t in first.values()]
        return sum(gone) / len(gone) / 86_400_000 if gone else None
    inside = [e for e in found if begin is None or e["known_ts"] >= begin]
    return float(len(inside) if r.column is None else sum(e[r.column] or 0 for e in inside))


def cluster(links: Links, past: list[Row], user: Any) -> set[Any]:
    """Everybody reached from the user, over identities that are no hubs in this past."""
    at: dict[tuple[str, Any], set[Any]] = {}
    for e in past:
        for column in links.caps:
            if e[column] is not None and e["user_id"] is not None:
                at.setdefault((column, e[column]), set()).add(e["user_id"])
    found, todo = {user}, [user]
    while todo:
        one = todo.pop()
        for (column, _), users in at.items():
            if one in users and len(users) <= links.caps[column]:
                todo += users - found
                found |= users
    return found


def whole_ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def belongs(event: Row, events: Events) -> bool:
    return event["event_type"] in events.types and all(
        event[c] is not None and event[c] in allowed for c, allowed in events.where.items()
    )


def null(x: Any) -> bool:
    return x is None or (isinstance(x, float) and not math.isfinite(x))
