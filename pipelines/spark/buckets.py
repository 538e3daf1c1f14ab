"""What executors run: the kernels on a bucket of entities, then the columns of a block of rows.

In and out: Arrow tables. A *piece* is one bucket of one entity's plan: all events of the entities
whose hash falls there, and all decisions that ask for them. A *block* is a run of decisions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.encode import column_of
from data.ledger import Kind, Ledger
from features.engine import finished
from features.measures import fill_entity
from features.plan import EntityPlan, Plan
from pipelines.decisions import Decisions
from pipelines.spark.transit import Dtypes, received, sent

PIECE, POSITION, ROW, BLOCK = "_piece", "_position", "_row", "_block"
PLAN, CELLS = "_plan", "_cells"
Function = Callable[[Decisions], pd.DataFrame]


@dataclass(frozen=True)
class Pieces:
    """How the work of a plan is cut, and what reading a piece takes.

    Parameters
    ----------
    buckets : pieces of each entity's plan. What cannot be cut by a hash has one piece.
    kinds : of the ledger's columns.
    words : values of the columns whose codes are compared with words: event types, conditions.
        Any other code stands for itself, for codes are the same everywhere.
    """

    plan: Plan
    buckets: int
    kinds: Mapping[str, Kind]
    words: Mapping[str, pa.Array]

    def fill(self, key: tuple[Any, ...], events: pa.Table, cases: pa.Table) -> pa.Table:
        """The cells of one piece: per decision one binary of float64, rows in the plan's order."""
        at = key[0].as_py() // self.buckets
        entity = self.plan.entities[at]
        asked = cases.select([ROW, "as_of", *entity.entity]).to_pandas(types_mapper=_nullable)
        as_of = cases.column("as_of").cast(pa.int64()).to_numpy()
        by_time = np.argsort(as_of, kind="stable")
        out = np.empty((self.plan.height, len(asked)), np.float64)
        if len(asked):
            fill_entity(entity, self._ledger(entity, events), asked, as_of, by_time, out)
        cells = np.ascontiguousarray(out[rows_of(entity)].T)
        plans = np.full(len(asked), at, np.int32)
        filled = pa.array([decision.tobytes() for decision in cells], pa.binary())
        return pa.table([cases.column(ROW), pa.array(plans), filled], [ROW, PLAN, CELLS])

    def _ledger(self, entity: EntityPlan, events: pa.Table) -> Ledger:
        """A ledger of the piece's events, in the order of the whole one."""
        table = events.sort_by(POSITION)
        names = ["known_ts", *columns_of(entity)]
        return Ledger({n: column_of(self._values(n, table), self.kinds[n]) for n in names})

    def _values(self, name: str, table: pa.Table) -> pa.ChunkedArray:
        values = table.column(name)
        if name not in self.words:
            return values
        worded = pa.DictionaryArray.from_arrays(values.combine_chunks(), self.words[name])
        return pa.chunked_array([worded])


@dataclass(frozen=True)
class Blocks:
    """How a block's cells become the rows of `function(Decisions)`."""

    plan: Plan
    dtypes: Dtypes
    function: Function
    schema: pa.Schema

    def compose(self, cells: pa.Table, cases: pa.Table) -> pa.Table:
        """The function's rows, in the order of the decisions, each beside its row number."""
        cases = cases.sort_by(ROW)
        rows = cases.column(ROW).to_numpy()
        matrix = np.empty((self.plan.height, len(rows)), np.float64)
        plans = cells.column(PLAN).to_numpy()
        for at, entity in enumerate(self.plan.entities):
            found = cells.filter(pa.array(plans == at))
            self._place(entity, rows, found, matrix)
        frame = received(cases, self.dtypes)
        result = self.function(Decisions(frame, finished(self.plan, frame, matrix)))
        table = sent(result).append_column(ROW, pa.array(rows))
        return table.select(self.schema.names).cast(self.schema)

    @staticmethod
    def _place(
        entity: EntityPlan, rows: NDArray[np.int64], cells: pa.Table, matrix: NDArray[np.float64]
    ) -> None:
        found = cells.column(ROW).to_numpy()
        order = np.argsort(found)
        if not np.array_equal(found[order], rows):
            raise RuntimeError(f"{len(rows)} decisions, {len(found)} answers of {entity.entity}")
        into = rows_of(entity)
        values = np.frombuffer(b"".join(cells.column(CELLS).to_pylist()), np.float64)
        matrix[into] = values.reshape(len(rows), len(into))[order].T


def rows_of(entity: EntityPlan) -> list[int]:
    """The rows of the matrix that an entity's plan fills."""
    return [row for m in entity.measures for row in m.rows()]


def columns_of(entity: EntityPlan) -> list[str]:
    """The columns of the ledger that an entity's plan reads, beside the clock."""
    names = ["event_type", *entity.entity]
    for events, column in entity.members:
        names += [*events.where, *([column] if column else [])]
    names += [m.column for m in entity.measures if m.column]
    return list(dict.fromkeys(names))


def _nullable(kind: pa.DataType) -> Any:
    return pd.Int64Dtype() if pa.types.is_integer(kind) else None
