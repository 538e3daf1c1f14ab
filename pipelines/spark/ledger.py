"""A ledger's files as a Spark table: every event with its position, codes as keys.

A ledger folder is read where it lies. A table in ledger form has no codes; the driver, which has
checked and coded it, writes the columns a plan reads into a folder that all share.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from data.folder import check_sizes
from data.ledger import Ledger
from data.part import arrow_of, write_table
from data.slices import LedgerFolder
from pipelines.spark.buckets import POSITION


def parts_of(folder: LedgerFolder) -> list[Path]:
    """The data files of a ledger folder, in its order."""
    check_sizes(folder.path, folder.manifest, folder.manifest.parts)
    return [folder.path / part for part in folder.manifest.parts]


def write_events(ledger: Ledger, names: Collection[str], path: Path) -> list[Path]:
    """Some columns of a ledger in memory, as one data file."""
    write_table(pa.table({n: arrow_of(ledger[n]) for n in names}), path)
    return [path]


def read_events(spark: SparkSession, parts: Sequence[Path], names: Collection[str]) -> DataFrame:
    """The columns asked for, and the position in the ledger.

    Executors open the parts at the same paths as the driver.
    """
    starts, start = [], 0
    for part in parts:
        starts += [sf.lit(part.name), sf.lit(start)]
        start += pq.read_metadata(part).num_rows
    read = spark.read.option("parquet.page.verify-checksum.enabled", "true")
    table = read.parquet(*[part.resolve().as_uri() for part in parts])
    first = sf.create_map(*starts)[sf.col("_metadata.file_name")]
    return table.select((first + sf.col("_metadata.row_index")).alias(POSITION), *names)
