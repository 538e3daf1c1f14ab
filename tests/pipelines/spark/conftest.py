"""One local Spark session for all tests that need one; skipped, and counted, without Java."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any

import pytest

CORES = 2


@pytest.fixture(scope="session")
def java() -> None:
    """Skip where Spark cannot run."""
    if find_spec("pyspark") is None:
        pytest.skip("PySpark is not installed")
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=f"{home}/bin" if home else None) is None:
        pytest.skip("there is no Java")


@pytest.fixture(scope="session")
def spark(java: None) -> Iterator[Any]:
    """A session that the jobs of the tests find active, and leave so."""
    from pipelines.spark.session import session

    with ExitStack() as stack:
        yield stack.enter_context(session(f"local[{CORES}]"))
