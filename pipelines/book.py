"""The book of limits that a batch begins with, and what a replay of a past period must leave out.

What is out is read from the ledger, not from earlier runs, so a lost run loses nothing and a rerun
counts nothing twice. Only how far a user's limit had grown comes from the last run before.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.ledger import Ledger
from features.case_log import case_logs
from features.engine import decision_times
from features.spine import instant
from features.task import Task
from models.artifact import MANIFEST
from models.limits import MICROS_PER_DAY, LimitState
from pipelines.decisions import Decisions
from pipelines.engines import LOCAL, Engine
from pipelines.tables import plain, write_table
from pipelines.track import PAYMENTS, normal_track

BOOK = "limits.parquet"


def book_before(artifacts: Path, as_of: pd.Timestamp) -> LimitState:
    """Limits and growth of the last batch of open requests before `as_of`; nothing reserved.

    A plan of an earlier batch that is not paid yet is decided, and reserved, again.
    """
    found: dict[pd.Timestamp, Path] = {}
    for manifest in sorted((artifacts / "runs").glob(f"*/{MANIFEST}")):
        facts = json.loads(manifest.read_text(encoding="utf-8")).get("meta", {})
        if (manifest.parent / BOOK).exists() and pd.Timestamp(facts["as_of"]) < as_of:
            found[pd.Timestamp(facts["as_of"])] = manifest.parent
    if not found:
        return LimitState()
    users = pd.read_parquet(found[max(found)] / BOOK).set_index("user_id")
    return LimitState(users.assign(open_cents=np.int64(0)))


def save_book(limits: LimitState, folder: Path) -> None:
    """Write the users' part of a book into a run."""
    write_table(limits.users.reset_index(), folder / BOOK)


def with_spending(
    limits: LimitState, task: Task, ledger: Ledger, cases: pd.DataFrame, as_of: pd.Timestamp
) -> LimitState:
    """The book with what was paid on requests of the day before `as_of`; `cases` hold that day.

    Expected losses of what is paid are not known any more and count as 0.
    """
    today = cases[cases["as_of"] >= (as_of - pd.Timedelta("1us")).floor("D")]
    paid = plain(today[_paid(task, ledger, today, as_of)])
    amount = paid["request_amount_cents"].fillna(0).astype("int64")
    day = decision_times(paid) // MICROS_PER_DAY
    tables = []
    for scope, column in (("day", None), ("merchant", "merchant_id"), ("category", "category")):
        key = "" if column is None else paid[column].astype("str").fillna("")
        rows = pd.DataFrame({"scope": scope, "key": key, "day": day, "amount_cents": amount})
        tables.append(rows.groupby(["scope", "key", "day"])["amount_cents"].agg(["sum", "count"]))
    sums = pd.concat(tables).rename(columns={"sum": "amount_cents"}).reset_index()
    spent = sums.assign(loss_cents=0.0, explored_cents=0.0)[list(limits.spent.columns)]
    return replace(limits, spent=spent.astype(limits.spent.dtypes.to_dict()))


def replayed(
    task: Task, ledger: Ledger, given: Decisions, as_of: pd.Timestamp, engine: Engine = LOCAL
) -> Decisions:
    """Decisions of a past period, without what the platform then paid on these very cases.

    `settled_ts` says when each case's money came back, so that a replay can free the limit.
    """
    codes = np.unique(ledger[task.case].encode(given.cases[task.case]))
    others = engine.without(task.case, codes[codes >= 0])
    policy = others.features(task.policy_columns, ledger, given.cases)
    settled = normal_track(task, ledger, given.cases, as_of)["settled_ts"]
    return Decisions(
        given.cases.assign(settled_ts=settled),
        given.X.assign(**{str(k): v for k, v in policy.items()}),
    )


def _paid(
    task: Task, ledger: Ledger, cases: pd.DataFrame, as_of: pd.Timestamp
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    stop = int(np.searchsorted(ledger.known_us, instant(as_of)))
    log = case_logs(ledger, task.case, {PAYMENTS.name: PAYMENTS}, stop)[PAYMENTS.name]
    case = ledger[task.case].encode(cases[task.case])
    lo = np.searchsorted(ledger.known_us, decision_times(cases)).astype(np.int64)
    return np.asarray(log.first(case, lo, np.full(len(lo), stop)) >= 0)
