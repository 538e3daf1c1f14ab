"""How far a long job is: what is done, how fast it goes, how long it will still take."""

import time
from collections.abc import Callable

from pipelines.commands import Tell

Told = Callable[[int, int], None]


def counted(tell: Tell, unit: str, clock: Callable[[], float] = time.monotonic) -> Told:
    """What a job calls with the units done and all of them.

    >>> ticks = iter([0.0, 2.0, 8.0])
    >>> told = counted(print, "events", lambda: next(ticks))
    >>> told(1_000, 4_000)
    [#####...............]  25%  1,000 of 4,000 events, 500/s, 6 s left
    >>> told(4_000, 4_000)
    [####################] 100%  4,000 of 4,000 events, 500/s
    """
    start = clock()

    def told(done: int, whole: int) -> None:
        share = done / whole if whole else 1.0
        speed = done / max(clock() - start, 1e-9)
        bar = f"{'#' * int(20 * share):.<20}"
        left = f", {(whole - done) / speed:,.0f} s left" if done < whole and speed else ""
        tell(f"[{bar}] {share:4.0%}  {done:,} of {whole:,} {unit}, {speed:,.0f}/s{left}")

    return told
