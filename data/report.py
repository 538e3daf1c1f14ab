"""What a check found, in numbers, row by row, and as text for a terminal."""

from dataclasses import dataclass, field

import pandas as pd

from data.errors import ContractError


@dataclass(frozen=True)
class Fault:
    """One broken rule: how many rows, and where the first stands.

    `example` is the first row's value; empty for an id, which stays out of logs.
    """

    rule: str
    text: str
    rows: int
    file: str
    row: int
    example: str = ""

    def __str__(self) -> str:
        column, _, _ = self.rule.partition(".")
        value = f", {self.example}" if self.example else ""
        rows = "row" if self.rows == 1 else "rows"
        return (
            f"{self.rule}: '{column}' {self.text} in {self.rows:,} {rows} "
            f"(first: {self.file} row {self.row}{value})"
        )


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    `rows` = `kept` + `dropped` (duplicates that agree) + `held` (stand in the ledger that they are
    to be appended to) + `quarantined`. `batches` are (label, rows taken, rows of the source) in the
    order read; `reasons` has a line (`file`, `row` from 1, `rule`, `text`) for every broken rule of
    every row.
    """

    source: str
    rows: int
    kept: int
    dropped: int
    quarantined: int
    held: int = 0
    faults: tuple[Fault, ...] = ()
    one_clock: tuple[str, ...] = ()
    batches: tuple[tuple[str, int, int], ...] = ()
    notes: tuple[str, ...] = ()
    reasons: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether no row broke a rule (duplicates that agree are no fault)."""
        return self.quarantined == 0

    def text(self) -> str:
        """A page for a terminal."""
        lines = [f"{self.source}: {self.rows:,} rows, {self.kept:,} keep the contract"]
        mapped = len(self.batches) > 1 or any(n != of for _, n, of in self.batches)
        read = [f"  read {label}: {n:,} of {of:,} rows" for label, n, of in self.batches]
        lines += read if mapped else []
        lines += [f"  {line}" for line in (*self.one_clock, *self.notes)]
        if self.held:
            lines.append(f"  {self.held:,} rows stand in the ledger already")
        if self.dropped:
            lines.append(f"  {self.dropped:,} duplicates agree with an earlier row: dropped")
        if self.quarantined:
            lines.append(f"  {self.quarantined:,} rows break a rule:")
        return "\n".join([*lines, *(f"  - {fault}" for fault in self.faults)])

    def raise_if_broken(self) -> None:
        """Refuse any broken row.

        Raises
        ------
        ContractError : with every broken rule.
        """
        if self.ok:
            return
        faults = "; ".join(str(f) for f in self.faults)
        fix = "`clawback check` lists the rows; `clawback map` sets them aside and goes on"
        raise ContractError(
            f"{self.quarantined:,} of {self.rows:,} rows break the contract: {faults}",
            where=self.source,
            fix=fix,
        )
