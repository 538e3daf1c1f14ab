"""Plots of models and of their evaluation, as PNG files of the same bytes for the same input."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bootstrap import Interval, draw_users

Array = NDArray[Any]


def plot_model(y: Array, p: Array, points: Array, folder: Path, name: str) -> list[Path]:
    """Calibration curve, precision against recall, points by outcome; files in `folder`.

    Parameters
    ----------
    y, p, points : shape (n,), outcome 0/1, probability, score points.
    """
    from matplotlib.figure import Figure  # without pyplot: no window system, no global state

    drawings = {"calibration": _calibration, "precision_recall": _precision, "points": _points}
    paths = []
    for kind, draw in drawings.items():
        figure = Figure(figsize=(5, 4), layout="tight")
        draw(figure.subplots(), y, p, points)
        paths.append(folder / f"{name}_{kind}.png")
        figure.savefig(paths[-1], dpi=100, metadata={"Software": None})
    return paths


def plot_evaluation(
    y: Array,
    p: Array,
    users: Array,
    months: Mapping[str, Mapping[str, Interval]],
    path: Path,
    title: str,
) -> Path:
    """Calibration by tenth with intervals by user, and figures by month with theirs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), layout="tight")
    curve, rank, level = figure.subplots(1, 3)
    _calibration_by_user(curve, y, p, users)
    for axes, name, shown in (
        (rank, "auc", "AUC"),
        (level, "calibration_in_the_large", "expected / observed"),
    ):
        _by_month(axes, {m: told[name] for m, told in months.items() if name in told})
        axes.set(title=shown)
    level.axhline(1, linestyle="--", color="grey")
    figure.suptitle(title)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    return path


def plot_policies(
    months: Sequence[str], money: Mapping[str, Sequence[Interval]], path: Path, unit: str
) -> Path:
    """Money of each policy by month with intervals; NaN where a month has none."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6.0, 1.6 * len(months)), 4.5), layout="tight")
    axes = figure.subplots()
    place = np.arange(len(months), dtype=float)
    for shift, (name, told) in zip(np.linspace(-0.3, 0.3, len(money)), money.items(), strict=True):
        _bars(axes, place + shift, list(told), name)
    axes.axhline(0, linestyle="--", color="grey")
    axes.set_xticks(place, list(months))
    axes.set(ylabel=f"net value ({unit})", title="What each policy was worth, month by month")
    axes.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, dpi=100, metadata={"Software": None})
    return path


def _calibration_by_user(axes: Any, y: Array, p: Array, users: Array) -> None:
    order = np.argsort(p, kind="stable")
    tenth = np.empty(p.size, np.int64)
    tenth[order] = np.arange(p.size) * min(10, p.size) // p.size
    size = int(tenth.max()) + 1
    told = np.bincount(tenth, p) / np.bincount(tenth)
    seen = np.bincount(tenth, y) / np.bincount(tenth)
    drawn = np.array(
        [
            np.bincount(tenth, w * y, size) / np.maximum(np.bincount(tenth, w, size), 1e-9)
            for w in draw_users(users, 200, 0)
        ]
    )
    lower, upper = np.quantile(drawn, [0.025, 0.975], axis=0)
    top = max(float(told.max()), float(upper.max()), 1e-6)
    axes.plot([0, top], [0, top], "--", color="grey")
    bars = np.maximum([seen - lower, upper - seen], 0)
    axes.errorbar(told, seen, bars, fmt="o-", capsize=2)
    axes.set(xlabel="predicted probability", ylabel="observed share", title="calibration")


def _by_month(axes: Any, told: Mapping[str, Interval]) -> None:
    place = np.arange(len(told), dtype=float)
    _bars(axes, place, list(told.values()), "")
    axes.set_xticks(place, list(told))


def _bars(axes: Any, place: Array, told: Sequence[Interval], label: str) -> None:
    value, lower, upper = np.array([(i.value, i.lower, i.upper) for i in told]).reshape(-1, 3).T
    bars = np.maximum(np.nan_to_num([value - lower, upper - value]), 0)
    axes.errorbar(place, value, bars, fmt="o", capsize=2, label=label)


def _calibration(axes: Any, y: Array, p: Array, _points: Array) -> None:
    groups = np.array_split(np.argsort(p, kind="stable"), min(10, p.size))
    told = [p[g].mean() for g in groups]
    seen = [y[g].mean() for g in groups]
    top = max(*told, *seen, 1e-6) if len(told) > 1 else 1.0
    axes.plot([0, top], [0, top], "--", color="grey")
    axes.plot(told, seen, "o-")
    axes.set(xlabel="predicted probability", ylabel="observed share", title="Calibration")


def _precision(axes: Any, y: Array, p: Array, _points: Array) -> None:
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(y[order])
    rank = np.arange(1, y.size + 1)
    axes.plot(hits / max(hits[-1], 1), hits / rank)
    axes.set(xlabel="recall", ylabel="precision", title="Precision against recall", ylim=(0, 1))


def _points(axes: Any, y: Array, _p: Array, points: Array) -> None:
    edges = np.linspace(points.min(), points.max() + 1e-9, 31)
    for outcome, label in ((0, "good"), (1, "bad")):
        axes.hist(points[y == outcome], edges, density=True, alpha=0.6, label=label)
    axes.set(xlabel="points", ylabel="density", title="Points by outcome")
    axes.legend()
