"""Signals while DuckDB works, which forgets what their handlers raise."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import duckdb

from data.errors import UserError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Raise again what a handler of SIGINT or SIGTERM raised, in place of DuckDB's error.

    Handlers belong to the main thread; elsewhere nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    raised: list[BaseException] = []
    former = {s: signal.getsignal(s) for s in _SIGNALS}
    for number, handler in former.items():
        if callable(handler):
            signal.signal(number, _interrupting(connection, handler, raised))
    try:
        yield
    except (RuntimeError, duckdb.Error, UserError):
        if not raised:
            raise
        raise raised[0] from None
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _interrupting(
    connection: duckdb.DuckDBPyConnection,
    handler: Callable[[int, FrameType | None], Any],
    raised: list[BaseException],
) -> Callable[[int, FrameType | None], None]:
    def call(number: int, frame: FrameType | None) -> None:
        connection.interrupt()  # without it DuckDB's own threads may work to the end
        try:
            handler(number, frame)
        except BaseException as e:
            raised.append(e)
            raise

    return call
