"""The baselines beside a head's model: fitted on the same rows, judged on the same rows.

The trees must earn their place against a logistic regression and a scorecard of the same columns.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from features.task import Task
from models.baselines import LogisticBaseline, baselines, scorecard_installed
from models.figures import report
from pipelines.commands import Tell
from pipelines.evaluation import Verdict
from pipelines.lessons import Lesson
from pipelines.plan import Head
from pipelines.risk_heads import chunked

NO_SCORECARD = "no scorecard beside the models: pip install 'clawback[scorecard]'"


def fit_baselines(
    task: Task, lesson: Lesson, head: Head, seed: int, tell: Tell = lambda _line: None
) -> dict[str, LogisticBaseline]:
    """Every baseline that can be fitted here, on the rows and weights of the head's model."""
    rows = lesson.usable(task, head.target)
    X, y = lesson.decisions.take(rows).X, lesson.labels[head.target].to_numpy()[rows]
    if not scorecard_installed():
        tell(NO_SCORECARD)
    fitted = {}
    for name, model in baselines(seed).items():
        tell(f"fitting a {name} for {head.target} at {head.stage}")
        fitted[name] = model.fit(X, y, sample_weight=lesson.weight()[rows])
    return fitted


def beside(
    models: Mapping[str, LogisticBaseline],
    head: Head,
    lesson: Lesson,
    rows: NDArray[np.bool_],
    verdict: Verdict,
) -> dict[str, float]:
    """The baselines' figures on a head's evaluation rows, by `<head>.<baseline>.<figure>`."""
    X = lesson.decisions.take(rows).X
    named = {}
    for name, model in models.items():
        for figure, value in report(verdict.y, chunked(model, X)).items():
            named[f"{head.name}.{name}.{figure}"] = value
    return named
