"""Where columns are computed: in this process, or on a Spark cluster. Both give the same bits.

A job reads its ledger, makes its spine and decides as ever; only what is wide and long, columns and
the models' answers, goes through an `Engine`.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError
from data.ledger import Ledger
from features.declarations import Declaration
from features.engine import features
from pipelines.atomic import replacing
from pipelines.commands import EngineConfig, Tell
from pipelines.decisions import Decisions, blocks
from pipelines.tables import plain, write_table

Function = Callable[[Decisions], pd.DataFrame]
Definitions = Iterable[Declaration]


class Engine(Protocol):
    """What computes columns of decisions from the ledger a job has read."""

    def features(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame
    ) -> pd.DataFrame:
        """What `features.engine.features` returns."""
        ...

    def mapped(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, function: Function
    ) -> pd.DataFrame:
        """Rows of `function`, which sees some decisions and their columns at a time.

        Parameters
        ----------
        cases : index 0..n-1.
        function : one row a decision, each a function of its own decision alone.
        """
        ...

    def write(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, out: Path
    ) -> None:
        """Write the decisions with their columns; `out` has the old table or the new one."""
        ...

    def without(self, column: str, codes: NDArray[Any]) -> "Engine":
        """The engine of the ledger without the events whose code of `column` is one of these."""
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Everything in this one process."""

    left_out: tuple[tuple[str, NDArray[Any]], ...] = ()

    def features(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame
    ) -> pd.DataFrame:
        """What `features.engine.features` returns."""
        return features(definitions, self._seen(ledger), cases)

    def mapped(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, function: Function
    ) -> pd.DataFrame:
        """Rows of `function`, a block of decisions at a time."""
        found = [function(b) for b in blocks(definitions, self._seen(ledger), cases)]
        return pd.concat(found, ignore_index=True)

    def write(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, out: Path
    ) -> None:
        """Write one Parquet file, rows as in `cases`."""
        table = with_keys(Decisions(cases, self.features(definitions, ledger, cases)))
        with replacing(out) as draft:
            write_table(table, draft)

    def without(self, column: str, codes: NDArray[Any]) -> "LocalEngine":
        """See `Engine`."""
        return replace(self, left_out=(*self.left_out, (column, codes)))

    def _seen(self, ledger: Ledger) -> Ledger:
        for column, codes in self.left_out:
            others = ~np.isin(ledger[column].values, codes)
            ledger = replace(ledger.take(others), fingerprint="")
        return ledger


LOCAL: Final = LocalEngine()


def with_keys(decisions: Decisions) -> pd.DataFrame:
    """Who is decided, when, and the columns: the table that `features` writes."""
    return pd.concat([plain(decisions.cases), decisions.X], axis=1)


def open_engine(
    config: EngineConfig, ledger: Path, scratch: Path, tell: Tell
) -> AbstractContextManager[Engine]:
    """The engine a job asks for; leaving the context ends what was started for it.

    Raises
    ------
    UsageError : Spark is asked for and not installed, or does not start.
    """
    if config.engine == "local":
        return nullcontext(LOCAL)
    try:
        spark = import_module("pipelines.spark.session")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("pyspark"):
            raise
        fix = "pip install 'clawback[spark]', or leave --engine out"
        raise UsageError("Spark is not installed here", where="--engine spark", fix=fix) from None
    opened: AbstractContextManager[Engine] = spark.engine(config, ledger, scratch, tell)
    return opened
