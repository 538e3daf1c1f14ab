"""Words for how a case ended, beyond its targets: the first rule of a list that holds.

In: rules (`features.label_rules`), a `Future`, what is already told of each decision. Out: a word a
decision; null where the case has no outcome yet, was never paid, or no rule holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.ledger import Ledger
from features.case_log import Positions
from features.future import Future, micros
from features.label_rules import NameRule

Flags = NDArray[np.bool_]
Words = NDArray[np.object_]


@dataclass(frozen=True)
class Told:
    """What is known of each decision: three words, the place of the outcome's own event."""

    outcome: pd.Categorical
    cause: pd.Categorical
    fault: pd.Categorical
    opened: Positions
    forgiven: Flags
    decided: Flags


def named(
    rules: Sequence[NameRule], future: Future, cases: pd.DataFrame, told: Told
) -> pd.Categorical:
    """The word of each decision."""
    lo = future.place(micros(cases["as_of"]))
    hi = np.full(len(lo), future.stop)
    words = np.full(len(lo), None, dtype=object)
    free = told.decided.copy()
    for rule in rules:
        at = free & _holds(rule, future, told, lo, hi)
        word = _words(future.ledger, rule.column, told.opened) if rule.column else None
        if word is not None:
            at &= np.array([w is not None for w in word], bool)
        words[at] = rule.name if word is None else word[at]
        free &= ~at
    return pd.Categorical(words, categories=_vocabulary(rules, future.ledger))


def _vocabulary(rules: Sequence[NameRule], ledger: Ledger) -> list[str]:
    """Every word that the rules could give, whatever the decisions."""
    found = {rule.name for rule in rules if rule.name}
    for rule in rules:
        known = ledger[rule.column].dictionary if rule.column and rule.column in ledger else None
        found |= set() if known is None else {str(word) for word in known}
    return sorted(found)


def _holds(rule: NameRule, future: Future, told: Told, lo: Positions, hi: Positions) -> Flags:
    def any_of(sets: Sequence[str]) -> Flags:
        found = np.zeros(len(lo), bool)
        for name in sets:
            if name in future.logs:
                found |= future.logs[name].first(future.case, lo, hi) >= 0
        return found

    ok = np.ones(len(lo), bool)
    for wanted, words in (
        (rule.of, told.outcome),
        (rule.cause, told.cause),
        (rule.fault, told.fault),
    ):
        if wanted:
            ok &= np.asarray(words.isin(wanted), bool)
    if rule.forgiven is not None:
        ok &= told.forgiven == rule.forgiven
    if rule.seen:
        ok &= any_of(rule.seen)
    if rule.unseen:
        ok &= ~any_of(rule.unseen)
    return ok


def _words(ledger: Ledger, name: str, rows: Positions) -> Words:
    """A column's text at places of the ledger; None for place -1, nulls, and without the column."""
    words = np.full(len(rows), None, dtype=object)
    known = rows >= 0
    if name in ledger and ledger[name].dictionary is not None and known.any():
        values = ledger[name].decode(ledger[name].values[rows[known]]).astype(object)
        words[known] = values.where(values.notna(), None).to_numpy(object)
    return words
