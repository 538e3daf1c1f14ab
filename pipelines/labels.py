"""`clawback labels`: what became of the advances, as far as it is known today.

Prints outcomes with their words, what says so, what came back, the months with their projected
ultimates, claw-backs beyond the horizon, and the labels that changed since an earlier look; writes
the label table where asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.errors import NothingToDoError
from data.store import read_ledger
from features.label_form import read_label
from features.labels import changed, label_summary, labels
from features.spine import spine
from features.task import Task, load_task
from models.incidence import incidence, seen
from models.recovery import loss_given_clawback, recovery_curve
from models.ultimates import Cases, cases_of, triangle, vintages
from pipelines.as_of import beginning, moment
from pipelines.atomic import replacing
from pipelines.commands import LabelsConfig, Tell
from pipelines.plan import horizon
from pipelines.tables import write_table

DAY = pd.Timedelta(days=1)
DAY_SECONDS = 86_400.0
AGES = (7, 15, 30, 45, 60)
LATE_AGES = (90, 120, 160)
NOTES = {
    "targets": "unknown: old enough, nobody said whose fault; unmatured: too young, or never paid",
    "outcomes": "paid: money advanced, in units of 100 cents",
    "recovery": "<n>d: share of the money asked back that had come n days later, of the claw-backs "
    "so old (so it may fall);\nlgd: share lost for good by the loss horizon, of the matured, with "
    "its 95 % interval",
    "months": "by month of pay-out: share clawed back as known today and by each age;\n"
    "share_known: how much of the outcome is usually known by now; ultimate: projected to the "
    "horizon, with its 95 % interval",
    "beyond_the_horizon": "share clawed back by an age, and over that by the label's horizon",
    "changed_since_then": "labels known then that say something else today",
}


@dataclass(frozen=True)
class LabelsResult:
    """The label table and what it says, section by section; a section is a titled table."""

    table: pd.DataFrame
    sections: dict[str, pd.DataFrame]
    facts: Mapping[str, str]
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = {name: _records(table) for name, table in self.sections.items()}
        return {"as_of": self.facts["as_of"], "decisions": len(self.table), **told}

    def text(self) -> str:
        """A page for a terminal."""
        lines = [f"{len(self.table):,} decisions, as known before {self.facts['as_of']}"]
        for name, table in self.sections.items():
            lines += ["", name.replace("_", " "), *_note(name), _page(table)]
        written = [f"\nwritten to {self.facts['out']}"] if "out" in self.facts else []
        return "\n".join([*lines, *written])


def run_labels(config: LabelsConfig, tell: Tell = lambda _line: None) -> LabelsResult:
    """Label every decision and say what became of them.

    Raises
    ------
    NothingToDoError : no decision. UsageError, ContractError : `as_of` or ledger.
    """
    task = load_task(config.task)
    tell(f"reading {config.ledger}")
    ledger = read_ledger(config.ledger, task.columns_needed(), contract=task.contract())
    as_of = moment(config.as_of, ledger)
    since = None if config.since is None else beginning(config.since, as_of)
    cases = spine(task, ledger, since=since, as_of=as_of)
    if cases.empty:
        raise NothingToDoError("no decision to label", where=str(config.ledger))
    tell(f"labelling {len(cases):,} decisions")
    found = labels(task, ledger, cases, as_of)
    sections = {"targets": label_summary(found, list(task.targets))}
    if "outcome" in found:
        sections |= advances(task, cases, found, as_of)
    if config.changed_since is not None:
        earlier = labels(task, ledger, cases, beginning(config.changed_since, as_of))
        sections["changed_since_then"] = changes(task, earlier, found)
    keys = [c for c in ("row_id", "case_id", "user_id", "stage", "as_of") if c in cases]
    table = pd.concat([cases[keys], found], axis=1)
    if config.out is not None:
        with replacing(config.out) as draft:
            write_table(table, draft)
    facts = {"as_of": str(as_of), "ledger": str(config.ledger)}
    facts |= {"out": str(config.out)} if config.out is not None else {}
    return LabelsResult(table, sections, facts)


def advances(
    task: Task, cases: pd.DataFrame, found: pd.DataFrame, as_of: pd.Timestamp
) -> dict[str, pd.DataFrame]:
    """The sections of a task with pay-outs."""
    sections = {"outcomes": outcomes(found)}
    if "provenance" in found:
        sections["what_says_so"] = counted(found, ["outcome", "provenance"])
    stands = found["opened_ts"].notna() if "opened_ts" in found else found["outcome"].isna()
    if stands.any():
        clawed = found[stands].assign(user_id=cases["user_id"][stands])
        curve = recovery_curve(clawed, read_label(task.label, task.name).days)
        sections["recovery"] = curve.join(loss_given_clawback(clawed))
    target = next(t for t in task.targets if task.label[t].get("outcome"))
    days_of = paid_cases(cases, found, as_of)
    sections |= by_month(days_of, as_of, horizon(task, target).days)
    sections["beyond_the_horizon"] = tail(days_of, horizon(task, target).days)
    return sections


def outcomes(found: pd.DataFrame) -> pd.DataFrame:
    """Cases and money of each outcome and its sub-cause."""
    by = ["outcome", "sub_cause"] if "sub_cause" in found else ["outcome"]
    table = counted(found, by)
    money = found.groupby(by, observed=True, dropna=False)["paid_cents"].sum()
    table["paid"] = (money.to_numpy() / 100).round(2)
    return table


def counted(found: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """How many decisions have each combination; a null is one of its own."""
    counts = found.groupby(by, observed=True, dropna=False).size()
    return counts.rename("cases").reset_index()


def paid_cases(cases: pd.DataFrame, found: pd.DataFrame, as_of: pd.Timestamp) -> Cases:
    """The advances on a clock of days that is 0 at `as_of`."""
    paid = found["paid_ts"].notna()
    start, bad = (
        ((found[c] - as_of).dt.total_seconds() / DAY_SECONDS)[paid].to_numpy(np.float64)
        for c in ("paid_ts", "outcome_ts")
    )
    return cases_of(start, bad - start, cases["user_id"][paid])


def by_month(advances: Cases, as_of: pd.Timestamp, days: int) -> dict[str, pd.DataFrame]:
    """Months of pay-out: the share clawed back by each age, and the projected ultimate."""
    if not len(advances.start):
        return {}
    first = (as_of + float(advances.start.min()) * DAY).tz_localize(None).to_period("M")
    last = (as_of - pd.Timedelta(microseconds=1)).tz_localize(None).to_period("M")
    months = pd.period_range(first, last, freq="M")
    starts = [*(m.start_time.tz_localize("UTC") for m in months), as_of]
    edges = np.array([(s - as_of) / DAY for s in starts])
    ages = [a for a in AGES if a <= days]
    cells = triangle(advances, edges, 0.0, ages)
    cells.columns = pd.Index([f"{a}d" for a in ages])
    rows = vintages(advances, edges, 0.0, float(days))
    table = pd.concat([rows[["cases", "known", "share"]], cells], axis=1)
    table = table.join(rows[["rate", "lower", "upper", "refused"]])
    table = table.rename(columns={"share": "share_known", "rate": "ultimate"})
    return {"months": table.set_axis(pd.Index([str(m) for m in months], name="month"))}


def tail(advances: Cases, days: int) -> pd.DataFrame:
    """Claw-backs known by later ages over those known by the horizon: what the label misses."""
    known = np.where(advances.start + advances.bad < 0, advances.bad, np.nan)
    curve = incidence(seen(known, -advances.start))
    oldest = float(-advances.start.min()) if len(advances.start) else 0.0
    ages = [days, *(a for a in LATE_AGES if days < a <= oldest)]
    rate = curve.at(ages)
    ratio = rate / rate[0] if rate[0] > 0 else np.full(len(ages), np.nan)
    return pd.DataFrame({"age_days": ages, "clawed_back": rate, "to_horizon": ratio})


def changes(task: Task, before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """How many labels of each target were known then and say something else today."""
    rows = {}
    for target in task.targets:
        found = changed(before, now, target)
        rows[target] = {
            "known_then": int(before[target].notna().sum()),
            "now_bad": int((found["now"] == 1).sum()),
            "now_good": int((found["now"] == 0).sum()),
            "now_unknown": int(found["now"].isna().sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _note(section: str) -> list[str]:
    """What the columns mean, in brackets."""
    return [f"({NOTES[section]})"] if section in NOTES else []


def _page(table: pd.DataFrame) -> str:
    """A table as text: shares with four digits, nothing where nothing is known."""
    shown = table.copy()
    if shown.index.name or shown.index.dtype != "int64":
        shown = shown.reset_index(names=shown.index.name or "")
    for name, values in shown.items():
        if values.dtype == np.float64:
            whole = bool((values.dropna() % 1 == 0).all()) and values.max() > 1
            form = "{:,.0f}" if whole else "{:,.2f}" if values.max() > 10 else "{:.4f}"
            shown[name] = [form.format(v) if np.isfinite(v) else "" for v in values]
    return shown.astype(object).where(shown.notna(), "").to_string(index=False)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    named = table if table.index.dtype == "int64" else table.reset_index(names="name")
    plain = named.astype(object).where(named.notna(), None)
    return [
        {str(k): v.item() if hasattr(v, "item") else v for k, v in row.items()}
        for row in plain.to_dict("records")
    ]
