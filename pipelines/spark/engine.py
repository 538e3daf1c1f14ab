"""Columns of decisions on a Spark cluster, equal to the local engine's bit for bit.

One shuffle brings the events and the decisions of a piece together (`pieces`), a second one the
cells of a block of decisions (`buckets.Blocks`). A bucket, and so the busiest key, must fit an
executor's memory; the decisions, and the columns a spine reads, the driver's.
"""

from collections.abc import Iterable, Sequence
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

from data.errors import ContractError, UsageError
from data.folder import is_ledger_folder, read_manifest
from data.ledger import NULL_CODE, Ledger
from features.declarations import Declaration, unique
from features.engine import features
from features.plan import Plan, compile_plan
from pipelines.atomic import run_folder
from pipelines.decisions import Decisions
from pipelines.engines import Function, WholeLedger, with_keys
from pipelines.spark.buckets import BLOCK, ROW, Blocks
from pipelines.spark.ledger import parts_of, read_events, write_events
from pipelines.spark.pieces import CODE, FILLED, columns_read, filled, keys_of
from pipelines.spark.transit import dtypes_of, received, sent

EVENTS_A_BUCKET: Final = 500_000
ROWS_A_BLOCK: Final = 25_000
MONTH: Final = "as_of_month"
DONE: Final = "_SUCCESS"  # what Spark leaves in a folder it has written whole
Definitions = Iterable[Declaration]


@dataclass(frozen=True)
class SparkEngine(WholeLedger):
    """The engine of one ledger; see `pipelines.engines.Engine`.

    Parameters
    ----------
    path : the ledger, where driver and executors read it.
    scratch : a folder they share, for the columns of a ledger that is no folder.
    buckets : pieces of each entity's plan; by default one for every 500,000 events.
    left_out : (column, codes) of events that do not count.
    """

    spark: SparkSession
    path: Path
    scratch: Path
    buckets: int | None = None
    left_out: tuple[tuple[str, NDArray[Any]], ...] = ()

    def features(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame
    ) -> pd.DataFrame:
        """What `features.engine.features` returns."""
        plain = cases.reset_index(drop=True)
        return self.mapped(definitions, ledger, plain, columns_alone).set_index(cases.index)

    def mapped(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, function: Function
    ) -> pd.DataFrame:
        """`function` of the decisions, block by block on the executors; rows as in `cases`."""
        found, sample = self.table(definitions, ledger, cases, function)
        table = found.toArrow()
        self._check_same(ledger)
        return received(table.sort_by(ROW), dict(sample.dtypes))

    def write(
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, out: Path
    ) -> None:
        """Write a folder of Parquet, partitioned by the month of `as_of`; rows in no order."""
        if out.exists() and not (out / DONE).is_file():
            fix = "give another --out, or remove it"
            raise UsageError("is no folder that Spark wrote", where=str(out), fix=fix)
        found, _ = self.table(definitions, ledger, cases, with_keys)
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
        self, definitions: Definitions, ledger: Ledger, cases: pd.DataFrame, function: Function
    ) -> tuple[DataFrame, pd.DataFrame]:
        """`mapped` as a Spark table with a row number, not yet computed; and its empty form."""
        self._check_same(ledger)
        plan = compile_plan(unique(definitions))
        if plan.rings:
            fix = "compute them with --engine local; --memory holds a ledger larger than memory"
            raise UsageError("rings are not cut into buckets", where="--engine spark", fix=fix)
        nothing = cases.iloc[:0]
        # Whatever is wrong with declarations or columns is told here, not by an executor.
        X = features(plan.definitions, ledger.take(np.arange(0)), nothing)
        sample = function(Decisions(nothing, X))
        schema = sent(sample).append_column(ROW, pa.array([], pa.int64())).schema
        decided = self._cases(plan, ledger, cases)
        block = sf.floor(sf.col(ROW) / ROWS_A_BLOCK).cast("int").alias(BLOCK)
        cells = self._cells(plan, ledger, decided).select("*", block).groupBy(BLOCK)
        rows = decided.select(ROW, *cases.columns, block).groupBy(BLOCK)
        compose = Blocks(plan, dtypes_of(cases), function, schema).compose
        found = cells.cogroup(rows).applyInArrow(
            lambda cells, cases: compose(cells, cases), _spark_schema(schema)
        )
        return found, sample

    def _cases(self, plan: Plan, ledger: Ledger, cases: pd.DataFrame) -> DataFrame:
        """The decisions with a row number and the codes of their keys."""
        table = sent(cases).append_column(ROW, pa.array(np.arange(len(cases))))
        for name in keys_of(plan):
            codes = ledger[name].encode(cases[name])
            table = table.append_column(CODE + name, pa.array(codes, mask=codes == NULL_CODE))
        return self.spark.createDataFrame(table)

    def _cells(self, plan: Plan, ledger: Ledger, cases: DataFrame) -> DataFrame:
        if not plan.entities:
            return self.spark.createDataFrame([], FILLED)
        buckets = self.buckets or max(8, len(ledger) // EVENTS_A_BUCKET)
        events = self._events(ledger, ["known_ts", *columns_read(plan)])
        return filled(plan, ledger, events, cases, buckets)

    def _events(self, ledger: Ledger, names: Sequence[str]) -> DataFrame:
        read = list(dict.fromkeys([*names, *(column for column, _ in self.left_out)]))
        if is_ledger_folder(self.path):
            parts = parts_of(self.path)
        else:
            parts = write_events(ledger, read, self.scratch / f"{uuid4().hex}.parquet")
        events = read_events(self.spark, parts, ledger, read)
        for column, codes in self.left_out:
            gone = self.spark.createDataFrame(pa.table({column: pa.array(codes, pa.int32())}))
            events = events.join(sf.broadcast(gone), column, "left_anti")
        return events

    def _check_same(self, ledger: Ledger) -> None:
        """Codes mean nothing if the folder is not the one whose ledger is in memory."""
        if not is_ledger_folder(self.path):
            return
        if read_manifest(self.path).fingerprint != ledger.fingerprint:
            fix = "try again when the writer is done"
            what = "the ledger was replaced while it was read"
            raise ContractError(what, where=str(self.path), fix=fix)


def columns_alone(decisions: Decisions) -> pd.DataFrame:
    """The columns without the cases."""
    return decisions.X


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
