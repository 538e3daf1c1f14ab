"""When a case reaches a later stage, and which rows of the ledger speak for it then.

A case is at `tracking`, `first_scan` or `delivered` when the first event of that stage's set became
known; the set stands in `[spine]`. The row speaks with the voice of its own event, of the case's
request, and of the first events of the stages before it, each if it was known by then.

A case whose request is not in the ledger (the history starts later) keeps its row: what the request
would have said is null, the keys are those of the stage's own event. An event without a case
belongs to none and starts no stage.
"""

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError, nearest
from data.ledger import Ledger
from features.case_log import case_logs
from features.declarations import STAGES
from features.task import Task

Places = NDArray[np.int64]


def stage_rows(task: Task, ledger: Ledger, stage: str) -> NDArray[np.intp]:
    """Places in the ledger where a case reaches a stage, in the ledger's order.

    Raises
    ------
    UsageError : the task does not decide at this stage.
    """
    if stage not in task.stages:
        known = ["standing", "request", *task.stages]
        hint = "" if stage in STAGES else nearest(stage, known)
        fix = hint or f'add {stage} = "<event set>" to [spine]; the task decides at {known}'
        raise UsageError(f"no spine for stage '{stage}'", where=task.name, fix=fix)
    events = {stage: task.event_sets[task.stages[stage]]}
    log = case_logs(ledger, task.case, events, len(ledger))[stage]
    _, first = np.unique(log.cases, return_index=True)
    return np.sort(log.rows[first])


def stage_places(
    task: Task, ledger: Ledger, stage: str, rows: NDArray[np.intp]
) -> dict[str, Places]:
    """Per stage that the task has, up to this one, the row that speaks for it; -1 for none.

    Of several requests of a case the last one known by the row's time counts, of every other stage
    the first event.
    """
    before = [s for s in task.stages if STAGES.index(s) < STAGES.index(stage)]
    sets = {"request": task.event_sets[task.trigger]}
    sets |= {s: task.event_sets[task.stages[s]] for s in before}
    logs = case_logs(ledger, task.case, sets, len(ledger))
    case, start = ledger[task.case].values[rows], np.zeros(len(rows), np.int64)
    end = np.searchsorted(ledger.known_us, ledger.known_us[rows], side="right").astype(np.int64)
    places = {"request": logs["request"].last(case, start, end)}
    places |= {s: logs[s].first(case, start, end) for s in before}
    return places | {stage: rows.astype(np.int64)}
