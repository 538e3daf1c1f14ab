"""What an audit found, as sentences: what, where, how to fix."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd

from data.clocks import OddClock
from data.filling import LateFill
from data.versions import Change
from pipelines.as_of import stamp

SHOWN: Final = 3  # of many alike, told one by one


@dataclass(frozen=True)
class Finding:
    """One leak or trace of one; `evidence` holds the numbers as plain JSON values."""

    kind: str
    what: str
    where: str
    fix: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}\n   where: {self.where}\n   fix: {self.fix}"


def of_cells(cells: pd.DataFrame, decisions: int, cut: str) -> list[Finding]:
    """One finding a column whose cells differ, the most cells first."""
    found = []
    for column, n in cells["column"].value_counts().items():
        told = cells[cells["column"] == column].drop(columns="column").astype(str)
        first = told.head(SHOWN).to_dict("records")
        example = ", ".join(f"{k} {v}" for k, v in first[0].items())
        found.append(
            Finding(
                "time travel",
                f"{n:,} of {decisions:,} decisions have another value on {cut}",
                f"column {column} (first: {example})",
                "compute it from events with known_ts < as_of only, or correct the rows it reads",
                {"column": column, "cells": int(n), "decisions": decisions, "first": first},
            )
        )
    return found


def of_change(change: Change) -> Finding:
    """Rows that an append-only ledger would have left alone."""
    what = {
        "removed": "rows of the older version are gone",
        "back_dated": "rows came later with a known_ts in the older version's time",
        "filled": "values were null when they were read before: filled after the fact",
        "altered": "values were others when they were read before",
    }[change.kind]
    column = f" column {change.column}" if change.column else ""
    return Finding(
        "changed after the fact",
        f"{change.rows:,} {what} (it had {change.of:,} rows of this type)",
        f"{change.event_type}{column} (first: event_id {change.event_id})",
        "append an event of its own with the time it became known; never rewrite an old row",
        vars(change),
    )


def of_outset(name: str, rows: int, of: int) -> list[Finding]:
    """Outcomes known no later than their own decision."""
    if not rows:
        return []
    return [
        Finding(
            "known too early",
            f"{rows:,} of {of:,} outcomes were known no later than the decision they come from",
            f"event set {name}",
            "give the outcome the time it became known, or look at the column that [label] case "
            "names: it may join cases that are not one",
            {"events": name, "rows": rows, "of": of},
        )
    ]


def of_aucs(
    target: str, table: pd.DataFrame, rows: int, limit: float
) -> tuple[list[Finding], list[str]]:
    """Columns beyond the limit even at the near end of their interval; the rest in a line."""
    beyond = (table["lower"] > limit) | (table["upper"] < 1 - limit)
    reach = (table["auc"] > limit) | (table["auc"] < 1 - limit)
    found = [_suspect(target, row) for row in table[beyond].to_dict("records")]
    lines = [f"single columns: {rows:,} labelled decisions for {target}{_best(table)}"]
    few = table[reach & ~beyond].to_dict("records")
    lines += [
        f"single columns: {r['column']} has AUC {_interval(r)} for {target}, but {r['bad']} bad "
        f"and {r['good']} good users are too few to say"
        for r in few[:SHOWN]
    ]
    if len(few) > SHOWN:
        lines.append(f"single columns: as little can be said of {len(few) - SHOWN} more")
    return found, lines


def of_fill(fill: LateFill) -> Finding:
    """A column that older rows have and recent ones lack."""
    return Finding(
        "filled after the fact",
        f"{fill.value} in {fill.filled:,} of {fill.rows:,} rows of the last {fill.days} days, in "
        f"{fill.before:.1%} or more of those before",
        f"{fill.event_type} column {fill.column}",
        "send the later value as an event of its own; if the source only stopped to fill the "
        "column, leave it out of the task. --before tells which",
        vars(fill),
    )


def of_clock(clock: OddClock) -> Finding:
    """An event type whose clock cannot be right."""
    what, fix = _CLOCKS[clock.kind]
    return Finding(
        "clock",
        f"{clock.rows:,} of {clock.of:,} rows {what}",
        f"{clock.event_type}, known {_time(clock.first_us)} to {_time(clock.last_us)}",
        fix,
        vars(clock),
    )


_CLOCKS: Final = {
    "no_delay": (
        "are known the moment they happen, though others see them first",
        "map the time of arrival to known_ts, or state the source's delay in its mapping",
    ),
    "backfilled": (
        "are known the moment they happen; later ones arrive with a delay",
        "history was loaded with known_ts = event_ts: state the delay of those rows",
    ),
    "dates": (
        "are known at the first instant of their day",
        "a date is known when its day is over: map the time, or state a delay of a day",
    ),
    "bulk": (
        "of more than a month became known in one instant",
        "that is when they were loaded, not when they were known: decisions before it see no past",
    ),
}


def _suspect(target: str, row: Mapping[Any, Any]) -> Finding:
    return Finding(
        "knows the label",
        f"AUC {_interval(row)} for {target} on its own, by {row['score']}; {row['bad']:,} bad and "
        f"{row['good']:,} good users",
        f"column {row['column']}",
        "look at when it is written: an outcome written into the request's row is the usual cause",
        {"target": target, **{str(k): v for k, v in row.items()}},
    )


def _best(table: pd.DataFrame) -> str:
    if table.empty:
        return ", not of both kinds: nothing to compare"
    row = table.iloc[0].to_dict()
    return f", {len(table)} columns; the most telling is {row['column']}, AUC {_interval(row)}"


def _interval(row: Mapping[Any, Any]) -> str:
    return f"{row['auc']:.3f} (99 %: {row['lower']:.3f} to {row['upper']:.3f})"


def _time(us: int) -> str:
    return f"{stamp(us):%Y-%m-%d %H:%M}"
