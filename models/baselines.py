"""The two models that a risk team would have without this project: a logistic one, a scorecard.

In: what `models.risk.RiskModel` takes. Out: probabilities from the same interface. They stand
beside every evaluation, so that trees must earn their place. Neither calibrates on later time: a
regression's mean probability is the mean outcome of what it was fitted on.

The scorecard's bins are `optbinning`'s (`pip install 'clawback[scorecard]'`): monotone, as few as
the outcomes ask for; each bin is worth its weight of evidence, and a regression adds them up.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from data.errors import UsageError
from models.binning import Bins, fit_bins, information_value, woe
from models.encode import Encoding, Matrix, encode, learn_encoding
from models.inputs import (
    check_lengths,
    table_to_fit,
    table_to_predict,
    target_to_fit,
    two_classes,
    weights_to_fit,
)
from models.rows import content_keys

Floats = NDArray[np.float64]

MOST_ROWS = 50_000  # a regression and its bins have learnt all they can by then
FARTHEST = 5.0  # standard deviations: one odd amount must not decide
USELESS = 0.02  # information value below which a scorecard leaves a characteristic out (Siddiqi)


class LogisticBaseline(ClassifierMixin, BaseEstimator):
    """Logistic regression: means for nulls, a column that says null, scaled, one-hot, L2.

    Parameters
    ----------
    strength : of the penalty; a hundred times scikit-learn's, for columns are many and say much the
        same, and bad cases are few.
    most_rows : with more rows, so many of them are fitted on, chosen by a hash of their content.
    random_state : seed of that choice.

    Attributes
    ----------
    encoding_, classes_, coef_, intercept_ : what predicts. n_fit_ : rows fitted on.
    """

    def __init__(
        self, strength: float = 100.0, most_rows: int = MOST_ROWS, random_state: int = 0
    ) -> None:
        self.strength = strength
        self.most_rows = most_rows
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        times: Any = None,
    ) -> Self:
        """Fit; `groups` and `times` are taken as `RiskModel.fit` takes them, and not needed.

        Raises
        ------
        ContractError : null targets, one class, infinite numbers.
        UsageError : a penalty or a number of rows that is not above 0.
        """
        for name, value in (("strength", self.strength), ("most_rows", self.most_rows)):
            if not value > 0:
                raise UsageError(f"{name} = {value!r}", where=name, fix="give a number above 0")
        matrix, target, weight = _lesson(self, X, y, sample_weight, groups, times)
        self._learn_columns(matrix, target, weight)
        model = LogisticRegression(C=1 / self.strength, max_iter=2_000)
        model.fit(self._columns(matrix), target, sample_weight=weight)
        self.coef_, self.intercept_ = model.coef_[0], float(model.intercept_[0])
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities, shape (n, 2), columns as in `classes_`."""
        check_is_fitted(self)
        raw = self._columns(_encoded(self, X)) @ self.coef_ + self.intercept_
        bad = np.clip(1 / (1 + np.exp(-np.clip(raw, -500, 500))), 1e-9, 1 - 1e-9)
        return np.column_stack([1 - bad, bad])

    def predict(self, X: Any) -> NDArray[Any]:
        """The likelier class."""
        likely = self.predict_proba(X)[:, 1] > 0.5
        return np.asarray(self.classes_[likely.astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _learn_columns(self, matrix: Matrix, _target: Floats, weight: Floats) -> None:
        self.centre_ = np.zeros(matrix.shape[1])
        self.scale_ = np.ones(matrix.shape[1])
        self.nulls_ = np.flatnonzero(np.isnan(matrix).any(axis=0))
        for j in _numbers(self.encoding_):
            known = ~np.isnan(matrix[:, j])
            if known.any():
                values, w = matrix[known, j].astype(np.float64), weight[known]
                self.centre_[j] = np.average(values, weights=w)
                self.scale_[j] = np.sqrt(np.average((values - self.centre_[j]) ** 2, weights=w))
        self.scale_[self.scale_ == 0] = 1.0

    def _columns(self, matrix: Matrix) -> Floats:
        numbers = _numbers(self.encoding_)
        values = (matrix[:, numbers] - self.centre_[numbers]) / self.scale_[numbers]
        parts = [np.clip(np.nan_to_num(values), -FARTHEST, FARTHEST)]
        parts.append(np.isnan(matrix[:, self.nulls_]).astype(np.float64))
        for j in self.encoding_.categorical:
            known = self.encoding_.categories[self.encoding_.columns[j]]
            parts.append((matrix[:, j, None] == np.arange(len(known))).astype(np.float64))
        return np.column_stack(parts)


class ScorecardBaseline(LogisticBaseline):
    """A scorecard: weights of evidence of monotone bins, added up by a regression.

    Parameters
    ----------
    strength, most_rows, random_state : see `LogisticBaseline`.

    Attributes
    ----------
    bins_ : the bins of each characteristic that is informative enough, by its position.

    Raises
    ------
    UsageError : from `fit`, if optbinning is not installed.
    """

    def __init__(
        self, strength: float = 10.0, most_rows: int = MOST_ROWS, random_state: int = 0
    ) -> None:
        super().__init__(strength, most_rows, random_state)

    def _learn_columns(self, matrix: Matrix, target: Floats, weight: Floats) -> None:
        if not scorecard_installed():
            fix = "pip install 'clawback[scorecard]'"
            raise UsageError("the scorecard needs optbinning", fix=fix)
        self.bins_: Mapping[int, Bins] = {}
        for j, name in enumerate(self.encoding_.columns):
            text = name in self.encoding_.categories
            bins = fit_bins(matrix[:, j].astype(np.float64), target, weight, text=text)
            if information_value(bins) >= USELESS:
                self.bins_ = {**self.bins_, j: bins}

    def _columns(self, matrix: Matrix) -> Floats:
        told = [woe(bins, matrix[:, j].astype(np.float64)) for j, bins in self.bins_.items()]
        return np.column_stack([*told, np.zeros(len(matrix))])  # one column if none informs


def scorecard_installed() -> bool:
    """Whether `ScorecardBaseline` can be fitted here."""
    return find_spec("optbinning") is not None


def baselines(random_state: int = 0) -> dict[str, LogisticBaseline]:
    """Every baseline that can be fitted here, by name."""
    models: dict[str, LogisticBaseline] = {"logistic": LogisticBaseline(random_state=random_state)}
    if scorecard_installed():
        models["scorecard"] = ScorecardBaseline(random_state=random_state)
    return models


def _lesson(
    model: LogisticBaseline, X: Any, y: ArrayLike, sample_weight: Any, groups: Any, times: Any
) -> tuple[Matrix, Floats, Floats]:
    X = table_to_fit(model, X)
    y = target_to_fit(y, X)
    weight = weights_to_fit(sample_weight, X)
    check_lengths(len(X), groups=groups, times=times)
    model.classes_, target = two_classes(y, weight)
    model.encoding_ = learn_encoding(X)
    matrix = encode(model.encoding_, X)
    some = np.flatnonzero(weight > 0)
    if some.size > model.most_rows:
        chance = content_keys(matrix, seed=model.random_state)[some]
        some = np.sort(some[np.argsort(chance, kind="stable")[: model.most_rows]])
    model.n_fit_ = int(some.size)
    return matrix[some], target[some], weight[some]


def _encoded(model: LogisticBaseline, X: Any) -> Matrix:
    return encode(model.encoding_, table_to_predict(model, X))


def _numbers(encoding: Encoding) -> NDArray[np.int64]:
    """Positions of the columns that hold numbers."""
    return np.setdiff1d(np.arange(len(encoding.columns)), np.array(encoding.categorical, int))
