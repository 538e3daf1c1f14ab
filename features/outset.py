"""Outcomes that were known before the decision they are the outcome of, or in its very instant.

One that falls into the instant may be a coarse clock; where most do, somebody wrote the decision's
time into the outcome, and later decisions of the same user know it too early.
"""

import numpy as np
import pandas as pd

from data.ledger import Ledger
from features.engine import decision_times
from features.event_sets import members
from features.label_form import read_label
from features.task import Task


def known_before(task: Task, ledger: Ledger, cases: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Per event set of outcomes how many came before their case's first decision, of how many.

    Parameters
    ----------
    cases : the whole spine; events of cases without a decision are not counted.
    """
    label, never = read_label(task.label, task.name), np.iinfo(np.int64).max
    code = ledger[label.case].encode(cases[label.case])
    first = np.full(int(ledger[label.case].values.max(initial=-1)) + 1, never)
    np.minimum.at(first, code[code >= 0], decision_times(cases)[code >= 0])
    found = {}
    for name in dict.fromkeys(t.events for t in label.targets.values()):
        rows = np.flatnonzero(members(ledger, task.event_sets[name]))
        case = ledger[label.case].values[rows]
        rows, case = rows[case >= 0], case[case >= 0]
        decided = first[case] < never
        known = ledger.known_us[rows]
        early, at_once = (decided & (known < first[case]), decided & (known == first[case]))
        if 2 * at_once.sum() > decided.sum():
            early |= at_once
        found[name] = int(early.sum()), int(decided.sum())
    return found
