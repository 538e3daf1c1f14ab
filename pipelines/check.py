"""`clawback check`: every broken rule of every row, told on one page; exit 3 if there is any.

With `--money` also whether every advance balances: paid = settled + recovered + written off + open.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from data.check import check
from data.contract import Contract
from data.errors import ContractError, UsageError
from data.money import money_balance
from data.report import Report
from data.store import read_ledger
from features.task import load_task
from pipelines.atomic import replacing
from pipelines.commands import CheckConfig, Tell
from pipelines.tables import write_table

SHOWN = 5
PARTS = ("paid", "settled", "recovered", "written_off", "open", "clawed", "reversed")
MONEY_COLUMNS = ("case_id", "amount_cents", "channel")


@dataclass(frozen=True)
class CheckResult:
    """The report, and the exit code it deserves."""

    report: Report
    balance: pd.DataFrame | None = None

    @property
    def unbalanced(self) -> pd.DataFrame:
        """The advances whose money does not balance, if that was asked."""
        return pd.DataFrame() if self.balance is None else self.balance[~self.balance["balanced"]]

    @property
    def exit_code(self) -> int:
        """0, or 3 if any row is broken or an advance does not balance."""
        sound = self.report.ok and self.unbalanced.empty
        return 0 if sound else ContractError.exit_code

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = self.report
        money: dict[str, Any] = {}
        if self.balance is not None:
            cases = self.unbalanced["case_id"].astype("str").head(SHOWN).tolist()
            money = {"advances": len(self.balance), "unbalanced": len(self.unbalanced)}
            money |= {"first_unbalanced": cases} if cases else {}
        return {
            "source": told.source,
            "rows": told.rows,
            "kept": told.kept,
            "dropped": told.dropped,
            "broken": told.quarantined,
            "faults": [{"rule": f.rule, "rows": f.rows, "first_row": f.row} for f in told.faults],
            **money,
        }

    def text(self) -> str:
        """The report's page, and the money's."""
        return "\n".join([self.report.text(), *self._money()])

    def _money(self) -> list[str]:
        if self.balance is None:
            return []
        wrong = self.unbalanced
        lines = [f"  money: {len(self.balance):,} advances, {len(wrong):,} do not balance"]
        for row in wrong.head(SHOWN).to_dict("records"):
            parts = ", ".join(f"{name} {row[f'{name}_cents']:,}" for name in PARTS)
            lines.append(f"  - case {row['case_id']}: {parts} (cents)")
        return lines


def run_check(config: CheckConfig, tell: Tell = lambda _line: None) -> CheckResult:
    """Check a ledger folder, a file in ledger form, or what a mapping gives.

    Raises
    ------
    UsageError : the money of a mapping, which is not yet a ledger.
    """
    if config.money and config.path.suffix == ".toml":
        fix = "map it first, then check the ledger"
        raise UsageError("a mapping has no money yet", where=str(config.path), fix=fix)
    tell(f"checking {config.path}")
    report = check(config.path, contract=contract_of(config.task))
    if config.reasons is not None:
        with replacing(config.reasons) as draft:
            write_table(report.reasons, draft)
    if not config.money or not report.ok:  # broken rows come first: sums over them say nothing
        return CheckResult(report)
    tell("adding up the money of every advance")
    return CheckResult(report, money_balance(read_ledger(config.path, MONEY_COLUMNS)))


def contract_of(task: str | None) -> Contract | None:
    """The contract, widened by what a task declares; None without a task."""
    return None if task is None else load_task(task).contract()
