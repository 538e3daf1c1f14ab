"""The credit score: calibrated probabilities on a scorecard's scale (Siddiqi).

600 points at odds of 30 good to 1 bad; every 20 points double the odds. More points are safer.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError, UsageError

POINTS, ODDS, PDO = 600.0, 30.0, 20.0
_FACTOR = PDO / np.log(2.0)
_OFFSET = POINTS - _FACTOR * np.log(ODDS)


def points(p: ArrayLike) -> NDArray[np.float64]:
    """Points of probabilities of the bad outcome; a missing probability has none (NaN).

    >>> points([1 / 31, 1 / 61]).round(6).tolist()
    [600.0, 620.0]

    Raises
    ------
    ContractError : a probability outside the open interval (0, 1).
    """
    p = np.asarray(p, np.float64)
    wrong = (p <= 0) | (p >= 1)
    if wrong.any():
        raise ContractError(
            f"{int(wrong.sum())} probabilities are not between 0 and 1 (first: {p[wrong][0]:g})",
            where="points",
            fix="give calibrated probabilities of the bad outcome",
        )
    return np.asarray(_OFFSET + _FACTOR * (np.log1p(-p) - np.log(p)), np.float64)


def probability(points: ArrayLike) -> NDArray[np.float64]:
    """Inverse of `points`."""
    odds = np.exp((np.asarray(points, np.float64) - _OFFSET) / _FACTOR)
    return np.asarray(1 / (1 + odds), np.float64)


def tiers(points: ArrayLike, cuts: Mapping[str, float], below: str = "D") -> NDArray[np.object_]:
    """The tier of each score: the first whose cut it reaches, `below` under all; NaN is None.

    Parameters
    ----------
    cuts : lowest points of each tier, best tier first, strictly falling.
    """
    limits = np.array(list(cuts.values()), np.float64)
    if (np.diff(limits) >= 0).any():
        raise UsageError("cuts are not falling", where="tiers", fix="name the best tier first")
    scores = np.asarray(points, np.float64)
    names = np.array([*cuts, below], dtype=object)
    place = (scores[..., None] < limits).sum(axis=-1)
    return np.asarray(np.where(np.isnan(scores), None, names[place]), dtype=object)
