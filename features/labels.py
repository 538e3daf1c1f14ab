"""Labels: what followed each decision, as it was known at a later moment.

In: a task, a ledger, a spine, and `as_of`, the moment of looking. Out: one row a decision, per
target its value, when it was known and whether it is old enough to count. The only module that
looks past a decision; nothing with `known_ts >= as_of` of the looking is read.

Outcomes count up to the horizon. What corrects an outcome (a reversal, a ruling, an overturned
ruling) counts up to the moment of looking: a label may change later, and the version known then
is used. A decision without a pay-out (a held case) has no label, ever: it could not be clawed back.
"""

from typing import Any

import pandas as pd

from data.ledger import Ledger
from features.future import look, times
from features.label_facts import facts
from features.label_form import read_label
from features.outcomes import read
from features.spine import Moment
from features.task import Task


def labels(task: Task, ledger: Ledger, cases: pd.DataFrame, as_of: Moment) -> pd.DataFrame:
    """Labels of a spine's rows, index as in `cases`.

    Returns
    -------
    Per target `<t>` (1, 0; NaN: held, too young, or nobody knows whose fault), `<t>_label_ts` (when
    the value was known; never after `as_of`) and `<t>_matured` (old enough to have one). With a
    pay-out in the task also the columns of `features.label_facts`.
    """
    label = read_label(task.label, task.name)
    future = look(task, ledger, cases, as_of)
    readings = {n: read(future, t) for n, t in label.targets.items()}
    columns: dict[str, Any] = {}
    for name, reading in readings.items():
        columns[name] = reading.value
        columns[f"{name}_label_ts"] = times(reading.label_us)
        columns[f"{name}_matured"] = reading.matured
    columns |= facts(label, future, readings, cases)
    return pd.DataFrame(columns).set_axis(cases.index)


def so_far(task: Task, ledger: Ledger, cases: pd.DataFrame, as_of: Moment) -> pd.DataFrame:
    """What is known of cases that may be too young for a label, index as in `cases`.

    Returns
    -------
    `begin_ts`, from which horizons count (NaT: held), and per target `<t>`, when the outcome became
    known of a case that is positive as far as one knows (NaT: it is not).
    """
    label = read_label(task.label, task.name)
    future = look(task, ledger, cases, as_of)
    columns = {n: times(read(future, t).seen_us) for n, t in label.targets.items()}
    return pd.DataFrame({"begin_ts": times(future.begin), **columns}).set_axis(cases.index)


def changed(before: pd.DataFrame, now: pd.DataFrame, target: str) -> pd.DataFrame:
    """Labels that were known at an earlier look and say something else, or nothing, today.

    Parameters
    ----------
    before, now : `labels` of the same rows at two moments.

    Returns
    -------
    The rows that changed: `before` and `now`, the target's value at either look.
    """
    was, is_ = before[target], now[target].reindex(before.index)
    differs = was.notna() & ~(was == is_)
    return pd.DataFrame({"before": was[differs], "now": is_[differs]})


def label_summary(table: pd.DataFrame, targets: "list[str]") -> pd.DataFrame:
    """How many rows each target has: one row a target.

    `positive`, `negative`, `unknown` (old enough, but nobody said whose fault; left out of
    fitting), `young` or never paid (`unmatured`).
    """
    rows = {}
    for t in targets:
        value, matured = table[t], table[f"{t}_matured"]
        rows[t] = {
            "positive": int((value == 1).sum()),
            "negative": int((value == 0).sum()),
            "unknown": int((matured & value.isna()).sum()),
            "unmatured": int((~matured).sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
