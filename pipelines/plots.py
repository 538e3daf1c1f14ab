"""The three plots of a trained model, as PNG files of the same bytes for the same input."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
