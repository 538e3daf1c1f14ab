"""What followed each decision, before a moment of looking.

In: a task, a ledger, a spine, `as_of`. Out: a `Future`: the label's event sets by case, and for
each decision its case, its pay-out and the place in the ledger from which the horizon counts.
Nothing with `known_ts >= as_of` gets in here, so nothing built on a `Future` can read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import NULL_TIME, Ledger
from features.case_log import NOWHERE, CaseLog, Positions, case_logs
from features.label_form import label_sets, read_label, word_sets
from features.spine import Moment, instant
from features.task import Task

Micros = NDArray[np.int64]


@dataclass(frozen=True)
class Future:
    """What followed each decision before `cut`.

    `begin` is the microsecond the horizon counts from (`NULL_TIME`: there is none) and `lo` its
    place in the ledger; `paid` is the place of the pay-out, -1 where there is none.
    """

    ledger: Ledger
    logs: Mapping[str, CaseLog]
    cut: int
    case: NDArray[np.int32]
    begin: Micros
    lo: Positions
    paid: Positions

    @property
    def stop(self) -> int:
        """The first place in the ledger that nobody may look at."""
        return int(np.searchsorted(self.ledger.known_us, self.cut))

    def place(self, us: Micros) -> Positions:
        """The first place known at or after a time."""
        return np.searchsorted(self.ledger.known_us, us).astype(np.int64)

    def known(self, rows: Positions) -> Micros:
        """When the events at these places were known; the past's start for -1."""
        return at_places(self.ledger.known_us, rows, NULL_TIME)


def look(task: Task, ledger: Ledger, cases: pd.DataFrame, as_of: Moment) -> Future:
    """The events after each decision that the task's labels read."""
    label = read_label(task.label, task.name)
    if label.case not in cases or "as_of" not in cases:
        fix = "labels go with a spine: see features.spine"
        raise ContractError(
            f"columns '{label.case}' and 'as_of' are needed", where="cases", fix=fix
        )
    cut = instant(as_of)
    stop = int(np.searchsorted(ledger.known_us, cut))
    sets = {n: task.event_sets[n] for _, n in label_sets(label)}
    sets |= {
        # A column that nobody filled names nothing; targets insist on theirs.
        n: task.event_sets[n]
        for n in word_sets(label)
        if all(column in ledger for column in task.event_sets[n].where)
    }
    logs = case_logs(ledger, label.case, sets, stop)
    case = ledger[label.case].encode(cases[label.case])
    decided = micros(cases["as_of"])
    lo = np.searchsorted(ledger.known_us, decided).astype(np.int64)
    if label.start is None:
        return Future(ledger, logs, cut, case, decided, lo, np.full(len(cases), NOWHERE))
    paid = logs[label.start].first(case, lo, np.full(len(cases), stop))
    begin = at_places(ledger.known_us, paid, NULL_TIME)
    return Future(ledger, logs, cut, case, begin, np.searchsorted(ledger.known_us, begin), paid)


def at_places(values: NDArray[Any], rows: Positions, missing: int) -> NDArray[np.int64]:
    """`values[rows]`, and `missing` where the place is -1."""
    if not len(values):
        return np.full(len(rows), missing, np.int64)
    return np.where(rows >= 0, values[np.maximum(rows, 0)], missing)


def micros(values: "pd.Series[Any]") -> Micros:
    """A column of times with a zone, in microseconds."""
    return np.asarray(values.dt.tz_convert("UTC").dt.as_unit("us").dt.tz_localize(None)).view(
        np.int64
    )


def times(us: Micros) -> "pd.DatetimeIndex":
    """Microseconds as UTC times; `NULL_TIME` is NaT."""
    return pd.DatetimeIndex(us.view("M8[us]")).tz_localize("UTC")
