"""Signals that end a job: raised where they arrive, and remembered.

Python prints and forgets an exception that is raised inside a destructor or a callback of a weak
reference, and a library may turn it into one of its own. So whoever gets a signal also remembers
it: the job asks at each of its steps, and its exit code is the signal's, whatever was raised.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Stop:
    """Whether the job was told to stop: `code` is 128 + the signal's number, 0 for not yet."""

    code: int = 0

    def check(self) -> None:
        """Leave through every `finally`, if a signal came and was lost."""
        if self.code:
            raise SystemExit(self.code)

    def receive(self, number: int, _frame: object) -> None:
        """Handle a signal; locks are released and tracked runs end on the way out."""
        self.code = 128 + number
        raise SystemExit(self.code)


@contextmanager
def listening() -> Iterator[Stop]:
    """Hear SIGTERM and SIGINT, unless the parent wants them ignored (`nohup`), until the end."""
    stop = Stop()
    wanted = (signal.SIGTERM, signal.SIGINT)
    former = {n: signal.getsignal(n) for n in wanted if signal.getsignal(n) != signal.SIG_IGN}
    for number in former:
        signal.signal(number, stop.receive)
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
