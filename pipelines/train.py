"""`clawback train`: fit, judge, fit on everything, write both as bundles, track and register.

Two versions are registered: the judged one, which the figures belong to and which the next
`retrain` compares with, and the final one, the same recipe on all matured data, which scores.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.ledger import Ledger
from data.lock import locked
from data.store import read_ledger
from features.task import load_task
from pipelines.as_of import beginning, moment
from pipelines.atomic import publish
from pipelines.bundle import Bundle, read_bundle, write_bundle
from pipelines.commands import Tell, TrainConfig
from pipelines.config import identity
from pipelines.evaluation import FEWEST_BAD, Verdict
from pipelines.modelling import Models
from pipelines.plan import check_models, heads, policy_of
from pipelines.plots import plot_model
from pipelines.pyfunc import save_pyfunc
from pipelines.runs import reap, tracked_run
from pipelines.tracking import (
    CHALLENGER,
    CHAMPION,
    Store,
    log_facts,
    log_ledger,
    move_alias,
    open_store,
    register,
    version_of,
)
from pipelines.training import Recipe, Trial, fit_final, try_recipe

LOCK = ".train.lock"
BASELINES = ("logistic", "scorecard")
PLACES = ("artifacts", "tracking_uri", "ledger")  # say where, not what


@dataclass(frozen=True)
class Registered:
    """A bundle that is in the registry."""

    bundle: Bundle
    version: str


@dataclass(frozen=True)
class TrainResult:
    """What was trained; `final` scores, `judged` has the figures."""

    judged: Registered
    final: Registered | None
    metrics: Mapping[str, float]
    run: str
    store: str
    champion: bool
    exit_code: int = 0
    why: str = ""

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "judged": {"version": self.judged.version, "model": self.judged.bundle.version},
            "final": self.final
            and {
                "version": self.final.version,
                "model": self.final.bundle.version,
                "folder": str(self.final.bundle.folder),
            },
            "champion": self.champion,
            "mlflow_run": self.run,
            "mlflow_store": self.store,
            "metrics": {k: v for k, v in self.metrics.items() if v == v},
            **({"why": self.why} if self.why else {}),
        }

    def text(self) -> str:
        """A few lines for a person."""
        best = self.final or self.judged
        lines = [
            f"model {best.bundle.version} (registry version {best.version}"
            f"{', champion' if self.champion else ''}) in {best.bundle.folder}"
        ]
        for head in best.bundle.heads:
            told = f"  {head.target} at {head.stage}, later cases: "
            lines.append(told + self._figures(head.name))
            beside = {name: self._figures(f"{head.name}.{name}") for name in BASELINES}
            lines += [f"    a {name} beside it: {told}" for name, told in beside.items() if told]
            turned = self.metrics.get(f"{head.name}.labels_changed", 0)
            if turned:
                lines.append(
                    f"    {turned:.0f} of the labels it was judged by learning have changed"
                )
        lines.append(f"  MLflow run {self.run} in {self.store}")
        return "\n".join([*lines, *([f"  {self.why}"] if self.why else [])])

    def _figures(self, name: str) -> str:
        told = ("auc", "average_precision", "calibration_error")
        found = {n: self.metrics[f"{name}.{n}"] for n in told if f"{name}.{n}" in self.metrics}
        return ", ".join(f"{n.replace('_', ' ')} {value:.3f}" for n, value in found.items())


def run_train(config: TrainConfig, tell: Tell = lambda _line: None) -> TrainResult:
    """Train and register; the first model becomes champion.

    Raises
    ------
    ContractError : a ledger that cannot be read, too little matured history, one class.
    BusyError : another training writes to the same folder.
    """
    with locked(config.artifacts / LOCK):
        recipe, ledger = prepare(config, tell)
        store = open_store(config.artifacts, config.tracking_uri, config.experiment)
        reap(store)
        with tracked_run(store, "train", {}) as run:
            trial = try_recipe(recipe, ledger, tell)
            log_trial(config, trial, store, run)
            judged = save(trial, trial.models, "judged", store, run, {}, tell)
            tags = {"judged_as": judged.version}
            final = save(trial, fit_final(trial, tell), "final", store, run, tags, tell)
            first = version_of(store, CHAMPION) is None
            tell(f"pointing at version {final.version}")
            move_alias(store, CHALLENGER, final.version, {"gate": "train"})
            if first:
                move_alias(store, CHAMPION, final.version, {"gate": "first model"})
            why = doubt(trial)
            return TrainResult(judged, final, trial.metrics, run, store.uri, first, why=why)


def doubt(trial: Trial) -> str:
    """A warning that the figures rest on too few bad cases; empty if they do not."""
    head = heads(trial.task)[0]
    bad = trial.metrics[f"{head.name}.bad"]
    if bad >= FEWEST_BAD:
        return ""
    return (
        f"warning: judged on {bad:.0f} bad cases of {head.target}, {FEWEST_BAD} are needed to say "
        "how good it is; give a longer history or a larger --evaluate-share"
    )


def prepare(config: TrainConfig, tell: Tell, also: Collection[str] = ()) -> tuple[Recipe, Ledger]:
    """What to train on what; `also` names further columns to read."""
    task = load_task(config.task)
    check_models(task)
    policy = policy_of(task, config.policy, config.task)
    tell(f"reading {config.ledger}")
    columns = task.columns_needed() | set(also)
    ledger = read_ledger(config.ledger, columns, contract=task.contract())
    as_of = moment(config.as_of, ledger)
    if config.since is not None:
        beginning(config.since, as_of)  # a mistyped time starts no run
    recipe = Recipe(
        task=task,
        policy=policy,
        as_of=as_of,
        since=config.since,
        evaluate_share=config.evaluate_share,
        evaluate_from=config.evaluate_from,
        disjoint_users=config.disjoint_users,
        seed=config.seed,
        young=config.young,
        beside=True,
    )
    return recipe, ledger


def save(
    trial: Trial,
    models: Models,
    role: str,
    store: Store,
    run: str,
    tags: Mapping[str, str],
    tell: Tell,
) -> Registered:
    """Write models as a bundle of the artifacts folder, and register it."""
    recipe = trial.recipe
    facts = {
        "role": role,
        "as_of": str(recipe.as_of),
        "start": str(trial.start),
        "fitted_until": str(trial.judged_from if role == "judged" else recipe.as_of),
        "task_version": trial.task.version,
        "policy_version": recipe.policy.version if recipe.policy else "",
        "ledger": trial.ledger,
        "seed": recipe.seed,
    }

    def fill(folder: Path) -> str:
        return write_bundle(folder, trial.task, recipe.policy, models, facts)

    tell(f"writing the {role} models")
    bundle = read_bundle(publish(store.artifacts / "models", fill))
    named = {"model_version": bundle.version, "task_version": trial.task.version, "role": role}
    with TemporaryDirectory() as scratch:
        folder = save_pyfunc(bundle, Path(scratch) / "model")
        tell(f"registering the {role} models")
        version = register(store, run, folder, {**named, **tags}, role)
    return Registered(bundle, version)


def log_trial(config: TrainConfig, trial: Trial, store: Store, run: str) -> None:
    """Log settings, figures, plots and which data it was."""
    params: dict[str, Any] = identity(config, leave_out=PLACES)
    params |= {f"{h.target}.{k}": v for h in heads(trial.task) for k, v in _params(trial, h.target)}
    params |= {
        "task_version": trial.task.version,
        "start": trial.start,
        "judged_from": trial.judged_from,
    }
    log_facts(store, run, params, trial.metrics)
    log_ledger(store, run, str(config.ledger), trial.ledger)
    with TemporaryDirectory() as scratch:
        for name, verdict in trial.verdicts.items():
            _plot(name, verdict, Path(scratch))
        store.client.log_artifacts(run, scratch, "plots")


def _params(trial: Trial, target: str) -> list[tuple[str, Any]]:
    return sorted(trial.task.params(target).items())


def _plot(name: str, verdict: Verdict, folder: Path) -> None:
    from models.points import points

    plot_model(verdict.y, verdict.p, points(verdict.p), folder, name)
