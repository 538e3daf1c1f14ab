import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.commands import TrainConfig
from pipelines.stopping import Stop, listening
from pipelines.tracking import CHAMPION, open_store, version_of
from pipelines.train import run_train

JOB = """
import os, signal, sys, weakref
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs are born deaf to it
from pipelines import simulate
from pipelines.cli import main
def kill(_ref=None):
    os.kill(os.getpid(), int(sys.argv[1]))
def lost(_config, tell):
    thing = Stopped()
    ref = weakref.ref(thing, kill)
    del thing  # what is raised in the callback is printed and forgotten
    tell("next step")
    print("went on")
def changed(_config, tell):
    try:
        kill()
    except BaseException:
        raise RuntimeError("Query interrupted")
class Stopped: pass
simulate.run_simulate = globals()[sys.argv[2]]
sys.exit(main(["simulate", "--out", "x"]))
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("job", ["lost", "changed"])
def test_a_signal_ends_the_job_whatever_became_of_its_exception(
    sent: signal.Signals, code: int, job: str
) -> None:
    command = [sys.executable, "-c", JOB, str(int(sent)), job]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout == ""
    assert "RuntimeError" not in done.stderr


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with listening() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            stop.check()
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with listening():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("step", ["registering the final", "pointing"])
def test_a_training_that_lost_a_signal_crowns_no_model(
    ledger_path: Path, quick_task: str, tmp_path: Path, step: str
) -> None:
    stop = Stop()

    def tell(line: str) -> None:
        stop.code = 143 if line.startswith(step) else 0
        stop.check()

    config = TrainConfig(
        ledger=ledger_path, task=quick_task, artifacts=tmp_path, as_of="2025-03-01"
    )
    with pytest.raises(SystemExit):
        run_train(config, tell)
    store = open_store(tmp_path, None, config.experiment)
    assert version_of(store, CHAMPION) is None
    (run,) = store.client.search_runs([store.experiment_id])
    assert run.info.status == "KILLED"
