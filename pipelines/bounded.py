"""The engine for a ledger that memory does not hold: slices of it, one after the other.

The job's own ledger is a slice too: the requests and what became of them, which is what spines,
tracks and books read.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from data.ledger import Ledger
from data.lock import held
from data.slices import LedgerFolder
from features.parts import feature_blocks
from features.task import Task
from pipelines.atomic import replacing, storing
from pipelines.commands import Tell
from pipelines.decisions import Decisions
from pipelines.engines import Definitions, Function, collected, rows_of, with_keys
from pipelines.progress import counted
from pipelines.tables import append_tables
from pipelines.track import SETS

WAITING: Final = ".tmp-features-"

HELD_BYTES: Final = 4 + 8 + 4 + 4 + 8  # of an event in a slice: type, time, user, case, place


@dataclass(frozen=True)
class BoundedEngine:
    """The engine of one ledger folder; see `pipelines.engines.Engine`.

    Parameters
    ----------
    memory : bytes that the process may take.
    scratch : an empty folder for what waits to be joined.
    """

    folder: LedgerFolder
    memory: int
    scratch: Path
    tell: Tell

    def read(self, path: Path, task: Task) -> Ledger:
        """The requests and what became of them."""
        if path != self.folder.path:
            raise ContractError("this engine reads another ledger", where=str(path))
        return read_slice(self.folder, task)

    def outline(self, ledger: Ledger) -> Ledger:
        """Type, time and user of every event."""
        self._check_same(ledger)
        return self.folder.read(["user_id"])

    def features(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame
    ) -> pd.DataFrame:
        """What `features.engine.features` returns."""
        return collected(self, definitions, ledger, cases)

    def mapped(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, function: Function
    ) -> pd.DataFrame:
        """Rows of `function`, a block of decisions at a time."""
        return rows_of(function, self._blocks(definitions, ledger, cases))

    def write(
        self,
        definitions: Definitions,
        ledger: Ledger,
        cases: pd.DataFrame,
        out: Path,
        case: str = "case_id",
    ) -> None:
        """Write one Parquet file, rows as in `cases`."""
        with replacing(out) as draft:
            blocks = self._blocks(definitions, ledger, cases, case)
            append_tables((with_keys(b) for b in blocks), draft)

    def without(self, column: str, codes: NDArray[Any]) -> "BoundedEngine":
        """See `Engine`."""
        return replace(self, folder=self.folder.without(column, codes))

    def _blocks(
        self,
        definitions: Definitions,
        ledger: Ledger,
        cases: pd.DataFrame,
        case: str = "case_id",
    ) -> Iterator[Decisions]:
        """The decisions with their columns, a block at a time."""
        self._check_same(ledger)
        told = counted(self.tell, "events")
        blocks = feature_blocks(
            definitions,
            self.folder,
            cases,
            memory=self.memory - HELD_BYTES * len(ledger),
            scratch=self.scratch,
            case=case,
            told=told,
        )
        for rows, X in blocks:
            yield Decisions(cases.iloc[rows].reset_index(drop=True), X.reset_index(drop=True))

    def _check_same(self, ledger: Ledger) -> None:
        """Codes mean nothing outside their folder."""
        if ledger.fingerprint != self.folder.manifest.fingerprint:
            raise ContractError("the ledger is not this folder's", where=str(self.folder.path))


@contextmanager
def bounded(
    folder: LedgerFolder, memory: int, scratch: Path, tell: Tell
) -> Iterator[BoundedEngine]:
    """The engine, and a folder below `scratch` for as long as it works.

    Raises
    ------
    StorageError : no folder can be made there.
    """
    with storing(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        for stale in scratch.glob(f"{WAITING}*"):  # of a job that was killed: nobody holds it
            with suppress(OSError), held(stale):
                shutil.rmtree(stale, ignore_errors=True)
        own = tempfile.TemporaryDirectory(prefix=WAITING, dir=scratch)
    with own as name, held(Path(name)):
        yield BoundedEngine(folder, memory, Path(name), tell)


def read_slice(folder: LedgerFolder, task: Task) -> Ledger:
    """The requests and what became of them; what they say is read when a spine asks for it."""
    types = {t for events in (*task.sets_of_spine(), *SETS) for t in events.types}
    held = ["user_id", task.case]
    seldom = [n for n in folder.manifest.columns if n in task.columns_of_spine() and n not in held]
    return folder.read(held, types=types, placed=True, seldom=seldom)
