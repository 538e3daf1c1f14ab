"""`clawback map`: a source's own tables into a ledger folder, by a mapping file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.ingest import append_ledger, build_ledger
from data.mapping import load_mapping
from data.report import Report
from pipelines.check import contract_of
from pipelines.commands import MapConfig, Tell


@dataclass(frozen=True)
class MapResult:
    """Where the ledger is, and what was set aside."""

    ledger: Path
    report: Report
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = self.report
        return {
            "ledger": str(self.ledger),
            "rows": told.kept,
            "held": told.held,
            "quarantined": told.quarantined,
            "dropped": told.dropped,
        }

    def text(self) -> str:
        """The report and the place."""
        return f"{self.report.text()}\nledger: {self.ledger}"


def run_map(config: MapConfig, tell: Tell = lambda _line: None) -> MapResult:
    """Map, check, and write the ledger folder, or what is new of it.

    Raises
    ------
    UsageError : a mapping that cannot be meant. ContractError : a fault of a whole source.
    QuarantineLimitError : too many broken rows; nothing is written.
    NothingToDoError : an append without a new row.
    """
    tell(f"mapping {config.mapping}")
    contract = contract_of(config.task)
    mapping = load_mapping(config.mapping, root=config.root, contract=contract)
    write = append_ledger if config.append else build_ledger
    report = write(mapping, config.out, max_quarantine=config.max_quarantine)
    return MapResult(config.out, report)
