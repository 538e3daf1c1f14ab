"""The spine: who is decided, when. One row per decision, with the request's own attributes.

In: task and ledger. Out: a frame with `row_id` (the trigger's position in the ledger), the case,
user, merchant and entity columns the task uses, `stage`, `as_of`, `request_*` and what the later
stages bring. Key columns stay categorical over the ledger's dictionaries, so that the engine need
not encode them again. `as_of` of a row is always its trigger's `known_ts`: in training and in the
batch alike.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, NothingToDoError, UsageError
from data.ledger import NULL_CODE, NULL_TIME, Column, Ledger
from features.case_stages import stage_places, stage_rows
from features.event_sets import members
from features.task import Task

DAY_US: Final = 86_400_000_000
PERIOD_US: Final = 30 * DAY_US
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = timedelta(microseconds=2**63 // 1000)  # what nanoseconds in 64 bits can hold
Moment = str | pd.Timestamp


def spine(
    task: Task,
    ledger: Ledger,
    stage: str = "request",
    since: Moment | None = None,
    as_of: Moment | None = None,
    rows: NDArray[Any] | None = None,
) -> pd.DataFrame:
    """The decisions of a stage.

    Parameters
    ----------
    stage : `request`: one row per trigger event with `since <= known_ts < as_of`, in the ledger's
        order. `tracking`, `first_scan`, `delivered`: one row per case, when the first event of the
        stage's set became known; see `features.case_stages`. `standing`: every user known before
        `as_of`; see `standing_spine`.
    rows : ledger positions to choose from; all by default.

    Raises
    ------
    UsageError : a stage that the task does not decide at.
    """
    if stage == "standing":
        return standing_spine(task, ledger, as_of)
    if stage == "request":
        found = np.flatnonzero(members(ledger, task.event_sets[task.trigger]))
    else:
        found = stage_rows(task, ledger, stage)
    known = ledger.known_us[found]
    lo = 0 if since is None else int(np.searchsorted(known, instant(since)))
    hi = len(found) if as_of is None else int(np.searchsorted(known, instant(as_of)))
    found = found[lo:hi]
    if rows is not None:
        found = found[np.isin(found, np.flatnonzero(rows) if rows.dtype == bool else rows)]
    return _decisions(task, ledger, stage, found)


def standing_spine(task: Task, ledger: Ledger, as_of: Moment | None) -> pd.DataFrame:
    """Every user known before `as_of`, by id, all decided at `as_of`.

    By default that is after the last event. Ids and not codes give the order: codes depend on how
    the ledger grew.
    """
    known = ledger.known_us
    if not len(known):
        fix = "give a ledger with at least one event"
        raise NothingToDoError(
            f"task {task.name} has nobody to decide", where=ledger.source, fix=fix
        )
    end = int(known[-1]) + 1 if as_of is None else instant(as_of)
    codes = ledger["user_id"].values[: np.searchsorted(known, end)]
    users = ledger["user_id"].distinct(codes)
    frame = {"row_id": np.arange(len(users)), "user_id": ledger["user_id"].decode(users)}
    return _stamped(frame, "standing", np.full(len(users), end, np.int64))


def standing_fit_spine(task: Task, ledger: Ledger) -> pd.DataFrame:
    """The rows a standing model is fitted on: users as of the night before a paid request.

    Per user and period of 30 days (counted from 1970) the first request whose case was ever paid;
    `as_of` is the midnight before it, the case is that case. Being paid is known only later: this
    chooses rows, as labels do, and no feature sees it.
    """
    if task.paid is None:
        fix = 'add paid = "<event set>" to [spine]'
        raise UsageError("the standing stage needs [spine] paid", where=task.name, fix=fix)
    found = np.flatnonzero(members(ledger, task.event_sets[task.trigger]))
    case = ledger[task.case].values
    paid = case[members(ledger, task.event_sets[task.paid])]
    user = ledger["user_id"].values
    found = found[np.isin(case[found], paid[paid >= 0]) & (user[found] >= 0)]
    period = ledger.known_us[found] // PERIOD_US
    pairs = pd.DataFrame({"user": user[found], "period": period})
    first = found[~pairs.duplicated().to_numpy()]
    as_of = ledger.known_us[first] // DAY_US * DAY_US
    frame = {
        name: ledger[name].decode(ledger[name].values[first]) for name in (task.case, "user_id")
    }
    return _stamped({"row_id": ledger.placed(first)} | frame, "standing", as_of)


def instant(moment: Moment, where: str = "as_of") -> int:
    """Microseconds since 1970 of a moment; a text without a zone is UTC.

    A text is a whole date, with or without a time: words such as "now", and times without a date,
    would ask this machine's clock.
    """
    try:
        stamp = datetime.fromisoformat(moment) if isinstance(moment, str) else pd.Timestamp(moment)
        if pd.isna(stamp):
            raise ValueError
    except ValueError:
        fix = 'write a date or a time in UTC, such as "2026-10-01"'
        raise UsageError(f"{moment!r} is no time", where=where, fix=fix) from None
    us = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)) - EPOCH
    if not timedelta(0) <= us < LAST:
        fix = "give a time between 1970 and 2262: no other is in a ledger"
        raise UsageError(f"{moment} lies outside of all clocks", where=where, fix=fix)
    return us // timedelta(microseconds=1)


def _decisions(task: Task, ledger: Ledger, stage: str, rows: NDArray[np.intp]) -> pd.DataFrame:
    keys = [task.case, "user_id", *(["merchant_id"] if "merchant_id" in ledger else [])]
    frame: dict[str, Any] = {"row_id": ledger.placed(rows)}
    places = {stage: rows} if stage == "request" else stage_places(task, ledger, stage, rows)
    for name in dict.fromkeys([*keys, *task.entity_columns()]):
        frame[name] = _key(ledger, name, places["request"], rows)
    for earlier, place in places.items():
        for name in task.attributes(earlier):
            frame[f"{earlier}_{name}"] = _values(ledger[name], place)
    return _stamped(frame, stage, ledger.known_us[rows])


def _stamped(frame: dict[str, Any], stage: str, as_of: NDArray[np.int64]) -> pd.DataFrame:
    frame["stage"] = stage
    frame["as_of"] = pd.to_datetime(as_of, unit="us", utc=True).as_unit("us")
    return pd.DataFrame(frame)


def _key(
    ledger: Ledger, name: str, asked: NDArray[Any], rows: NDArray[np.intp]
) -> "pd.Series[Any]":
    """A key as the request has it; where it has none, as the row that asks for the decision."""
    column = ledger[name]
    if column.kind != "code":
        fix = f'declare it as a key of the ledger: [columns] {name} = "key"'
        raise ContractError(f"column '{name}' is no key", where=ledger.source, fix=fix)
    codes = np.where(asked < 0, NULL_CODE, column.values[asked])
    return column.decode(np.where(codes < 0, column.values[rows], codes))


def _values(column: Column, rows: NDArray[Any]) -> "pd.Series[Any]":
    """The values at some rows of the ledger; null at place -1."""
    values, nowhere = column.values[rows], rows < 0
    if column.kind == "code":
        return column.decode(np.where(nowhere, NULL_CODE, values))
    if column.kind == "time":
        values = np.where(nowhere, NULL_TIME, values)
        return pd.Series(pd.to_datetime(values, unit="us", utc=True))
    if column.kind == "int" and (column.valid is not None or nowhere.any()):
        null = nowhere if column.valid is None else nowhere | ~column.valid[rows]
        return pd.Series(values).astype("Int64").mask(null)
    return pd.Series(values).mask(nowhere) if nowhere.any() else pd.Series(values)
