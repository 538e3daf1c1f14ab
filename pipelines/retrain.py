"""`clawback retrain`: a candidate against the champion on the same later cases; the better rules.

Both are judged models: each was fitted before the period begins, so neither has seen it. Only a
candidate that is surely not worse in one of log loss and captured loss, and surely better in the
other, becomes champion; it is then fitted again on all matured data, and both are recorded.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from data.errors import GateError, ModelError, NothingToDoError
from data.ledger import Ledger
from data.lock import locked
from models.bootstrap import Comparison, compare
from pipelines.bundle import Bundle
from pipelines.champion import bundle_of
from pipelines.commands import RetrainConfig, Tell
from pipelines.decisions import request_decisions
from pipelines.evaluation import FEWEST_BAD
from pipelines.plan import heads
from pipelines.risk_heads import chunked
from pipelines.runs import reap, tracked_run
from pipelines.tracking import (
    CHALLENGER,
    CHAMPION,
    Store,
    log_facts,
    move_alias,
    open_store,
    version_of,
)
from pipelines.train import LOCK, Registered, TrainResult, log_trial, prepare, save
from pipelines.training import Trial, fit_final, try_recipe

KEPT = 10


@dataclass(frozen=True)
class _Champion:
    """The judged twin of the model in force, and its version."""

    version: str
    twin: Bundle


def run_retrain(config: RetrainConfig, tell: Tell = lambda _line: None) -> TrainResult:
    """Train a candidate; promote it if it beats the champion, else keep the champion (exit 10).

    Raises
    ------
    NothingToDoError : no later case that the champion has not been fitted on.
    GateError : too few bad cases to compare on.
    """
    with locked(config.artifacts / LOCK):
        store = open_store(config.artifacts, config.tracking_uri, config.experiment)
        reap(store)
        champion = _champion(store)
        recipe, ledger = prepare(config, tell, champion.twin.task.columns_needed())
        with tracked_run(store, "retrain", {}) as run:
            trial = try_recipe(recipe, ledger, tell)
            log_trial(config, trial, store, run)
            tell(f"comparing with champion {champion.version}")
            found = compare_with(champion.twin, trial, ledger, config)
            log_facts(store, run, {}, {f"gate.{k}": v for k, v in vars(found).items()})
            judged = save(trial, trial.models, "judged", store, run, {}, tell)
            why = {"champion": champion.version, "epsilon": config.epsilon, **vars(found)}
            move_alias(store, CHALLENGER, judged.version, why)
            if not found.better(config.epsilon):
                return _kept(judged, trial, run, store, _sentence("kept the champion", found))
            tags = {"judged_as": judged.version}
            final = save(trial, fit_final(trial, tell), "final", store, run, tags, tell)
            tell(f"promoting version {final.version}")
            move_alias(store, CHAMPION, final.version, why)
            done = _kept(judged, trial, run, store, _sentence("promoted", found))
            return replace(done, final=final, champion=True, exit_code=0)


def compare_with(twin: Bundle, trial: Trial, ledger: Ledger, config: RetrainConfig) -> Comparison:
    """Both models on the evaluation rows that the champion's judged twin was not fitted on."""
    head = heads(trial.task)[0]
    if head.name not in twin.models.risk:
        raise ModelError(
            f"the champion has no model of {head.target}",
            where=str(twin.folder),
            fix="train on the champion's task, or in another --experiment",
        )
    verdict, rows = trial.verdicts[head.name], trial.rows[head.name]
    lesson = trial.taught[head.stage]
    cases = lesson.decisions.cases[rows]
    fresh = (cases["as_of"] >= pd.Timestamp(twin.facts["fitted_until"])).to_numpy(bool)
    if not fresh.any():
        raise NothingToDoError(
            "every later case was already used to fit the champion",
            where=str(config.ledger),
            fix="retrain when more cases have matured",
        )
    if verdict.y[fresh].sum() < FEWEST_BAD:
        raise GateError(
            f"only {verdict.y[fresh].sum():.0f} bad cases to compare on, {FEWEST_BAD} are needed",
            where="retrain",
            fix="retrain when more cases have matured, or with a larger --evaluate-share",
        )
    theirs = request_decisions(twin.task, ledger, trial.judged_from, trial.recipe.as_of)
    place = pd.Index(theirs.cases["row_id"]).get_indexer(pd.Index(cases["row_id"][fresh]))
    return compare(
        verdict.y[fresh],
        chunked(twin.models.risk[head.name], theirs.take(place).X),
        verdict.p[fresh],
        users=np.asarray(verdict.users)[fresh],
        loss=None if verdict.loss is None else verdict.loss[fresh],
        draws=config.replicates,
        random_state=config.seed,
    )


def _champion(store: Store) -> _Champion:
    version = version_of(store, CHAMPION)
    if version is None:
        raise ModelError(
            "there is no champion yet", where=store.experiment, fix="run `clawback train` first"
        )
    judged = version.tags.get("judged_as", str(version.version))
    twin = store.client.get_model_version(store.experiment, judged)
    return _Champion(str(version.version), bundle_of(store, twin))


def _sentence(verdict: str, found: Comparison) -> str:
    return (
        f"{verdict}: log loss better by {found.log_loss:.5f}, at least {found.log_loss_lower:.5f}; "
        f"captured loss by {found.captured:.3f}, at least {found.captured_lower:.3f}"
    )


def _kept(judged: Registered, trial: Trial, run: str, store: Store, why: str) -> TrainResult:
    facts: dict[str, Any] = {"exit_code": KEPT, "why": why}
    return TrainResult(judged, None, trial.metrics, run, store.uri, champion=False, **facts)
