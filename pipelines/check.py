"""`clawback check`: every broken rule of every row, told on one page; exit 3 if there is any."""

from dataclasses import dataclass
from typing import Any

from data.check import check
from data.contract import Contract
from data.errors import ContractError
from data.report import Report
from features.task import load_task
from pipelines.atomic import replacing
from pipelines.commands import CheckConfig, Tell
from pipelines.tables import write_table


@dataclass(frozen=True)
class CheckResult:
    """The report, and the exit code it deserves."""

    report: Report

    @property
    def exit_code(self) -> int:
        """0, or 3 if any row is broken."""
        return 0 if self.report.ok else ContractError.exit_code

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = self.report
        return {
            "source": told.source,
            "rows": told.rows,
            "kept": told.kept,
            "dropped": told.dropped,
            "broken": told.quarantined,
            "faults": [{"rule": f.rule, "rows": f.rows, "first_row": f.row} for f in told.faults],
        }

    def text(self) -> str:
        """The report's page."""
        return self.report.text()


def run_check(config: CheckConfig, tell: Tell = lambda _line: None) -> CheckResult:
    """Check a ledger folder, a file in ledger form, or what a mapping gives."""
    tell(f"checking {config.path}")
    report = check(config.path, contract=contract_of(config.task))
    if config.reasons is not None:
        with replacing(config.reasons) as draft:
            write_table(report.reasons, draft)
    return CheckResult(report)


def contract_of(task: str | None) -> Contract | None:
    """The contract, widened by what a task declares; None without a task."""
    return None if task is None else load_task(task).contract()
