"""One target of every decision: the first outcome that stands, and whether it counts.

In: a `Future` and a `Target`. Out: a `Reading`. All rules of a target (`features.label_form`) are
applied here, each in its own function, without a loop over cases.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.ledger import NULL_TIME
from features.case_log import NOWHERE, CaseLog, Positions, joined, matches
from features.future import Future, Micros, at_places
from features.label_form import AMOUNT, Forgiven, Target, Verdict
from features.spans import microseconds

Flags = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """One target, one row a decision: `opened` and `word` are places in the ledger, or -1.

    `opened` is the first outcome that stands, `word` the last verdict on it; `back_cents` is the
    money that came back of its amount; `forgiven`: it was made good soon enough. `seen_us`: when
    the outcome became known of a case that is positive as far as one knows, matured or not.
    """

    value: NDArray[np.float64]
    label_us: Micros
    matured: Flags
    opened: Positions
    word: Positions
    back_cents: Micros
    forgiven: Flags
    seen_us: Micros


def read(future: Future, target: Target) -> Reading:
    """One target of every decision."""
    started = future.begin > NULL_TIME
    until = np.where(started, future.begin, 0) + microseconds(target.horizon)
    matured = started & (until <= future.cut)
    hi = future.place(until)
    standing, takers = _standing(
        future.logs[target.events], [future.logs[n] for n in target.unless]
    )
    opened = np.where(started, standing.first(future.case, future.lo, hi), NOWHERE)
    taken = np.where(started, _taken(takers, future, hi), NOWHERE)
    value = (opened >= 0).astype(np.float64)
    label_us = np.where(opened >= 0, future.known(opened), until)
    word, back = np.full(len(value), NOWHERE), np.zeros(len(value), np.int64)
    forgiven = np.zeros(len(value), bool)
    if target.verdict:
        value, label_us, word = _judged(future, target.verdict, opened, value, label_us, until)
    if target.forgiven:
        told = _forgiven(future, target.forgiven, opened, value, label_us, until)
        value, label_us, forgiven = told
    if target.short_of:
        back = _returned(future, target.short_of, opened, hi)
        value = np.where((opened >= 0) & (back >= _amount(future, opened)), 0.0, value)
        label_us = np.maximum(label_us, until)
    label_us = np.where(value == 0, np.maximum(label_us, future.known(taken)), label_us)
    seen_us = np.where(value == 1, future.known(opened), NULL_TIME)
    value = np.where(matured, value, np.nan)
    label_us = np.where(np.isnan(value), NULL_TIME, label_us)
    return Reading(value, label_us, matured, opened, word, back, forgiven, seen_us)


def _standing(opened: CaseLog, unless: list[CaseLog]) -> tuple[CaseLog, tuple[CaseLog, Positions]]:
    """Outcomes that nothing took back; those taken back, with the place of what did it."""
    log, source = joined([opened, *unless])
    back = source > 0
    next_back = np.append(back[1:] & (log.cases[1:] == log.cases[:-1]), False)[: len(back)]
    taken = ~back & next_back
    takers = log.rows[np.flatnonzero(taken) + 1]
    return CaseLog(log.keys[~back & ~taken]), (CaseLog(log.keys[taken]), takers)


def _taken(takers: tuple[CaseLog, Positions], future: Future, hi: Positions) -> Positions:
    log, by = takers
    at = log.places(log.last(future.case, future.lo, hi), future.case)
    return at_places(by, at, NOWHERE)


def _judged(
    future: Future,
    verdict: Verdict,
    opened: Positions,
    value: Values,
    label_us: Micros,
    until: Micros,
) -> tuple[Values, Micros, Positions]:
    column = future.ledger[verdict.column]
    said, _ = joined([future.logs[n] for n in verdict.events])
    spoken = said.where(column.values[said.rows] >= 0)
    spoken = spoken.where(~matches(column, verdict.unknown, spoken.rows))
    stop = np.full(len(opened), future.stop)
    word = np.where(opened >= 0, spoken.last(future.case, future.lo, stop), NOWHERE)
    guilty = (word >= 0) & matches(column, verdict.positive, word)
    for which in verdict.if_proven:
        proofs, _ = joined([future.logs[n] for n in verdict.proven])
        proofs = proofs.where(matches(column, (which,), proofs.rows))
        proven = proofs.first(future.case, future.lo, stop) >= 0
        guilty |= (word >= 0) & matches(column, (which,), word) & proven
    judged = np.where(word >= 0, guilty, np.nan)
    value = np.where(opened >= 0, judged, value)
    base = np.where(value == 0, until, label_us)
    return value, np.where(opened >= 0, np.maximum(base, future.known(word)), label_us), word


def _forgiven(
    future: Future,
    rule: Forgiven,
    opened: Positions,
    value: Values,
    label_us: Micros,
    until: Micros,
) -> tuple[Values, Micros, Flags]:
    able = np.asarray(opened >= 0)
    for name, wanted in rule.where.items():
        able &= matches(future.ledger[name], wanted, opened)
    due = np.where(able, future.known(opened), 0) + microseconds(rule.within)
    hi = future.place(due)
    repaid = able & (_returned(future, rule.by, opened, hi) >= _amount(future, opened))
    pending = able & ~repaid & (due > future.cut)
    last = future.logs[rule.by].last(future.case, np.maximum(opened, 0), hi)
    last = future.known(np.where(repaid, last, NOWHERE))
    label_us = np.where(repaid, np.maximum(until, last), label_us)
    label_us = np.where(able & ~repaid, np.maximum(label_us, due), label_us)
    return np.where(pending, np.nan, np.where(repaid, 0.0, value)), label_us, repaid


def _returned(future: Future, by: str, opened: Positions, hi: Positions) -> Micros:
    """The money of an event set from the outcome to a place; 0 without an outcome."""
    cents = future.ledger[AMOUNT].values
    back = future.logs[by].total(cents, future.case, np.maximum(opened, 0), hi)
    return np.where(opened >= 0, back, 0)


def _amount(future: Future, rows: Positions) -> Micros:
    return at_places(future.ledger[AMOUNT].values, rows, 0)
