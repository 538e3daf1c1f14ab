"""The readable table of an evaluation: a line for all rows, for each segment and each month."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.bootstrap import Interval
from pipelines.breakdown import Figures, Measured

SHOWN = {
    "auc": "AUC",
    "average_precision": "avg. precision",
    "recall_at_advance_90": "recall at 90 %",
    "calibration_in_the_large": "expected/observed",
    "calibration_slope": "slope",
}
MORE = {
    "gini": "Gini",
    "ks": "KS",
    "log_loss": "log loss",
    "brier": "Brier",
    "brier_reliability": "reliability",
    "brier_resolution": "resolution",
    "brier_uncertainty": "uncertainty",
    "calibration_error": "calibration error",
    "loss_captured_10": "loss captured at 10 %",
    "expected_over_realised": "expected/realised loss",
}
NOTE = (
    "(recall at 90 %: of the bad cases, those among the riskiest tenth; expected/observed and "
    "slope: 1 is right;\n KS, reliability, resolution and calibration error grow with noise: their "
    "intervals say how far they move with other users, not where the truth lies)"
)
DIGITS, SMALL = 3, 0.02
NAME, COUNT, CELL = 28, 8, 25


def told_lines(
    title: str,
    whole: Measured,
    segments: Mapping[str, Sequence[Measured]],
    months: Sequence[Measured],
) -> list[str]:
    """The lines of one head."""
    heading = "".join(f"{name:>{CELL}}" for name in SHOWN.values())
    lines = [f"{title:{NAME}}{'rows':>{COUNT}}{'bad':>{COUNT}}{heading}", _line(whole)]
    for name, figures in whole.beside.items():
        lines.append(f"{'  a ' + name:{NAME + 2 * COUNT}}{_cells(figures)}")
    for name, figures in whole.less.items():
        lines.append(f"{'  ours less the ' + name:{NAME + 2 * COUNT}}{_cells(figures)}")
    for segment, parts in segments.items():
        lines += [f" {segment}", *(_line(m, "  ") for m in parts)]
    lines += [" month", *(_line(m, "  ") for m in months)]
    more = [f"{n} {_interval(whole.figures[k])}" for k, n in MORE.items() if k in whole.figures]
    if not whole.why:
        more.append(f"calibration error of right probabilities {whole.by_chance:.{DIGITS}f}")
    for at in range(0, len(more), 3):
        lines.append(f"  {'; '.join(more[at : at + 3])}")
    return lines


def _line(found: Measured, indent: str = "") -> str:
    counts = f"{indent + found.name:{NAME}}{found.rows:{COUNT},}{found.bad:{COUNT},}"
    return counts + (f"  {found.why}" if found.why else _cells(found.figures))


def _cells(figures: Figures) -> str:
    return "".join(f"{_interval(figures[name]):>{CELL}}" for name in SHOWN)


def _interval(told: Interval) -> str:
    if not np.isfinite(told.value):
        return "-"
    digits = DIGITS if max(abs(told.value), abs(told.upper)) >= SMALL else DIGITS + 2
    value, low, high = (f"{v:.{digits}f}" for v in (told.value, told.lower, told.upper))
    return f"{value} [{low}, {high}]"
