"""The risk model: a calibrated probability of the bad outcome, for any table.

In: a table (numbers, categories, text, nulls) and a 0/1 target of matured rows. Out: calibrated
probabilities. Points, reasons and saving are functions of other modules.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from models.boosting import Params, score_table
from models.calibration import calibrate, check_method, fit_calibrator, with_level
from models.fitting import Settings, fit_held_out
from models.inputs import (
    table_to_fit,
    table_to_predict,
    target_to_fit,
    two_classes,
    weights_to_fit,
)

Floats = NDArray[np.float64]


class RiskModel(ClassifierMixin, BaseEstimator):
    """Gradient-boosted trees with signs, calibrated on rows they were not fitted on.

    Parameters
    ----------
    monotone : sign (-1, 0, 1) by column name.
    params : LightGBM's, by canonical names and `n_estimators`, over `models.boosting.DEFAULTS`.
        Class weights are refused: they would bend the probabilities.
    calibration : "spline" (bends as far as its outcomes can say), "beta", "sigmoid", "temperature",
        "isotonic" or "venn_abers" (steps, from 100 rows of the rarer outcome on; where a curve is
        right they cost log loss until there are thousands), or "none" (for studies).
    calibration_share : share of the rows held out to calibrate: with `times` the latest, with
        `groups` alone whole groups, else a share of each class.
    calibration_folds : with `times` and `refit`, the slices of time into which all rows are cut,
        each scored by trees of what is further away than the gap: more outcomes, and not one
        season's. The latest `calibration_share` of them says how high the level is.
    gap : with `times`, rows this close before the calibration slice are set aside; as long as the
        label's horizon.
    refit : train once more on all rows after calibrating. The calibrator then has its shape from
        sisters of the final trees, fitted on fewer rows, and its level from the final ones.
    random_state : seed of the trees, and of the hold-out where there are no times.
    num_threads : 0 takes all.

    Attributes
    ----------
    booster_, calibrator_, encoding_, classes_ : what predicts.
    held_out_proba_ : per row of X the bad outcome's probability by trees that have not seen the row
        (NaN where all have): what to study the model with on the rows that taught it.
    signs_, centre_ : per column, the sign and the median; `models.explain` reads them.
    n_fit_, n_calibrate_ : distinct rows in each slice.
    """

    def __init__(
        self,
        monotone: Mapping[str, int] | None = None,
        params: Params | None = None,
        calibration: str = "spline",
        calibration_share: float = 0.2,
        calibration_folds: int = 1,
        gap: timedelta | None = None,
        refit: bool = False,
        random_state: int | np.random.RandomState | None = 0,
        num_threads: int = 0,
    ) -> None:
        self.monotone = monotone
        self.params = params
        self.calibration = calibration
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
        """Fit and calibrate; the order of the rows does not matter.

        Parameters
        ----------
        X : shape (n, columns); y : shape (n,), two classes, the larger is the bad outcome.
        times : decision times; the latest slice then calibrates.
        groups : users; without `times` none is both fitted and calibrated on.

        Raises
        ------
        ContractError : null targets, one class (in all or in a slice), infinite numbers.
        UsageError : an unknown parameter or a sign of an unknown column.
        """
        check_method(self.calibration)
        X = table_to_fit(self, X)
        y = target_to_fit(y, X)
        weight = weights_to_fit(sample_weight, X)
        self.classes_, target = two_classes(y, weight)
        fitted = fit_held_out(X, target, weight, groups, times, self._settings())
        self.booster_, self.encoding_ = fitted.booster, fitted.encoding
        self.signs_, self.centre_ = fitted.signs, fitted.centre
        y, weight = fitted.y, fitted.weight
        shape = fit_calibrator(self.calibration, fitted.raw, y, weight, fitted.part)
        late = fitted.late
        level = with_level(shape, fitted.final[late], y[late], weight[late])
        self.calibrator_ = level if self.refit else shape
        self.held_out_proba_ = np.full(len(X), np.nan)
        self.held_out_proba_[fitted.rows] = calibrate(shape, fitted.raw)
        self.n_fit_, self.n_calibrate_ = fitted.n_fit, fitted.raw.size
        return self

    def raw_score(self, X: Any) -> Floats:
        """Log-odds before calibration, shape (n,)."""
        check_is_fitted(self)
        X = table_to_predict(self, X)
        return score_table(self.booster_, self.encoding_, X, self.num_threads)

    def predict_proba(self, X: Any) -> Floats:
        """Calibrated probabilities, shape (n, 2), columns as in `classes_`; never 0 or 1."""
        raw = self.raw_score(X)
        p = calibrate(self.calibrator_, raw)
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class; decisions are made of probabilities and money instead."""
        likely = self.predict_proba(X)[:, 1] > 0.5
        return np.asarray(self.classes_[likely.astype(int)])

    def _settings(self) -> Settings:
        return Settings(
            objective="binary",
            params=self.params,
            monotone=self.monotone,
            share=0.0 if self.calibration == "none" else self.calibration_share,
            folds=self.calibration_folds,
            gap=self.gap,
            refit=self.refit,
            stratify=True,
            relative=False,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            num_threads=self.num_threads,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags
