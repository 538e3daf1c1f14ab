"""`clawback simulate`: a marketplace with known truth, as a ledger folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data.ingest import write_ledger_table
from data.market import World, simulate
from pipelines.atomic import replacing
from pipelines.commands import SimulateConfig, Tell


@dataclass(frozen=True)
class SimulateResult:
    """Where the ledger is and how much is in it."""

    ledger: Path
    events: int
    truth: Path | None = None
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        told = {"ledger": str(self.ledger), "events": self.events}
        return told | ({"truth": str(self.truth)} if self.truth else {})

    def text(self) -> str:
        """One line for a person."""
        return f"{self.events:,} events in {self.ledger}"


def run_simulate(config: SimulateConfig, tell: Tell = lambda _line: None) -> SimulateResult:
    """Simulate and write; the truth only where asked, for none but a judge may read it."""
    tell(f"simulating {config.orders:,} orders")
    market = simulate(World(n_orders=config.orders, months=config.months, seed=config.seed))
    tell("writing the ledger")
    report = write_ledger_table(market.events, config.out)
    if config.truth is not None:
        with replacing(config.truth) as draft:
            pq.write_table(market.truth, draft, compression="zstd")
    return SimulateResult(config.out, report.kept, config.truth)
