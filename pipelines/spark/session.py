"""The Spark session of a job: the one that runs already, or one that ends with the job."""

import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from data.errors import ContractError, UsageError, UserError
from data.folder import is_ledger_folder
from data.slices import open_folder
from pipelines.commands import EngineConfig, Tell
from pipelines.spark.engine import SparkEngine

WHERE: Final = "--engine spark"
SETTINGS: Final = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.driver.maxResultSize": "0",  # what a job decides on comes to the driver whole
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.maxConcurrentOutputFileWriters": "64",  # months written without a sort
}


@contextmanager
def engine(config: EngineConfig, ledger: Path, scratch: Path, tell: Tell) -> Iterator[SparkEngine]:
    """The Spark engine of a ledger.

    Parameters
    ----------
    scratch : a folder that driver and executors share, for a ledger that is no folder.

    Raises
    ------
    UsageError : Spark does not start, or its executors lack this package.
    ContractError : they do not find the ledger.
    """
    tell("starting Spark")
    scratch.mkdir(parents=True, exist_ok=True)
    with (
        quiet(),
        session(config.master) as spark,
        tempfile.TemporaryDirectory(prefix=".tmp-spark-", dir=scratch) as own,
    ):
        try:
            folder = open_folder(ledger) if is_ledger_folder(ledger) else None
            yield SparkEngine(spark, folder, Path(own), config.buckets)
        except PySparkException as error:
            raise explained(error) from error


@contextmanager
def session(master: str | None) -> Iterator[SparkSession]:
    """A session with our settings; one that was active before goes on afterwards."""
    running = SparkSession.getActiveSession()
    if master is not None and master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # Executors on a shared file system run this interpreter; an archive names its own.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("clawback")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    heard = signal.getsignal(signal.SIGINT)
    try:
        spark = (builder if master is None else builder.master(master)).getOrCreate()
    except (PySparkException, Py4JError) as error:
        fix = "Spark 4 needs Java 17 or later (JAVA_HOME), and a --master that answers"
        what = f"Spark does not start: {_first_line(error)}"
        raise UsageError(what, where=WHERE, fix=fix) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, heard)  # PySpark has put its own, which knows no exit code
    try:
        yield spark
    finally:
        if running is None:
            spark.stop()


@contextmanager
def quiet() -> Iterator[None]:
    """No word about pandas 3: only Arrow's functions are used, which it does not concern."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet", FutureWarning)
        yield


def explained(error: PySparkException) -> UserError:
    """What a job's failure on the cluster means for who started it."""
    said = str(error)
    if "ModuleNotFoundError" in said:
        fix = "ship the environment to the executors: README, Spark"
        return UsageError("an executor lacks a package", where=WHERE, fix=fix)
    if "PATH_NOT_FOUND" in said or "FAILED_READ_FILE" in said or "FileNotFound" in said:
        fix = "driver and executors read the ledger at the same path: use a shared file system"
        return ContractError(f"unreadable on the cluster: {_first_line(error)}", fix=fix)
    fix = "see Spark's log; more --buckets need less memory each"
    return UsageError(f"the Spark job failed: {_first_line(error)}", where=WHERE, fix=fix)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
