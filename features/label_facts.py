"""What is told of each decision beside its labels: the pay-out, the outcome, the money, the odds.

In: a `Future` and the targets' `Reading`s. Out: columns.
* `paid_stage`, `paid_ts`, `paid_cents`: the pay-out that followed, whatever its age.
* `outcome`: `held` (not paid), `open` (younger than the horizon of the target that names
  it), `clean`, `reversed` (every claw-back was taken back), or the cause of the first that stands,
  `unnamed` if it says none. `cause` names it for reversed ones too. `outcome_ts`: when the first
  event of that target became known, whatever its age and whether or not it stands.
* `fault`: the last word on it, for the outcomes of the target with a verdict.
* `loss_cents`, `recovered_cents`: of the target with `short_of`, at its horizon; null before it.
* `opened_ts`, `opened_cause`, `owed_cents`, `recovered_<n>d_cents`: of the same target, when its
  first outcome that stands became known, its cause, what it asked back, and what had come n days
  later; null until then, whatever the horizon.
* `sub_cause`, `provenance`: the words of the task's rules (`features.label_rules`).
* `logged_action`, `act_prob`, `keep_prob`: the first decision logged on the case at its request.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from data.ledger import NULL_TIME, Column
from features.case_log import Positions
from features.future import Future, at_places, micros, times
from features.label_form import AMOUNT, Label
from features.naming import Told, named
from features.outcomes import Reading
from features.spans import days, microseconds

_DAY = microseconds(days(1))
OUTCOMES = ("held", "open", "clean", "reversed", "unnamed")
HELD, OPEN, CLEAN, REVERSED, UNNAMED = range(5)


def facts(
    label: Label, future: Future, readings: Mapping[str, Reading], cases: pd.DataFrame
) -> dict[str, Any]:
    """The columns of the module for one task's label; none where its label names none."""
    columns = _paid(future) if label.start else {}
    for name, target in label.targets.items():
        if target.outcome:
            standing = [readings[n] for n, t in label.targets.items() if t.unless]
            column, reading = future.ledger[target.outcome], readings[name]
            columns |= _outcome(column, future, reading, (standing or [reading])[0])
            columns["outcome_ts"] = _first(future, target.events)
        if target.verdict:
            columns["fault"] = _text(future.ledger[target.verdict.column], readings[name].word)
        if target.short_of:
            columns |= _money(future, readings[name])
            columns |= _by_day(future, readings[name], target.short_of, label.days)
            causes = [t.outcome for t in label.targets.values() if t.outcome]
            for cause in causes[:1]:
                columns["opened_cause"] = _text(future.ledger[cause], readings[name].opened)
    columns |= _named(label, future, readings, cases, columns)
    if label.decisions:
        columns |= _logged(label.decisions, future, cases)
    return columns


def _paid(future: Future) -> dict[str, Any]:
    cents = at_places(future.ledger[AMOUNT].values, future.paid, 0).astype(np.float64)
    return {
        "paid_stage": _text(future.ledger["stage"], future.paid),
        "paid_ts": times(np.where(future.paid >= 0, future.begin, NULL_TIME)),
        "paid_cents": np.where(future.paid >= 0, cents, np.nan),
    }


def _outcome(column: Column, future: Future, reading: Reading, standing: Reading) -> dict[str, Any]:
    row = np.where(standing.opened >= 0, standing.opened, reading.opened)
    bad = reading.matured & (reading.opened >= 0)
    cause = _text(column, np.where(bad, row, -1))
    known = [str(c) for c in cause.cat.categories]
    code = np.where(cause.cat.codes >= 0, len(OUTCOMES) + cause.cat.codes, UNNAMED)
    code = np.where(bad, np.where(standing.opened < 0, REVERSED, code), CLEAN)
    code = np.where(reading.matured, code, np.where(future.paid >= 0, OPEN, HELD))
    outcome = pd.Categorical.from_codes(code.astype(np.int64), pd.Index([*OUTCOMES, *known]))
    return {"outcome": outcome, "cause": cause}


def _first(future: Future, events: str) -> "pd.DatetimeIndex":
    started = future.begin > NULL_TIME
    row = future.logs[events].first(future.case, future.lo, np.full(len(started), future.stop))
    return times(np.where(started, future.known(row), NULL_TIME))


def _money(future: Future, reading: Reading) -> dict[str, Any]:
    owed = at_places(future.ledger[AMOUNT].values, reading.opened, 0)
    back = np.minimum(reading.back_cents, owed)
    return {
        "loss_cents": np.where(reading.matured, owed - back, np.nan),
        "recovered_cents": np.where(reading.matured, back, np.nan),
    }


def _by_day(
    future: Future, reading: Reading, short_of: str, ages: tuple[int, ...]
) -> dict[str, Any]:
    """What came back of each outcome that stands, by its age; whatever the horizon."""
    opened, cents = reading.opened, future.ledger[AMOUNT].values
    there = opened >= 0
    owed = at_places(cents, opened, 0)
    since = np.where(there, future.known(opened), NULL_TIME)
    columns: dict[str, Any] = {
        "opened_ts": times(since),
        "owed_cents": np.where(there, owed.astype(np.float64), np.nan),
    }
    for n in ages:
        due = np.where(there, since, 0) + n * _DAY
        back = future.logs[short_of].total(
            cents, future.case, np.maximum(opened, 0), future.place(due)
        )
        old = there & (due <= future.cut)
        columns[f"recovered_{n}d_cents"] = np.where(old, np.minimum(back, owed), np.nan)
    return columns


def _named(
    label: Label,
    future: Future,
    readings: Mapping[str, Reading],
    cases: pd.DataFrame,
    columns: Mapping[str, Any],
) -> dict[str, Any]:
    """The rules' words, of cases that have an outcome."""
    if not label.named or "outcome" not in columns:
        return {}
    outcome, cause = (pd.Categorical(columns[name]) for name in ("outcome", "cause"))
    fault = pd.Categorical(columns.get("fault", [None] * len(outcome)))
    decided = ~np.asarray(outcome.isin(OUTCOMES[: OPEN + 1]), bool)
    opened = next(readings[n].opened for n, t in label.targets.items() if t.outcome)
    forgiven = np.zeros(len(decided), bool)
    for reading in readings.values():
        forgiven |= reading.forgiven
    told = Told(outcome, cause, fault, opened, forgiven, decided)
    return {name: named(rules, future, cases, told) for name, rules in label.named.items()}


def _logged(decisions: str, future: Future, cases: pd.DataFrame) -> dict[str, Any]:
    lo = future.place(micros(cases["as_of"]))
    row = future.logs[decisions].first(future.case, lo, np.full(len(lo), future.stop))
    columns: dict[str, Any] = {"logged_action": _text(future.ledger["action"], row)}
    for name in ("act_prob", "keep_prob"):
        columns[name] = _number(future.ledger[name], row)
    return columns


def _text(column: Column, rows: Positions) -> "pd.Series[Any]":
    if column.dictionary is None:  # a column without a single value may pass for a number
        return pd.Series(pd.Categorical([None] * len(rows)))
    return column.decode(at_places(column.values, rows, -1))


def _number(column: Column, rows: Positions) -> "np.ndarray[Any, Any]":
    if not len(column.values):
        return np.full(len(rows), np.nan)
    valid = rows >= 0 if column.valid is None else (rows >= 0) & column.valid[rows]
    return np.where(valid, column.values[rows].astype(np.float64), np.nan)
