"""`clawback backtest`: month by month, fit on what was known then, decide, wait, count the money.

Beside ours stand advancing everything and nothing, the rule that platforms are known to use, and a
scorecard that pays as many requests at once; with a simulation's truth also the oracle, who knows
every probability. Writes `backtest.json`, `decisions.parquet` and a plot. Exit 6 where the log does
not support ours.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import ContractError, GateError, UsageError
from data.ledger import Ledger
from data.lock import locked
from data.store import read_ledger
from features.labels import labels
from features.task import Task, load_task
from models.bootstrap import Interval
from models.policy import Policy
from pipelines.as_of import moment
from pipelines.atomic import digest, run_folder
from pipelines.backtest_text import told_lines
from pipelines.commands import BacktestConfig, Tell
from pipelines.config import identity
from pipelines.counting import TOTAL, Count, Terms, by_log, by_truth, count
from pipelines.decisions import training_start, with_priors
from pipelines.fingerprint import fingerprint
from pipelines.plan import REPORT, check_models, horizon, policy_of
from pipelines.plots import plot_policies
from pipelines.realised import realised
from pipelines.replay import NOBODY, ORACLE, OURS, last_months, replay
from pipelines.tables import plain, write_table
from pipelines.training import stage_decisions
from pipelines.truth import oracle_actions, read_truth, true_money

LOCK = ".backtest.lock"
PLACES = ("artifacts", "ledger", "task", "policy", "truth")
SCAN_WAIT = pd.Timedelta(days=14)  # a plan to pay at the first scan may be paid so much later


@dataclass(frozen=True)
class BacktestResult:
    """What each policy was worth, month by month, and where it is written."""

    counts: tuple[Count, ...]
    months: tuple[str, ...]
    facts: Mapping[str, Any]
    decisions: pd.DataFrame
    folder: Path
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = [c.summary() for c in self.counts]
        return {**self.facts, "counts": told, "folder": str(self.folder)}

    def text(self) -> str:
        """The table a person reads."""
        lines = [f"money counted by {self.facts['counted_by']}; 95 % intervals by user"]
        return "\n".join([*lines, *told_lines(self.counts, self.months), f"  {self.folder}"])


def run_backtest(config: BacktestConfig, tell: Tell = lambda _line: None) -> BacktestResult:
    """Replay the months and count.

    Raises
    ------
    ContractError : a ledger too short, a month with too little known before it, no propensities
        and no truth. UsageError : a task without money.
    """
    task = load_task(config.task)
    check_models(task)
    policy = policy_of(task, config.policy, config.task)
    if policy is None:
        raise UsageError(
            "the task prices no advances", where=task.name, fix="extend advance_refund"
        )
    truth = None if config.truth is None else read_truth(config.truth)
    tell(f"reading {config.ledger}")
    ledger = read_ledger(config.ledger, task.columns_needed(), contract=task.contract())
    as_of = moment(config.as_of, ledger)
    months = last_months(as_of - horizon(task, REPORT) - SCAN_WAIT, config.months)
    start = training_start(ledger, config.since, months[0].begin)
    fitted = with_priors(task, ledger, start)
    tell(f"computing features from {start:%Y-%m-%d}")
    stages = stage_decisions(fitted, ledger, start, months[-1].end)
    table = replay(fitted, ledger, stages, policy, months, as_of, config.seed, tell)
    tell("counting the money")
    table, terms = _terms(fitted, ledger, table, policy, as_of, truth)
    names = tuple(month.name for month in months)
    counts = count(table, terms, names)
    facts = _facts(config, task, policy, ledger, as_of, names)
    return _write(config, counts, names, facts, table)


def _terms(
    task: Task,
    ledger: Ledger,
    table: pd.DataFrame,
    policy: Policy,
    as_of: pd.Timestamp,
    truth: pd.DataFrame | None,
) -> tuple[pd.DataFrame, dict[str, Terms]]:
    """Each policy's money, and the table with the oracle's actions where there is a truth."""
    if truth is not None:
        table = table.assign(**{f"action: {ORACLE}": oracle_actions(table, truth, policy)})
        return table, {
            name: by_truth(true_money(_decided(table, name), truth, policy))
            for name in _policies(table)
        }
    known = labels(task, ledger, table.rename(columns={"case_id": task.case}), as_of)
    logged = known["act_prob"].notna() if "act_prob" in known else pd.Series(False, known.index)
    if not logged.any():
        raise ContractError(
            "no decision of these months was logged with its propensity",
            where=ledger.source,
            fix="map advance_decided with act_prob, or give the --truth of a simulation",
        )
    money = realised(table, known, policy)
    return table, {
        name: by_log(table[f"action: {name}"], money, known) for name in _policies(table)
    }


def _policies(table: pd.DataFrame) -> list[str]:
    return [c.removeprefix("action: ") for c in table.columns if c.startswith("action: ")]


def _decided(table: pd.DataFrame, policy: str) -> pd.DataFrame:
    return table[["case_id"]].assign(action=table[f"action: {policy}"])


def _facts(
    config: BacktestConfig,
    task: Task,
    policy: Policy,
    ledger: Ledger,
    as_of: pd.Timestamp,
    months: Sequence[str],
) -> dict[str, Any]:
    judged = "the truth" if config.truth else "the log"
    chosen = json.dumps(identity(config, leave_out=PLACES))
    data = fingerprint(ledger)
    parts = (version("clawback"), task.version, policy.version, data, chosen, judged, str(as_of))
    return {
        "run_id": digest("backtest", *parts),
        "task_version": task.version,
        "policy_version": policy.version,
        "ledger": data,
        "as_of": str(as_of),
        "months": list(months),
        "counted_by": judged,
    }


def _write(
    config: BacktestConfig,
    counts: Sequence[Count],
    months: tuple[str, ...],
    facts: Mapping[str, Any],
    table: pd.DataFrame,
) -> BacktestResult:
    root, run_id = config.artifacts / "backtests", str(facts["run_id"])
    shown = [m for m in months if any(c.month == m for c in counts)]
    kept = ["row_id", "case_id", "user_id", "as_of", "month", "amount_cents", "p_claw"]
    kept += [c for c in table.columns if c == "p_scorecard" or c.startswith("action: ")]
    with locked(config.artifacts / LOCK), run_folder(root, run_id) as folder:
        summary = {**facts, "counts": [c.summary() for c in counts]}
        (folder / "backtest.json").write_text(json.dumps(summary, indent=2) + "\n")
        write_table(plain(table[kept]), folder / "decisions.parquet")
        policies = [p for p in dict.fromkeys(c.policy for c in counts) if p != NOBODY]
        money = {
            p: [_unit(c) for c in counts if c.policy == p and c.month in shown] for p in policies
        }
        plot_policies(shown, money, folder / "backtest.png", "units of 100 cents")
    seen = all(math.isfinite(c.net.value) for c in counts if (c.policy, c.month) == (OURS, TOTAL))
    code = 0 if seen else GateError.exit_code
    return BacktestResult(tuple(counts), months, facts, table[kept], root / run_id, code)


def _unit(told: Count) -> Interval:
    return Interval(*(x / 100 for x in (told.net.value, told.net.lower, told.net.upper)))
