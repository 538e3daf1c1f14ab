"""The readable table of a backtest: a line a month and policy."""

from collections.abc import Sequence

import numpy as np

from models.bootstrap import Interval
from models.support import FEWEST_LOSSES
from pipelines.counting import TOTAL, Count
from pipelines.replay import OURS

NOTE = (
    "(money in units of 100 cents; seen: share of the advances that the count rests on; "
    f"few losses: fewer than {FEWEST_LOSSES} of them, or one user;\n no support: the log never "
    "took some of these actions, took others for certain, or did not note how likely they were)"
)


def told_lines(counts: Sequence[Count], months: Sequence[str]) -> list[str]:
    """Every month, the empty ones by name, and the total."""
    head = f"{'month':9}{'policy':15}{'requests':>9}{'instant':>9}{'at scan':>9}{'seen':>6}"
    lines = [f"{head}{'net value':>30}{'loss':>26}{'less ours':>30}"]
    for month in (*months, TOTAL):
        found = [_line(c) for c in counts if c.month == month]
        lines += found or [f"{month:9}no decisions"]
    return [*lines, NOTE]


def _line(told: Count) -> str:
    counts = f"{told.month:9}{told.policy:15}{told.requests:9,}"
    seen = f"{told.matched:.0%}" if np.isfinite(told.matched) else "-"
    counts += f"{told.instant:9.1%}{told.at_scan:9.1%}{seen:>6}"
    less = "" if told.policy == OURS else _money(told.less)
    return f"{counts}{_money(told.net):>30}{_money(told.loss):>26}{less:>30}"


def _money(told: Interval) -> str:
    if not np.isfinite(told.value):
        return "no support in the log"
    if not np.isfinite(told.lower):
        return f"{told.value / 100:,.0f} [few losses]"
    value, low, high = (f"{x / 100:,.0f}" for x in (told.value, told.lower, told.upper))
    return f"{value} [{low}, {high}]"
