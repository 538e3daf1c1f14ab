"""What executors run: the kernels on a bucket of entities, then the columns of a block of rows.

In and out: Arrow tables. A *piece* is one bucket of one entity's plan: all events of the entities
whose hash falls there, and all decisions that ask for them. A *block* is a run of decisions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.ledger import Column, Kind, Ledger
from data.part import unpacked
from features.declarations import Declaration
from features.engine import fill, finished, masked, stages_of
from features.own_case import Own
from features.plan import Part, Plan
from pipelines.decisions import Decisions
from pipelines.spark.transit import Dtypes, received, sent

PIECE, POSITION, ROW, BLOCK = "_piece", "_position", "_row", "_block"
PLAN, CELLS, OWN = "_plan", "_cells", "_own"
Function = Callable[[Decisions], pd.DataFrame]
Codes = dict[str, NDArray[np.int32]]


@dataclass(frozen=True)
class Pieces:
    """How the work of a plan is cut, and what reading a piece takes.

    Parameters
    ----------
    buckets : pieces of each entity's plan. What cannot be cut by a hash has one piece.
    kinds : of the ledger's columns.
    words : values of the columns whose codes are compared with words: event types, conditions.
        Any other code stands for itself, for codes are the same everywhere.
    case : the key whose own events are left out (`features.own_case`); "" for none.
    """

    plan: Plan
    buckets: int
    kinds: Mapping[str, Kind]
    words: Mapping[str, "pd.Index[Any]"]
    case: str = ""

    def fill(self, key: tuple[Any, ...], events: pa.Table, cases: pa.Table) -> pa.Table:
        """The cells of one piece: per decision one binary of float64, in the order of `rows`."""
        at = key[0].as_py() // self.buckets
        entity = self.plan.parts[at]
        out = np.empty((len(entity.rows), cases.num_rows), np.float64)
        if cases.num_rows:
            asked = {k: cases.column(k).to_numpy() for k in entity.entity}
            leaves_out = bool(self.case) and self.case not in entity.entity
            if leaves_out:
                asked[self.case] = cases.column(OWN).to_numpy()
            ledger = self._ledger(entity, events.sort_by(POSITION), asked)
            own = Own(self.case, asked[self.case]) if leaves_out else None
            as_of = cases.column("as_of").cast(pa.int64()).to_numpy()
            by_time = np.argsort(as_of, kind="stable")
            fill(entity.alone(), ledger, asked, as_of, by_time, out, own)
        cells = [decision.tobytes() for decision in np.ascontiguousarray(out.T)]
        plans = np.full(cases.num_rows, at, np.int32)
        columns = [cases.column(ROW), pa.array(plans), pa.array(cells, pa.binary())]
        return pa.table(columns, [ROW, PLAN, CELLS])

    def _ledger(self, entity: Part, events: pa.Table, asked: Codes) -> Ledger:
        """A ledger of the piece's events; `asked` is put into its codes."""
        columns = {}
        for name in dict.fromkeys(["known_ts", *entity.columns, *asked]):
            kind, dictionary = self.kinds[name], self.words.get(name)
            values, valid = unpacked(events.column(name), kind)
            if kind == "code" and dictionary is None:
                values, dictionary = _numbered(values, name, asked)
            columns[name] = Column(kind, values, valid, dictionary)
        return Ledger(columns)


def _numbered(
    values: NDArray[np.int32], name: str, asked: Codes
) -> tuple[NDArray[np.int32], "pd.Index[Any]"]:
    """Codes as small as the piece: the kernels' tables are as long as a dictionary."""
    both = np.concatenate([values, asked[name]]) if name in asked else values
    numbers, found = pd.factorize(both)
    codes = np.where(both < 0, both, numbers).astype(np.int32)
    if name in asked:
        asked[name] = codes[len(values) :]
    return codes[: len(values)], pd.RangeIndex(len(found))


@dataclass(frozen=True)
class Blocks:
    """How a block's cells become the rows of `function(Decisions)`."""

    plan: Plan
    declared: Sequence[Declaration]
    dtypes: Dtypes
    function: Function
    schema: pa.Schema

    def compose(self, cells: pa.Table, cases: pa.Table) -> pa.Table:
        """The function's rows, in the order of the decisions, each beside its row number."""
        cases = cases.sort_by(ROW)
        rows = cases.column(ROW).to_numpy()
        matrix = np.empty((self.plan.height, len(rows)), np.float64)
        plans = cells.column(PLAN).to_numpy()
        for at, entity in enumerate(self.plan.parts):
            found = cells.filter(pa.array(plans == at))
            self._place(entity, rows, found, matrix)
        frame = received(cases, self.dtypes)
        X = finished(self.plan, frame, matrix)
        X = masked(X, self.declared, stages_of(frame, self.declared))
        result = self.function(Decisions(frame, X))
        table = sent(result).append_column(ROW, pa.array(rows))
        return table.select(self.schema.names).cast(self.schema)

    @staticmethod
    def _place(
        entity: Part, rows: NDArray[np.int64], cells: pa.Table, matrix: NDArray[np.float64]
    ) -> None:
        found = cells.column(ROW).to_numpy()
        order = np.argsort(found)
        if not np.array_equal(found[order], rows):
            raise RuntimeError(f"{len(rows)} decisions, {len(found)} answers of {entity.entity}")
        into = list(entity.rows)
        values = np.frombuffer(b"".join(cells.column(CELLS).to_pylist()), np.float64)
        matrix[into] = values.reshape(len(rows), len(into))[order].T
