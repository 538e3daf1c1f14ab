"""Columns of decisions on a Spark cluster, equal to the local engine's bit for bit.

One shuffle brings the events and the decisions of a piece together (`pieces`), a second one the
cells of a block of decisions (`buckets.Blocks`). A bucket, and so the busiest key, must fit an
executor's memory; the decisions and what became of them, the driver's.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql import types as st

from data.dictionaries import Codes
from data.errors import ContractError, UsageError
from data.folder import read_manifest
from data.ledger import Ledger
from data.slices import LedgerFolder
from features.declarations import Declaration, unique
from features.engine import existing, features, stages_of
from features.grouping import asked_codes
from features.own_case import REQUEST, Own, own_cases
from features.plan import Plan, compile_plan
from features.task import Task
from pipelines.atomic import run_folder
from pipelines.bounded import read_slice
from pipelines.decisions import Decisions
from pipelines.engines import LOCAL, Function, collected, with_keys
from pipelines.spark.buckets import BLOCK, OWN, ROW, Blocks
from pipelines.spark.ledger import parts_of, read_events, write_events
from pipelines.spark.pieces import CODE, FILLED, filled
from pipelines.spark.transit import dtypes_of, received, sent

EVENTS_A_BUCKET: Final = 500_000
ROWS_A_BLOCK: Final = 25_000
MONTH: Final = "as_of_month"
NO_RANKS: Final[dict[str, Codes]] = {}
DONE: Final = "_SUCCESS"  # what Spark leaves in a folder it has written whole
Definitions = Iterable[Declaration]


@dataclass(frozen=True)
class SparkEngine:
    """The engine of one ledger; see `pipelines.engines.Engine`.

    Parameters
    ----------
    folder : the ledger, where driver and executors read it; None if it is a table in ledger form.
    scratch : a folder they share, for the columns of such a table.
    buckets : pieces of each entity's plan; by default one for every 500,000 events.
    left_out : (column, codes) of events that do not count.
    """

    spark: SparkSession
    folder: LedgerFolder | None
    scratch: Path
    buckets: int | None = None
    left_out: tuple[tuple[str, NDArray[Any]], ...] = ()

    def read(self, path: Path, task: Task) -> Ledger:
        """Of a folder the requests and what became of them; of a table everything."""
        if self.folder is not None:
            return read_slice(self.folder, task)
        return LOCAL.read(path, task)

    def outline(self, ledger: Ledger) -> Ledger:
        """Type, time and user of every event."""
        return ledger if self.folder is None else self.folder.read(["user_id"])

    def features(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame
    ) -> pd.DataFrame:
        """What `features.engine.features` returns."""
        return collected(self, definitions, ledger, cases)

    def mapped(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, function: Function
    ) -> pd.DataFrame:
        """`function` of the decisions, block by block on the executors; rows as in `cases`."""
        found, sample = self.table(definitions, ledger, cases, function)
        table = found.toArrow()
        self._check_same(ledger)
        return received(table.sort_by(ROW), dict(sample.dtypes))

    def write(
        self,
        definitions: Definitions,
        ledger: Ledger,
        cases: pd.DataFrame,
        out: Path,
        case: str = "case_id",
    ) -> None:
        """Write a folder of Parquet, partitioned by the month of `as_of`; rows in no order."""
        if out.exists() and not (out / DONE).is_file():
            fix = "give another --out, or remove it"
            raise UsageError("is no folder that Spark wrote", where=str(out), fix=fix)
        found, _ = self.table(definitions, ledger, cases, with_keys, case)
        month = sf.date_format("as_of", "yyyy-MM")
        writer = found.drop(ROW).withColumn(MONTH, month).write.partitionBy(MONTH)
        with run_folder(out.parent, out.name) as draft:
            path = draft.resolve().as_uri()
            writer.mode("append").option("compression", "zstd").parquet(path)
            self._check_same(ledger)

    def without(self, column: str, codes: NDArray[Any]) -> "SparkEngine":
        """See `pipelines.engines.Engine`."""
        return replace(self, left_out=(*self.left_out, (column, codes)))

    def table(
        self,
        definitions: Definitions,
        ledger: Ledger,
        cases: pd.DataFrame,
        function: Function,
        case: str = "case_id",
    ) -> tuple[DataFrame, pd.DataFrame]:
        """`mapped` as a Spark table with a row number, not yet computed; and its empty form."""
        self._check_same(ledger)
        declared = unique(definitions)
        stages = stages_of(cases, declared)
        plan = compile_plan(existing(declared, stages))
        late = case if (stages > REQUEST).any() else ""
        shape, nothing = self._shape(plan, late, ledger), cases.iloc[:0]
        # Whatever is wrong with declarations or columns is told here, not by an executor.
        X = features(plan.definitions, shape, nothing).reindex(columns=[d.name for d in declared])
        sample = function(Decisions(nothing, X))
        schema = sent(sample).append_column(ROW, pa.array([], pa.int64())).schema
        decided = self._cases(plan, shape, cases, own_cases(shape, cases, stages, case))
        block = sf.floor(sf.col(ROW) / ROWS_A_BLOCK).cast("int").alias(BLOCK)
        cells = self._cells(plan, shape, ledger, decided, late).select("*", block).groupBy(BLOCK)
        rows = decided.select(ROW, *cases.columns, block).groupBy(BLOCK)
        compose = Blocks(plan, declared, dtypes_of(cases), function, schema).compose
        found = cells.cogroup(rows).applyInArrow(
            lambda cells, cases: compose(cells, cases), _spark_schema(schema)
        )
        return found, sample

    def _shape(self, plan: Plan, case: str, ledger: Ledger) -> Ledger:
        """The columns that the plan reads, and the case to leave out, without events."""
        read = [*(n for e in plan.parts for n in e.columns), *([case] if case else [])]
        names = ["known_ts", *dict.fromkeys(read)]
        if self.folder is not None:
            return self.folder.shape(names)
        return replace(ledger, columns={n: ledger[n].take(np.arange(0)) for n in names})

    def _cases(self, plan: Plan, shape: Ledger, cases: pd.DataFrame, own: Own | None) -> DataFrame:
        """The decisions with a row number and the codes of their keys."""
        table = sent(cases).append_column(ROW, pa.array(np.arange(len(cases))))
        for name, codes in asked_codes(plan.parts, shape, cases).items():
            table = table.append_column(CODE + name, pa.array(codes))
        if own is not None:
            table = table.append_column(OWN, pa.array(own.codes))
        return self.spark.createDataFrame(table)

    def _cells(
        self, plan: Plan, shape: Ledger, ledger: Ledger, cases: DataFrame, case: str
    ) -> DataFrame:
        left = set(plan.rows.values()) - {row for e in plan.parts for row in e.rows}
        if left:  # a kind of window that `pieces` does not cut yet
            names = [d.name for n, d in enumerate(plan.definitions) if n in left]
            fix = "compute these columns with the local engine"
            raise UsageError(f"no Spark for {', '.join(names)}", where="--engine spark", fix=fix)
        if not plan.parts:
            return self.spark.createDataFrame([], FILLED)
        rows = len(ledger if self.folder is None else self.folder)
        buckets = self.buckets or max(8, rows // EVENTS_A_BUCKET)
        return filled(plan, shape, self._events(shape, ledger), cases, buckets, case)

    def _events(self, shape: Ledger, ledger: Ledger) -> DataFrame:
        gone = dict(self.left_out)
        read = list(dict.fromkeys([*shape.columns, *gone]))
        if self.folder is None:
            parts = write_events(ledger, read, self.scratch / f"{uuid4().hex}.parquet")
            kinds, ranks = {n: ledger[n].kind for n in read}, NO_RANKS
        else:
            parts = parts_of(self.folder)
            kinds = {n: self.folder.kind(n) for n in read}
            for name in (n for n in read if kinds[n] == "code"):
                self.folder.dictionary(name)  # whose words may be ranked
            ranks = self.folder.ranks
        events = read_events(self.spark, parts, kinds, ranks)
        for column, codes in self.left_out:
            their = self.spark.createDataFrame(pa.table({column: pa.array(codes, pa.int32())}))
            events = events.join(sf.broadcast(their), column, "left_anti")
        return events

    def _check_same(self, ledger: Ledger) -> None:
        """Codes mean nothing if the folder is not the one whose ledger is in memory."""
        if self.folder is None:
            return
        if read_manifest(self.folder.path).fingerprint != ledger.fingerprint:
            fix = "try again when the writer is done"
            what = "the ledger was replaced while it was read"
            raise ContractError(what, where=str(self.folder.path), fix=fix)


def _spark_schema(schema: pa.Schema) -> st.StructType:
    return st.StructType([st.StructField(f.name, KINDS[str(f.type)]) for f in schema])


KINDS: Final[dict[str, st.DataType]] = {
    "int8": st.ByteType(),
    "int16": st.ShortType(),
    "int32": st.IntegerType(),
    "int64": st.LongType(),
    "float": st.FloatType(),
    "double": st.DoubleType(),
    "bool": st.BooleanType(),
    "string": st.StringType(),
    "timestamp[us, tz=UTC]": st.TimestampType(),
}
