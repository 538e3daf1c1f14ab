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
from data.folder import is_ledger_folder
from data.ledger import Ledger
from data.slices import open_folder
from data.store import read_ledger
from features.declarations import Declaration
from features.engine import features
from features.parts import BASE
from features.task import Task
from pipelines.atomic import replacing
from pipelines.commands import EngineConfig, Tell
from pipelines.decisions import Decisions, blocks
from pipelines.memory import installed, size_of
from pipelines.tables import plain, write_table

# What the score job takes at once beside `BASE`: 7.2 GiB in all at 10.2 M events
# (`python -m tests.benchmarks.score_job --events 10000000`), and a tenth more.
BYTES_AN_EVENT: Final = 700
Function = Callable[[Decisions], pd.DataFrame]
Definitions = Iterable[Declaration]


class Engine(Protocol):
    """What reads a job's ledger, and computes columns of decisions from it."""

    def read(self, path: Path, task: Task) -> Ledger:
        """The ledger, or as much of it as spines, tracks and books read."""
        ...

    def outline(self, ledger: Ledger) -> Ledger:
        """Type, time and user of every event of the ledger; the caller soon drops it."""
        ...

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
        self,
        definitions: Definitions,
        ledger: Ledger,
        cases: pd.DataFrame,
        out: Path,
        case: str = "case_id",
    ) -> None:
        """Write the decisions, of any stage, with their columns.

        `out` has the old table or the new one. `case` : the key of a case.
        """
        ...

    def without(self, column: str, codes: NDArray[Any]) -> "Engine":
        """The engine of the ledger without the events whose code of `column` is one of these."""
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Everything in this one process, the whole ledger in memory."""

    left_out: tuple[tuple[str, NDArray[Any]], ...] = ()

    def read(self, path: Path, task: Task) -> Ledger:
        """Every event, and every column of the task."""
        return read_ledger(path, task.columns_needed(), contract=task.contract())

    def outline(self, ledger: Ledger) -> Ledger:
        """The ledger itself."""
        return ledger

    def features(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame
    ) -> pd.DataFrame:
        """What `features.engine.features` returns."""
        return features(definitions, self._seen(ledger), cases)

    def mapped(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, function: Function
    ) -> pd.DataFrame:
        """Rows of `function`, a block of decisions at a time."""
        return rows_of(function, blocks(definitions, self._seen(ledger), cases))

    def write(
        self,
        definitions: Definitions,
        ledger: Ledger,
        cases: pd.DataFrame,
        out: Path,
        case: str = "case_id",
    ) -> None:
        """Write one Parquet file, rows as in `cases`."""
        X = features(definitions, self._seen(ledger), cases, case=case)
        table = with_keys(Decisions(cases, X))
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


def collected(
    engine: Engine, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame
) -> pd.DataFrame:
    """The columns of an engine that computes a block of decisions at a time."""
    plain = cases.reset_index(drop=True)
    return engine.mapped(definitions, ledger, plain, columns_alone).set_index(cases.index)


def rows_of(function: Function, some: Iterable[Decisions]) -> pd.DataFrame:
    """The rows that a function makes of one block after the other.

    They are copied: a column without a null is "filled" by a view, and one such view keeps all the
    columns of its block.
    """
    return pd.concat([function(block).copy() for block in some], ignore_index=True)


def columns_alone(decisions: Decisions) -> pd.DataFrame:
    """The columns without the cases."""
    return decisions.X


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
        return _local(config, ledger, scratch, tell)
    try:
        spark = import_module("pipelines.spark.session")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("pyspark"):
            raise
        fix = "pip install 'clawback[spark]', or leave --engine out"
        raise UsageError("Spark is not installed here", where="--engine spark", fix=fix) from None
    opened: AbstractContextManager[Engine] = spark.engine(config, ledger, scratch, tell)
    return opened


def _local(
    config: EngineConfig, ledger: Path, scratch: Path, tell: Tell
) -> AbstractContextManager[Engine]:
    """All at once in this process if the memory holds the ledger, else in slices."""
    memory = installed() if config.memory is None else size_of(config.memory)
    if not is_ledger_folder(ledger):
        return nullcontext(LOCAL)
    folder = open_folder(ledger)
    if len(folder) * BYTES_AN_EVENT + BASE <= memory:
        return nullcontext(LOCAL)
    bounded = import_module("pipelines.bounded")
    opened: AbstractContextManager[Engine] = bounded.bounded(folder, memory, scratch, tell)
    return opened
