"""The risk model of one head: fitted on what a lesson holds, and asked of any request.

In: a lesson (`pipelines.lessons`) and a head of the task. Out: a calibrated `RiskModel`, and its
probabilities, those of its own rows as if it had not seen them.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError
from features.task import Task
from models.risk import RiskModel
from models.young import with_young
from pipelines.lessons import Lesson
from pipelines.plan import AT_REQUEST, BLAME, Head, horizon

FEWEST_OUTCOMES = 10  # of each class: a level known to a third, and no less
CALIBRATION_SHARE, CALIBRATION_FOLDS = 0.5, 5  # level of the later half, shape of five slices
REQUEST_HEADS = {"p_claw": AT_REQUEST, "p_abuse": BLAME}


def fit_risk(
    task: Task, lesson: Lesson, head: Head, seed: int, *, young: bool = False
) -> RiskModel:
    """The calibrated model of one head.

    Raises
    ------
    ContractError : no matured row, or too few outcomes of one class.
    """
    times = lesson.usable_times(task, head.target, "training")
    rows = lesson.usable(task, head.target)
    X, y = lesson.decisions.take(rows).X, lesson.labels[head.target].to_numpy()[rows]
    _check_outcomes(y, head, times)
    weight = lesson.weight()[rows]
    model = _unfitted(task, head, X, seed)
    model.fit(X, y, times=times, sample_weight=weight)
    return _fit_with_young(task, lesson, head, seed, model) if young else model


def _unfitted(task: Task, head: Head, X: pd.DataFrame, seed: int) -> RiskModel:
    return RiskModel(
        monotone=task.signs(head.target, X.columns),
        params=task.params(head.target),
        calibration="spline",
        calibration_share=CALIBRATION_SHARE,
        calibration_folds=CALIBRATION_FOLDS,
        gap=horizon(task, head.target),
        refit=True,
        random_state=seed,
        num_threads=2,
    )


def _fit_with_young(
    task: Task, lesson: Lesson, head: Head, seed: int, matured: RiskModel
) -> RiskModel:
    """The model again, young cases being bad with the chance that `matured` gives them."""
    old, young = (np.flatnonzero(m) for m in (lesson.usable(task, head.target),
                                              lesson.open(task, head.target)))  # fmt: skip
    at = np.concatenate([old, young])
    X = lesson.decisions.X.iloc[at]
    known = lesson.so_far.iloc[at]
    age = (lesson.moment - known["begin_ts"]).dt.total_seconds().to_numpy(np.float64)
    days = (known[head.target] - known["begin_ts"]).dt.total_seconds().to_numpy(np.float64)
    span = horizon(task, head.target).total_seconds()
    taught = with_young(days, age, span, chunked(matured, X), lesson.weight()[at])
    times = lesson.decisions.cases["as_of"].iloc[at].iloc[taught.rows]
    model = _unfitted(task, head, X, seed)
    model.fit(X.iloc[taught.rows], taught.y, times=times, sample_weight=taught.weight)
    model.held_out_proba_ = model.held_out_proba_[: len(old)]  # of the rows with a label
    return model


def _check_outcomes(y: NDArray[np.float64], head: Head, times: "pd.Series[pd.Timestamp]") -> None:
    """Refuse to calibrate on a handful of outcomes."""
    bad = int((y == 1).sum())
    if min(bad, y.size - bad) < FEWEST_OUTCOMES:
        first, last = (f"{moment:%Y-%m-%d}" for moment in (times.min(), times.max()))
        raise ContractError(
            f"{bad} of {y.size} matured cases of {head.target} are bad; {FEWEST_OUTCOMES} of each "
            "outcome are needed to calibrate on",
            where=f"{head.target} at {head.stage}, cases {first} to {last}",
            fix="give a longer history, a later first fold, or look at the label",
        )


def unseen_risks(task: Task, lesson: Lesson, risk: Mapping[str, RiskModel]) -> pd.DataFrame:
    """`request_risks` of the rows that taught the models, as if they had not.

    Trees know the outcome of a row they were fitted on; what is learnt from their predictions
    about losses and scans would not hold for the next request.
    """
    risks = request_risks(risk, lesson.decisions.X)
    for name, head in REQUEST_HEADS.items():
        rows = np.flatnonzero(lesson.usable(task, head.target))
        held_out = risk[head.name].held_out_proba_
        unseen = np.isfinite(held_out)
        risks.loc[rows[unseen], name] = held_out[unseen]
    return risks


def request_risks(risk: Mapping[str, RiskModel], X: pd.DataFrame) -> pd.DataFrame:
    """`p_claw` and `p_abuse` of requests."""
    columns = {name: chunked(risk[head.name], X) for name, head in REQUEST_HEADS.items()}
    return pd.DataFrame(columns, index=X.index)


def chunked(model: Any, X: pd.DataFrame, rows: int = 100_000) -> NDArray[np.float64]:
    """Probabilities of the bad outcome, a block of rows at a time."""
    parts = [model.predict_proba(X.iloc[at : at + rows])[:, 1] for at in range(0, len(X), rows)]
    return np.concatenate(parts) if parts else np.empty(0)
