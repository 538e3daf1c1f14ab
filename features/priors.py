"""Priors of shrunk rates, fitted once on early rows and then constant.

In: declarations and a frame with the columns of `operands(definitions)`, of rows before the
training period. Out: the same declarations with other constants; the artifact keeps them.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from features.declarations import Composite, Declaration, Rate

Floats = NDArray[np.float64]
LIGHTEST: Final = 1.0  # one case: a rate is never taken at its word alone
HEAVIEST: Final = 1_000.0  # beyond it everybody has the same rate


def operands(definitions: Iterable[Declaration]) -> list[Declaration]:
    """What `fit_priors` needs to see: both sides of every rate, each once."""
    found = {part.name: part for d in definitions for r in _rates(d) for part in (r.a, r.b)}
    return list(found.values())


def fit_priors(definitions: Iterable[Declaration], X: pd.DataFrame) -> list[Declaration]:
    """The declarations with the prior of every rate replaced by what X says.

    The mean is the pooled rate. The weight is how many cases of support one person's own rate must
    have to count as much as the prior: from the spread of the rates beyond what chance explains
    (moments of the beta-binomial). Where `a` is no part of `b`, or X has no support, the weight, or
    the whole prior, stays as declared.

    Examples
    --------
    >>> from features.declarations import Events, Window, rate
    >>> bad, all_ = (Window("user_id", Events(n, n), "count") for n in ("bad", "all"))
    >>> X = pd.DataFrame({bad.name: [0.0, 0, 0, 4], all_.name: [4.0, 4, 4, 4]})
    >>> fit_priors([rate(bad, all_, (0.5, 20))], X)[0].prior
    (0.25, 1.0)
    """
    return [_fitted(d, X) for d in definitions]


def _fitted(d: Declaration, X: pd.DataFrame) -> Declaration:
    if not isinstance(d, Composite):
        return d
    a, b = _fitted(d.a, X), _fitted(d.b, X)
    return replace(d, a=a, b=b, prior=_prior(d, X)) if isinstance(d, Rate) else replace(d, a=a, b=b)


def _rates(d: Declaration) -> list[Rate]:
    if not isinstance(d, Composite):
        return []
    return ([d] if isinstance(d, Rate) else []) + _rates(d.a) + _rates(d.b)


def _prior(rate: Rate, X: pd.DataFrame) -> tuple[float, float]:
    missing = [part.name for part in (rate.a, rate.b) if part.name not in X]
    if missing:
        fix = "compute X with features(operands(definitions), ledger, cases)"
        raise ContractError(f"columns {missing} are missing", where="fit_priors", fix=fix)
    a, b = (X[part.name].to_numpy(np.float64) for part in (rate.a, rate.b))
    seen = (b > 0) & np.isfinite(a)
    a, b = a[seen], b[seen]
    if not len(a):
        return rate.prior
    mean = float(a.sum() / b.sum())
    if (a > b).any() or not 0 < mean < 1:
        return mean, rate.prior[1]
    return mean, _weight(a, b, mean)


def _weight(a: Floats, b: Floats, mean: float) -> float:
    """Moments: E (a - b m)^2 = m (1 - m) b (1 + (b - 1) rho), and weight = 1 / rho - 1."""
    chance = mean * (1 - mean) * b
    pairs = float((chance * (b - 1)).sum())
    excess = float(((a - b * mean) ** 2 - chance).sum())
    rho = excess / pairs if pairs > 0 else 0.0
    weight = 1 / rho - 1 if rho > 0 else HEAVIEST
    return float(np.clip(weight, LIGHTEST, HEAVIEST))
