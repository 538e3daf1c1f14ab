"""A ledger's files as a Spark table: every event with its position, codes as keys.

A ledger folder is read where it lies. A table in ledger form has no codes; the driver, which has
checked and coded it, writes the columns a plan reads into a folder that all share.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql import types as st

from data.dictionaries import Codes
from data.folder import check_sizes
from data.ledger import Kind, Ledger
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


def read_events(
    spark: SparkSession,
    parts: Sequence[Path],
    kinds: Mapping[str, Kind],
    ranks: Mapping[str, Codes],
) -> DataFrame:
    """The position in the ledger, and columns with the codes that they have in memory.

    Executors open the parts at the same paths as the driver. A column that came later than a part
    is null in it.

    Parameters
    ----------
    kinds : of the columns to read. ranks : what a stored code is in memory, where it is another.
    """
    starts, start = [], 0
    for part in parts:
        starts += [sf.lit(part.name), sf.lit(start)]
        start += pq.read_metadata(part).num_rows
    schema = st.StructType([st.StructField(n, STORED[kind]) for n, kind in kinds.items()])
    read = spark.read.schema(schema).option("parquet.page.verify-checksum.enabled", "true")
    table = read.parquet(*[part.resolve().as_uri() for part in parts])
    first = sf.create_map(*starts)[sf.col("_metadata.file_name")]
    position = (first + sf.col("_metadata.row_index")).alias(POSITION)
    return table.select(position, *(_ranked(n, ranks.get(n)) for n in kinds))


def _ranked(name: str, rank: Codes | None) -> Column:
    if rank is None:
        return sf.col(name)
    codes = sf.array(*[sf.lit(code) for code in rank[:-1].tolist()])
    return sf.when(sf.col(name) >= 0, sf.get(codes, sf.col(name))).alias(name)


STORED: Final[Mapping[Kind, st.DataType]] = {
    "code": st.IntegerType(),
    "time": st.TimestampType(),
    "int": st.LongType(),
    "float": st.DoubleType(),
}
