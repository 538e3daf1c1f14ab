"""Training as a function of a ledger: fit as of the evaluation's start, judge, fit as of now.

The judged models answer "how good is this recipe on later cases"; the final ones, made by the same
recipe on all matured data, are what scores. No side effects: `pipelines.train` writes and logs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.ledger import Ledger
from features.labels import changed
from features.spine import instant
from features.task import Task
from models.policy import Policy
from pipelines.as_of import stamp
from pipelines.beside import beside, fit_baselines
from pipelines.commands import Tell
from pipelines.decisions import (
    Decisions,
    request_decisions,
    standing_fit_decisions,
    training_start,
    with_priors,
)
from pipelines.evaluation import Verdict, all_metrics, evaluate, evaluation_rows
from pipelines.fingerprint import fingerprint
from pipelines.lessons import Lesson, lessons
from pipelines.modelling import Models, fit_models
from pipelines.plan import heads

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Recipe:
    """What decides how models are made, besides the data.

    `beside` : judge baselines of the main head too; they decide nothing.
    """

    task: Task
    policy: Policy | None
    as_of: pd.Timestamp
    since: str | None
    evaluate_share: float
    evaluate_from: str | None
    disjoint_users: bool
    seed: int
    young: bool = False
    beside: bool = False


@dataclass(frozen=True)
class Trial:
    """The judged models, the rows and figures they were judged on, and what is needed to go on.

    `task` carries the fitted priors; `start` and `judged_from` bound the training time; `ledger` is
    the fingerprint of the data.
    """

    recipe: Recipe
    task: Task
    start: pd.Timestamp
    judged_from: pd.Timestamp
    taught: Mapping[str, Lesson]
    models: Models
    rows: Mapping[str, Mask]
    verdicts: Mapping[str, Verdict]
    metrics: Mapping[str, float]
    ledger: str


def try_recipe(recipe: Recipe, ledger: Ledger, tell: Tell) -> Trial:
    """Fit on what was known when the evaluation period began, and judge on that period.

    Raises
    ------
    ContractError : too little matured history, or one class.
    """
    start = training_start(ledger, recipe.since, recipe.as_of)
    task = with_priors(recipe.task, ledger, start)
    tell(f"computing features from {start:%Y-%m-%d}")
    stages = stage_decisions(task, ledger, start, recipe.as_of)
    taught = lessons(task, ledger, stages, recipe.as_of)
    judged_from = evaluation_start(task, taught, recipe)
    early = lessons(task, ledger, stages, judged_from)
    models = fit_models(task, early, recipe.policy, recipe.seed, tell, young=recipe.young)
    rows = {}
    for head in heads(task):
        lesson = taught[head.stage]
        left_out = _known_users(lesson, early[head.stage], recipe, task, head.target)
        rows[head.name] = evaluation_rows(task, lesson, head, judged_from, left_out)
    tell(f"judging on cases from {judged_from:%Y-%m-%d}")
    verdicts = evaluate(task, models, taught, rows)
    metrics = all_metrics(task, models, taught, rows, verdicts, recipe.policy)
    if recipe.beside:
        main = heads(task)[0]
        fitted = fit_baselines(task, early[main.stage], main, recipe.seed, tell)
        told = beside(fitted, main, taught[main.stage], rows[main.name], verdicts[main.name])
        metrics |= told
    metrics |= turned(task, early, taught, judged_from)
    return Trial(
        recipe,
        task,
        start,
        judged_from,
        taught,
        models,
        rows,
        verdicts,
        metrics,
        fingerprint(ledger),
    )


def turned(
    task: Task, early: Mapping[str, Lesson], now: Mapping[str, Lesson], judged_from: pd.Timestamp
) -> dict[str, float]:
    """How many labels that the judged models learnt say something else today, by head."""
    found = {}
    for head in heads(task):
        before, lesson = early[head.stage], now[head.stage]
        same = (lesson.decisions.cases["as_of"] < judged_from).to_numpy(bool)
        today = lesson.labels[same].reset_index(drop=True)
        then = before.labels.reset_index(drop=True)[before.usable(task, head.target)]
        found[f"{head.name}.labels_changed"] = float(len(changed(then, today, head.target)))
    return found


def fit_final(trial: Trial, tell: Tell) -> Models:
    """The same recipe on all matured data."""
    tell("fitting again on all matured cases")
    recipe = trial.recipe
    return fit_models(
        trial.task, trial.taught, recipe.policy, recipe.seed, tell, young=recipe.young
    )


def stage_decisions(
    task: Task, ledger: Ledger, start: pd.Timestamp, as_of: pd.Timestamp
) -> dict[str, Decisions]:
    """The decisions to learn from, for each stage that has a head."""
    stages = {"request": request_decisions(task, ledger, start, as_of)}
    if any(head.stage == "standing" for head in heads(task)):
        stages["standing"] = standing_fit_decisions(task, ledger, start, as_of)
    return stages


def evaluation_start(task: Task, taught: Mapping[str, Lesson], recipe: Recipe) -> pd.Timestamp:
    """The day asked for, or the midnight from which the latest share of the usable rows lies."""
    if recipe.evaluate_from is not None:
        return stamp(instant(recipe.evaluate_from, "--evaluate-from"))
    head = heads(task)[0]
    ordered = taught[head.stage].usable_times(task, head.target, "training").sort_values()
    place = int((len(ordered) - 1) * (1 - recipe.evaluate_share))
    return pd.Timestamp(ordered.iloc[place]).floor("D")


def _known_users(lesson: Lesson, early: Lesson, recipe: Recipe, task: Task, target: str) -> Mask:
    """Rows of the users fitted on, where the recipe keeps users apart."""
    if not recipe.disjoint_users:
        return np.zeros(len(lesson.decisions), np.bool_)
    fitted = early.decisions.cases["user_id"][early.usable(task, target)]
    return lesson.decisions.cases["user_id"].isin(fitted).to_numpy(bool)
