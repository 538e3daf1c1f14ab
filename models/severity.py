"""Severity: the share of an advance that is not recovered, given that it is clawed back.

In: a table of clawed-back cases, their unrecovered shares, and their amounts as weights. Out:
expected shares whose money is right: on the held-out slice, sum(predicted share x amount) equals
the sum of the losses. Trees in the logit, so that a share never leaves its bounds.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from data.errors import ContractError
from models.boosting import Params, score_table
from models.calibration import expit, fit_shift
from models.fitting import Settings, fit_held_out
from models.inputs import table_to_fit, table_to_predict, target_to_fit, weights_to_fit

Floats = NDArray[np.float64]

# Claw-backs are few: small trees, and leaves that hold a tangible part of them.
SMALL: dict[str, Any] = {
    "n_estimators": 100,
    "learning_rate": 0.05,
    "num_leaves": 8,
    "min_sum_hessian_in_leaf": 2.0,
}


class SeverityModel(RegressorMixin, BaseEstimator):
    """Gradient-boosted trees for a bounded target, shifted so that money balances.

    Parameters
    ----------
    bounds : the least and the largest possible target, (0, 1) for a share; a target outside is
        refused. None takes the range seen in `fit`.
    monotone, params, calibration_share, calibration_folds, gap, refit, random_state,
    num_threads : as in `models.risk.RiskModel`; `params` stand over `SMALL`.

    Attributes
    ----------
    booster_, encoding_, bounds_, shift_ : what predicts; `shift_` is the calibration, in logits.
    """

    def __init__(
        self,
        bounds: tuple[float, float] | None = None,
        monotone: Mapping[str, int] | None = None,
        params: Params | None = None,
        calibration_share: float = 0.2,
        calibration_folds: int = 1,
        gap: timedelta | None = None,
        refit: bool = False,
        random_state: int | np.random.RandomState | None = 0,
        num_threads: int = 0,
    ) -> None:
        self.bounds = bounds
        self.monotone = monotone
        self.params = params
        self.calibration_share = calibration_share
        self.calibration_folds = calibration_folds
        self.gap = gap
        self.refit = refit
        self.random_state = random_state
        self.num_threads = num_threads

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        times: Any = None,
    ) -> Self:
        """Fit and calibrate.

        Parameters
        ----------
        y : shape (n,), share of the amount lost. sample_weight : the amounts; only their ratios
            matter. groups, times : as in `RiskModel.fit`.

        Raises
        ------
        ContractError : a null target, or one outside `bounds`.
        """
        X = table_to_fit(self, X)
        y = np.asarray(target_to_fit(y, X), np.float64)
        weight = weights_to_fit(sample_weight, X)
        self.bounds_ = _bounds(y[weight > 0], self.bounds)
        low, width = self.bounds_[0], self.bounds_[1] - self.bounds_[0]
        # A zero-weight target may lie outside the range seen; its row is dropped later.
        unit = np.clip((y - low) / (width or 1.0), 0.0, 1.0)
        fitted = fit_held_out(X, unit, weight, groups, times, self._settings())
        self.booster_, self.encoding_ = fitted.booster, fitted.encoding
        self.signs_, self.centre_ = fitted.signs, fitted.centre
        late = fitted.late
        self.shift_ = fit_shift(fitted.final[late], fitted.y[late], fitted.weight[late])
        return self

    def predict(self, X: Any) -> Floats:
        """Expected targets, shape (n,), within the bounds."""
        check_is_fitted(self)
        X = table_to_predict(self, X)
        raw = score_table(self.booster_, self.encoding_, X, self.num_threads)
        low, high = self.bounds_
        return low + (high - low) * expit(raw + self.shift_)

    def _settings(self) -> Settings:
        return Settings(
            objective="cross_entropy",
            params=SMALL | dict(self.params or {}),
            monotone=self.monotone,
            share=self.calibration_share,
            folds=self.calibration_folds,
            gap=self.gap,
            refit=self.refit,
            stratify=False,
            relative=True,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            num_threads=self.num_threads,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags


def _bounds(y: Floats, given: tuple[float, float] | None) -> tuple[float, float]:
    if given is None:
        return float(y.min()), float(y.max())
    low, high = given
    outside = np.flatnonzero((y < low) | (y > high))
    if outside.size:
        raise ContractError(
            f"{outside.size} targets are outside [{low:g}, {high:g}] "
            f"(first: row {outside[0]}, {y[outside[0]]:g})",
            where="y",
            fix="a severity is loss / amount, not money",
        )
    return float(low), float(high)
