"""`clawback demo`: a simulated marketplace, from the first event to what the decisions are worth.

The models are trained on what was known at one moment; the later requests are decided by them, and
judged by the truth of the simulation, which no other module of this package may read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from data.errors import ContractError
from data.ingest import write_ledger_table
from data.ledger import Ledger
from data.lock import locked
from data.market import World, simulate
from data.market.judge import Verdict, everybody, judge
from data.store import read_ledger
from features.labels import labels
from features.reasons import reason_text
from features.spine import spine
from features.task import load_task
from models.figures import report
from models.policy import load_policy
from pipelines.as_of import stamp
from pipelines.check import run_check
from pipelines.commands import CheckConfig, DemoConfig, ScoreConfig, Tell, TrainConfig
from pipelines.platform import platform_decisions
from pipelines.score import ScoreResult, run_score
from pipelines.train import TrainResult, run_train
from pipelines.truth import costs_of

LATER = pd.Timedelta(days=60)  # of requests are decided, and then mature
MATURE = pd.Timedelta(days=62)
OURS = "Clawback"


@dataclass(frozen=True)
class DemoResult:
    """What the demo showed."""

    trained: TrainResult
    scored: ScoreResult
    worth: dict[str, Verdict]
    later: dict[str, float]
    reasons: tuple[tuple[str, int], ...]
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "requests": self.worth[OURS].requests,
            "policies": {name: vars(verdict) for name, verdict in self.worth.items()},
            "later": self.later,
            "reasons": dict(self.reasons),
            "decisions": str(self.scored.folder / "decisions.parquet"),
            "model": self.trained.summary()["final"],
            "mlflow_run": self.trained.run,
            "mlflow_store": self.trained.store,
        }

    def text(self) -> str:
        """The table a person reads."""
        return "\n".join([*_worth_lines(self), *_model_lines(self), *_place_lines(self)])


def run_demo(config: DemoConfig, tell: Tell = lambda _line: None) -> DemoResult:
    """Simulate, check, train, score a later period, and judge the decisions.

    Running it again replaces its own results and nothing else.
    """
    with locked(config.artifacts / ".demo.lock"):
        tell(f"simulating {config.orders:,} orders of 18 months")
        market = simulate(World(n_orders=config.orders, seed=config.seed))
        path = config.artifacts / "ledger"
        write_ledger_table(market.events, path)
        _check(path, tell)
        until = stamp(_end_us(path)) - MATURE
        since = (until - LATER).floor("D")
        trained = run_train(
            TrainConfig(
                ledger=path, artifacts=config.artifacts, as_of=str(since), seed=config.seed
            ),
            tell,
        )
        scored = run_score(_score_config(config, trained, since, until), tell)
        tell("judging the decisions by the truth")
        truth = market.truth.to_pandas()
        return _judged(trained, scored, truth, path)


def _check(path: Path, tell: Tell) -> None:
    found = run_check(CheckConfig(path=path), tell)
    if found.exit_code:
        raise ContractError("the simulated ledger breaks the contract", where=str(path))


def _end_us(path: Path) -> int:
    return int(read_ledger(path, ()).known_us[-1])


def _score_config(
    config: DemoConfig, trained: TrainResult, since: pd.Timestamp, until: pd.Timestamp
) -> ScoreConfig:
    model = trained.final or trained.judged
    return ScoreConfig(
        ledger=config.artifacts / "ledger",
        artifacts=config.artifacts,
        model=str(model.bundle.folder),
        since=str(since),
        as_of=str(until),
    )


def _judged(
    trained: TrainResult, scored: ScoreResult, truth: pd.DataFrame, path: Path
) -> DemoResult:
    task, policy = load_task(), load_policy()
    ledger = read_ledger(path, task.columns_needed())
    cases = truth[truth["case_id"].isin(scored.decisions["case_id"].astype("int64"))]
    decided = {
        OURS: scored.decisions,
        "platform rule": platform_decisions(ledger, scored.decisions),
        "advance everything": everybody(cases, "instant"),
        "advance nothing": everybody(cases, "after_inspection"),
    }
    costs = costs_of(policy)
    worth = {name: judge(table, truth, costs) for name, table in decided.items()}
    return DemoResult(trained, scored, worth, _later(ledger, scored), _reasons(scored.decisions))


def _later(ledger: Ledger, scored: ScoreResult) -> dict[str, float]:
    """The claw-back model on the decided requests that the platform paid at once."""
    task = load_task()
    cases = spine(task, ledger, since=scored.facts["since"], as_of=scored.facts["as_of"])
    told = labels(task, ledger, cases, stamp(int(ledger.known_us[-1]) + 1))
    paid = ((told["paid_stage"] == "request") & told["y_claw"].notna()).to_numpy(bool)
    p = scored.decisions["p_claw"].to_numpy()[paid]
    return {"rows": float(paid.sum()), **report(told["y_claw"].to_numpy()[paid], p)}


def _reasons(decisions: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    """The three reasons given most often for not paying at once, the mere value left out."""
    held = decisions[decisions["action"] != "instant"]
    columns = [c for c in held.columns if c.startswith("reason_")]
    given: pd.Series[Any] = pd.concat([held[c].astype(object) for c in columns])
    counts = given[~given.isin(["value", "after_scan_better"])].value_counts()
    return tuple((str(key), int(n)) for key, n in counts.head(3).items())


def _worth_lines(result: DemoResult) -> list[str]:
    ours = result.worth[OURS]
    actions = result.scored.decisions["action"].value_counts()
    lines = [
        "",
        f"{ours.requests:,} requests of two later months: {actions['instant']:,} paid instantly, "
        f"{actions['at_first_scan']:,} at the first scan of the parcel",
        "",
        f"{'':20}{'net value':>12}{'loss':>12}{'hours saved':>13}{'false holds':>13}{'instant':>9}",
    ]
    for name, worth in result.worth.items():
        lines.append(
            f"{name:20}{worth.net_value_cents / 100:12,.0f}{worth.loss_cents / 100:12,.0f}"
            f"{worth.hours_saved_good:13,.0f}{worth.false_hold_rate:13.1%}{worth.instant_share:9.1%}"
        )
    note = "money in yuan; hours saved for good buyers; false holds: good buyers' requests held"
    return [*lines, f"({note})", ""]


def _model_lines(result: DemoResult) -> list[str]:
    later = result.later
    lines = [
        f"claw-back model on {later['rows']:,.0f} later, matured cases: AUC {later['auc']:.3f}, "
        f"average precision {later['average_precision']:.3f}, "
        f"calibration error {later['calibration_error']:.3f}",
        "most common reasons for not paying at once:",
    ]
    texts = [f"  {n:6,}  {key}: {reason_text(key, 'en')}" for key, n in result.reasons]
    return [*lines, *texts, ""]


def _place_lines(result: DemoResult) -> list[str]:
    model = result.trained.final or result.trained.judged
    return [
        f"decisions   {result.scored.folder / 'decisions.parquet'}",
        f"standing    {result.scored.folder / 'standing.parquet'}",
        f"model       {model.bundle.folder}",
        f"MLflow run  {result.trained.run} in {result.trained.store}",
    ]
