"""Every estimator keeps scikit-learn's own laws; there is no list of exceptions."""

from collections.abc import Callable

from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.baselines import LogisticBaseline, ScorecardBaseline
from models.risk import RiskModel
from models.severity import SeverityModel


@parametrize_with_checks(
    [
        RiskModel(num_threads=1),
        SeverityModel(num_threads=1),
        LogisticBaseline(),
        ScorecardBaseline(),
    ]
)
def test_estimators_keep_scikit_learns_laws(
    estimator: BaseEstimator, check: Callable[[BaseEstimator], None]
) -> None:
    check(estimator)
