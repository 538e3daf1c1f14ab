"""Logged propensities: are they probabilities, what do they weigh, and where is no support.

In: per request the probabilities of the actions that were logged, stage by stage, and whether each
is the policy's. Out: weights, the requests the policy could not have followed, and a test of
support that needs no probability of an action that was not taken.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from data.errors import ContractError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
CERTAIN = 1 - 1e-9


def checked_propensity(prob: ArrayLike, name: str = "act_prob") -> Floats:
    """Probabilities of actions that were taken, in (0, 1]; a null stays null.

    Raises
    ------
    ContractError : one that is 0 (what was taken was possible), negative or above 1.
    """
    p = np.asarray(prob, np.float64)
    wrong = ~np.isnan(p) & ~((p > 0) & (p <= 1))
    if wrong.any():
        row, value = int(np.nonzero(wrong)[0][0]), float(p[wrong][0])
        raise ContractError(
            f"{int(wrong.sum())} logged propensities cannot be (first: row {row}, {value:g})",
            where=name,
            fix="log the probability, above 0 and at most 1, with which the action was drawn",
        )
    return p


@dataclass(frozen=True)
class Weights:
    """What the log gives each request.

    `weight` : 1 / propensity where the log follows the policy, else 0. `missing` : a propensity is
    not logged. `impossible` : another action was taken for certain, so the policy's had
    probability 0.
    """

    weight: Floats
    missing: Mask
    impossible: Mask


def weights(prob: ArrayLike, matches: ArrayLike) -> Weights:
    """Weights of logged paths, multiplied over the stages decided while nothing was paid.

    Parameters
    ----------
    prob : shape (n,) or (n, stages), the logged probability of each action taken; null where it
        is not logged, 1 where a stage was not decided.
    matches : the same shape, whether the action is the policy's; True where a stage was not
        decided.

    Examples
    --------
    >>> weights([[0.5, 0.8], [0.5, 1.0]], [[True, True], [True, False]]).weight
    array([2.5, 0. ])
    """
    p, same = _by_stage(checked_propensity(prob)), _by_stage(np.asarray(matches, np.bool_))
    # the first stage at which the two part decides; what the log did later, the policy never met
    before = np.cumprod(np.column_stack([np.ones(len(p), np.bool_), same[:, :-1]]), axis=1) > 0
    missing: Mask = np.any(np.isnan(p) & before, axis=1)
    impossible: Mask = np.any(before & ~same & (p > CERTAIN), axis=1)
    follows = np.all(same, axis=1) & ~missing
    chance = np.where(follows, np.where(follows[:, None], p, 1.0).prod(axis=1), 1.0)
    return Weights(np.where(follows, 1 / chance, 0.0), missing, impossible)


def _by_stage(values: NDArray[Any]) -> NDArray[Any]:
    return values[:, None] if values.ndim == 1 else values


def support_p_value(weight: ArrayLike, largest: float) -> float:
    """How likely so small a sum of weights is, if every request had support.

    With support each weight has mean 1 given all that came before, whatever the users; being
    never negative, their sum falls short of n by t with a chance of at most
    exp(-t^2 / (2 sum of E[weight^2])) (Maurer 2003). The squares are those seen and one more of
    the `largest` weight, so that rows without any match are judged, too.
    """
    w = np.asarray(weight, np.float64)
    short = len(w) - float(w.sum())
    if short <= 0:
        return 1.0
    return float(np.exp(-(short**2) / (2 * (float(w @ w) + largest**2))))
