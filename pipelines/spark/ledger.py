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

from data.folder import check_sizes, read_manifest
from data.ledger import Ledger
from data.part import arrow_of, write_table
from pipelines.spark.buckets import POSITION


def parts_of(folder: Path) -> list[Path]:
    """The data files of a ledger folder, in its order."""
    manifest = read_manifest(folder)
    check_sizes(folder, manifest, manifest.parts)
    return [folder / part for part in manifest.parts]


def write_events(ledger: Ledger, names: Collection[str], path: Path) -> list[Path]:
    """Some columns of a ledger in memory, as one data file."""
    write_table(pa.table({n: arrow_of(ledger[n]) for n in names}), path)
    return [path]


def read_events(
    spark: SparkSession, parts: Sequence[Path], ledger: Ledger, names: Collection[str]
) -> DataFrame:
    """The columns asked for and the position in the ledger; a null code is null.

    Executors open the parts at the same paths as the driver.
    """
    starts, start = [], 0
    for part in parts:
        starts += [sf.lit(part.name), sf.lit(start)]
        start += pq.read_metadata(part).num_rows
    read = spark.read.option("parquet.page.verify-checksum.enabled", "true")
    table = read.parquet(*[part.resolve().as_uri() for part in parts])
    first = sf.create_map(*starts)[sf.col("_metadata.file_name")]
    position = (first + sf.col("_metadata.row_index")).alias(POSITION)
    coded = {n for n in names if ledger[n].kind == "code"}
    return table.select(
        position,
        *(sf.when(sf.col(n) >= 0, sf.col(n)).alias(n) if n in coded else sf.col(n) for n in names),
    )
