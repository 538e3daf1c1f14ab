"""Calibration by steps: probabilities that may rise wherever the held-out outcomes do.

In: raw scores, outcomes, weights. Out: `x` and `p`, what `steps_at` reads. Isotonic has a
probability at each of its knots and a line between them; Venn-Abers one at each step and one
between any two (`models.venn_abers`).
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression

from models.venn_abers import fewest_steps, merged, step_of, venn_abers

Floats = NDArray[np.float64]


def fit_isotonic(raw: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Pool adjacent violators; one more row with the base rate at either end keeps off 0 and 1.

    The two rows carry the mean of all, so that the mean prediction on the slice stays the mean
    outcome.
    """
    x, back = np.unique(raw, return_inverse=True)
    total = np.bincount(back, weight)
    mean = np.bincount(back, weight * y) / total
    base = float((total @ mean) / total.sum())
    padded = np.concatenate([[base], mean, [base]])
    p = isotonic_regression(padded, sample_weight=np.concatenate([[1.0], total, [1.0]]))[1:-1]
    ends = np.append(True, p[1:] != p[:-1]) | np.append(p[1:] != p[:-1], True)
    return x[ends], p[ends]


def fit_venn_abers(raw: Floats, y: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The merged probability of both outcomes a further row may have."""
    x, p0, p1 = venn_abers(raw, y, weight)
    return fewest_steps(x, merged(p0, p1))


def steps_at(x: Floats, p: Floats, raw: Floats) -> Floats:
    """The probability of each score; Venn-Abers has one more `p` than two for each `x`."""
    return np.asarray(np.interp(raw, x, p) if x.size == p.size else p[step_of(x, raw)])
