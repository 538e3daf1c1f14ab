"""A real cluster: one worker is killed while a job runs, and the other finishes it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines.bundle import Bundle
from pipelines.commands import ScoreConfig
from pipelines.score import run_score

pytestmark = pytest.mark.spark
LOOPBACK = {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_NO_DAEMONIZE": "1"}
PATIENCE_S = 300.0


@contextmanager
def process(command: list[str], log: Path, environ: dict[str, str]) -> Iterator[Any]:
    """A process and all that it starts, which end with the context."""
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, stdout=out, stderr=out, env=os.environ | environ, start_new_session=True
        )
        try:
            yield child
        finally:
            kill(child)


def kill(child: "subprocess.Popen[bytes]") -> None:
    """End its process group, which is its own, without a chance to say so."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def wait_for(look: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.1)
    raise TimeoutError(what)


def said(log: Path, what: str) -> bool:
    return what in log.read_text()


def events(folder: Path) -> list[dict[str, Any]]:
    """What Spark's own log of the application says so far; a line being written is left out."""
    lines = [x for log in folder.rglob("events_*") for x in log.read_text().splitlines(True)]
    return [json.loads(line) for line in lines if line.endswith("\n")]


def named(folder: Path, name: str) -> list[dict[str, Any]]:
    return [e for e in events(folder) if e["Event"] == f"SparkListener{name}"]


def test_a_worker_killed_in_the_middle_changes_no_byte(
    java: None, ledger_path: Path, bundle: Bundle, tmp_path: Path
) -> None:
    import pyspark

    spark_class = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    logs, conf = tmp_path / "events", tmp_path / "conf"
    logs.mkdir()
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.dir {logs.as_uri()}\n"
        "spark.eventLog.compress false\nspark.eventLog.rolling.enabled true\n"
        "spark.executor.memory 1g\nspark.driver.bindAddress 127.0.0.1\n"
    )
    with ExitStack() as stack:

        def start(name: str, kind: str, *arguments: str) -> tuple[Any, Path]:
            log, own = tmp_path / f"{name}.log", tmp_path / name
            command = [spark_class, f"org.apache.spark.deploy.{kind}", *arguments]
            command += ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
            environ = LOOPBACK | {"SPARK_WORKER_DIR": str(own), "SPARK_LOCAL_DIRS": str(own)}
            return stack.enter_context(process(command, log, environ)), log

        _, log = start("master", "master.Master")
        at = wait_for(lambda: re.search(r"spark://127\.0\.0\.1:\d+", log.read_text()), "master")
        size = ("--cores", "1", "--memory", "1g", at[0])
        workers = [start(f"worker{n}", "worker.Worker", *size) for n in (1, 2)]
        for _, log in workers:
            wait_for(partial(said, log, "Successfully registered"), "worker")
        command = [
            str(Path(sys.executable).with_name("clawback")), "score", "--engine", "spark",
            "--master", at[0], "--ledger", str(ledger_path), "--model", str(bundle.folder),
            "--artifacts", str(tmp_path / "spark"), "--as-of", "2025-04-20 14:00",
        ]  # fmt: skip
        environ = LOOPBACK | {"SPARK_CONF_DIR": str(conf)}
        job = stack.enter_context(process(command, tmp_path / "job.log", environ))
        wait_for(lambda: job.poll() is not None or len(named(logs, "ExecutorAdded")) == 2, "both")
        wait_for(lambda: job.poll() is not None or named(logs, "StageCompleted"), "a stage")
        assert job.poll() is None, (tmp_path / "job.log").read_text()
        kill(workers[0][0])
        assert job.wait(PATIENCE_S) == 0, (tmp_path / "job.log").read_text()
    told = [e["Event"].removeprefix("SparkListener") for e in events(logs)]
    assert "TaskEnd" in told[told.index("ExecutorRemoved") :], "the job was over when it was killed"
    config = ScoreConfig(
        ledger=ledger_path, model=str(bundle.folder), artifacts=tmp_path, as_of="2025-04-20 14:00"
    )
    expected = run_score(config).folder
    found = tmp_path / "spark" / "runs" / expected.name
    assert {p.name: p.read_bytes() for p in found.iterdir()} == {
        p.name: p.read_bytes() for p in expected.iterdir()
    }
