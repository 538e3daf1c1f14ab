"""A signal in the middle of a query ends the process as it would anywhere else."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys, threading
from data.staging import connect
def stop(number, frame):
    raise SystemExit(143)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs are born deaf to it
before = signal.getsignal(signal.SIGTERM)
number = int(sys.argv[1])
threading.Timer(0.5, lambda: os.kill(os.getpid(), number)).start()
try:
    with connect() as connection:
        connection.sql("FROM range(10000000) a, range(10000000) b SELECT sum(a.range)").fetchall()
except KeyboardInterrupt:
    sys.exit(130)
finally:
    assert signal.getsignal(signal.SIGTERM) is before
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_query_is_stopped_by_a_signal(number: signal.Signals, code: int) -> None:
    command = [sys.executable, "-c", PROGRAM, str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (code, "")
