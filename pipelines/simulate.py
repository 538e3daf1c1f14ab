"""`clawback simulate`: a marketplace with known truth, as a ledger folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.ingest import write_ledger_table
from data.market import World, simulate
from pipelines.commands import SimulateConfig, Tell


@dataclass(frozen=True)
class SimulateResult:
    """Where the ledger is and how much is in it."""

    ledger: Path
    events: int
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"ledger": str(self.ledger), "events": self.events}

    def text(self) -> str:
        """One line for a person."""
        return f"{self.events:,} events in {self.ledger}"


def run_simulate(config: SimulateConfig, tell: Tell = lambda _line: None) -> SimulateResult:
    """Simulate and write; the truth is not written, for no job may read it."""
    tell(f"simulating {config.orders:,} orders")
    market = simulate(World(n_orders=config.orders, months=config.months, seed=config.seed))
    tell("writing the ledger")
    report = write_ledger_table(market.events, config.out)
    return SimulateResult(config.out, report.kept)
