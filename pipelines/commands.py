"""The commands and their settings: one frozen dataclass each, nothing heavy imported.

`clawback <command>` builds the class and calls `pipelines.<command>.run_<command>(config)`; a
notebook does the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.config import Range, setting

Tell = Callable[[str], None]
"""Shows a line of progress."""

Reasons = Literal["held", "all", "none"]
Format = Literal["parquet", "csv"]
EngineName = Literal["local", "spark"]
CatalogueFormat = Literal["text", "md", "html"]
Drawn = Literal["users", "clusters"]
Stage = Literal["request", "standing", "tracking", "first_scan", "delivered"]

COUNT = Range(1, 10**9)
SEED = Range(0, 2**31 - 1)  # what LightGBM and numpy both take


@dataclass(frozen=True, kw_only=True)
class SimulateConfig:
    """Write a simulated marketplace as a ledger folder."""

    out: Path = setting("ledger folder to write")
    orders: int = setting("number of orders", 200_000, within=COUNT)
    months: int = setting("length of the history", 18, within=COUNT)
    seed: int = setting("seed: same seed, same bytes", 0, within=SEED)
    truth: Path | None = setting(
        "Parquet file for every case's truth, which a backtest may judge by", None
    )


@dataclass(frozen=True, kw_only=True)
class MapConfig:
    """Turn a source's own tables into a ledger folder by a mapping file."""

    mapping: Path = setting("mapping file (TOML)", positional=True)
    out: Path = setting("ledger folder to write")
    append: bool = setting("add what is new to the ledger at --out, rewrite nothing", False)
    root: Path | None = setting("folder the mapping's paths start from [its own]", None)
    task: str | None = setting("task whose event types and columns are also known", None)
    max_quarantine: float = setting(
        "share of broken rows that stops the job (exit 4)", 0.01, within=Range(0, 1)
    )


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """Check every row of a ledger file or folder; exit 3 if any is broken."""

    path: Path = setting("ledger folder, Parquet or CSV file", positional=True)
    money: bool = setting("also check that the money of every advance balances", False)
    task: str | None = setting("task whose event types and columns are also known", None)
    reasons: Path | None = setting("Parquet or CSV file: a line per broken rule of a row", None)


@dataclass(frozen=True, kw_only=True)
class LabelsConfig:
    """Say what became of the advances: outcomes, recovery, months with projected ultimates."""

    ledger: Path = setting("ledger folder, Parquet or CSV file", positional=True)
    task: str = setting("built-in name or TOML file", "advance_refund")
    as_of: str | None = setting("what was known before this time [ledger's end]", None)
    since: str | None = setting("decisions from this time on [all]", None)
    changed_since: str | None = setting("also count labels that changed since this time", None)
    out: Path | None = setting("Parquet or CSV file: a row a decision", None)


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """Look for leaks in a ledger: time travel, columns that know the label; exit 6 if any."""

    ledger: Path = setting("ledger folder, Parquet or CSV file", positional=True)
    task: str = setting("built-in name or TOML file", "advance_refund")
    before: Path | None = setting("the same ledger as it was some nights ago", None)
    sample: int = setting("decisions to compute again", 300, within=COUNT)
    auc: float = setting(
        "AUC above which a single column is suspicious", 0.9, within=Range(0.5, 1, inside=True)
    )
    seed: int = setting("seed of the sample", 0, within=SEED)


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Where columns are computed."""

    engine: EngineName = setting("where columns are computed: this process, or Spark", "local")
    master: str | None = setting("Spark's master [of spark-defaults.conf, else local[*]]", None)
    memory: str | None = setting(
        "memory to take, such as 8GiB; a larger ledger is read in slices [most of the machine's]",
        None,
    )
    buckets: int | None = setting("Spark: parts of each entity's events", None, within=COUNT)


@dataclass(frozen=True, kw_only=True)
class FeaturesConfig(EngineConfig):
    """Compute the feature table of the task's decisions, or list its columns."""

    list: bool = setting("print the catalogue of the columns and stop", False)
    format: CatalogueFormat = setting("how the catalogue is printed", "text")
    ledger: Path | None = setting("ledger folder", None)
    task: str = setting("built-in name or TOML file", "advance_refund")
    stage: Stage | None = setting("which decisions [request; with --list every stage]", None)
    since: str | None = setting("decisions known from this time on", None)
    as_of: str | None = setting("decisions known before this time", None)
    out: Path | None = setting(
        "Parquet file (Spark: folder) to write [artifacts/features.parquet]; with --list a .txt, "
        ".md or .html file",
        None,
    )


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """Choose hyper-parameters on time-ordered validation; write them to the task file."""

    ledger: Path = setting("ledger folder")
    task: str = setting("built-in name or TOML file", "advance_refund")
    as_of: str | None = setting("labels and rows known before this time [ledger's end]", None)
    since: str | None = setting("decisions from this time on [after the first tenth]", None)
    target: str | None = setting("one target only [every target]", None)
    folds: int = setting("walk-forward folds", 3, within=COUNT)
    span_days: int = setting("length of each fold", 30, within=Range(1, 3650))
    trials: int = setting("settings to try for each target", 30, within=COUNT)
    out: Path | None = setting("task file to write [the task's own file]", None)
    seed: int = setting("seed", 0, within=SEED)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Fit the models as of a day, evaluate them on later matured cases, register them."""

    ledger: Path = setting("ledger folder")
    task: str = setting("built-in name or TOML file", "advance_refund")
    policy: Path | None = setting("policy file [the task's]", None)
    as_of: str | None = setting("what was known before this time [ledger's end]", None)
    since: str | None = setting("decisions from this time on [after the first tenth]", None)
    artifacts: Path = setting("folder of all results", Path("artifacts"))
    tracking_uri: str | None = setting("MLflow store [sqlite in the artifacts folder]", None)
    experiment: str = setting("MLflow experiment and registered model", "clawback")
    evaluate_share: float = setting(
        "latest share of the matured time kept to evaluate", 0.2, within=Range(0, 1, inside=True)
    )
    evaluate_from: str | None = setting("first day kept to evaluate, instead of a share", None)
    disjoint_users: bool = setting("no user both in fitting and in evaluation", False)
    young: bool = setting("also learn from cases younger than the label's horizon", False)
    seed: int = setting("seed", 0, within=SEED)


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(EngineConfig):
    """Score open requests and every user's standing; decide; write the tables."""

    ledger: Path = setting("ledger folder")
    as_of: str | None = setting("what was known before this time [ledger's end]", None)
    since: str | None = setting("score all requests from this time on [only the open ones]", None)
    model: str = setting("alias in the registry, or a model folder", "champion")
    policy: Path | None = setting("policy file [the model's]", None)
    artifacts: Path = setting("folder of all results", Path("artifacts"))
    tracking_uri: str | None = setting("MLflow store [sqlite in the artifacts folder]", None)
    experiment: str = setting("registered model", "clawback")
    reasons: Reasons = setting("rows that get reasons of the model", "held")
    format: Format = setting("file format of the tables", "parquet")
    allow_stale: bool = setting("accept an as-of long after the ledger's end", False)
    run_id: str | None = setting("name of the run [hash of the inputs]", None)
    seed: int = setting("seed of the exploration band", 0, within=SEED)


@dataclass(frozen=True, kw_only=True)
class RetrainConfig(TrainConfig):
    """Train a candidate; make it champion only if it beats the champion (exit 0, else 10)."""

    epsilon: float = setting("how much worse a lower bound may be", 0.002, within=Range(0, 1))
    replicates: int = setting("bootstrap replicates over users", 1000, within=COUNT)


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Simulate, check, train, score and decide; print what came of it."""

    orders: int = setting("number of orders", 400_000, within=COUNT)
    seed: int = setting("seed", 0, within=SEED)
    artifacts: Path = setting("folder of all results", Path("artifacts/demo"))


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """Judge a task's models on later time, beside baselines; every figure with its interval."""

    ledger: Path = setting("ledger folder")
    task: str = setting("built-in name or TOML file", "advance_refund")
    policy: Path | None = setting("policy file [the task's]", None)
    as_of: str | None = setting("what was known before this time [ledger's end]", None)
    since: str | None = setting("decisions from this time on [after the first tenth]", None)
    folds: int = setting("walk-forward folds", 3, within=Range(1, 1000))
    span_days: int = setting("length of each fold", 30, within=Range(1, 3650))
    by: Drawn = setting("whom intervals draw: users, or clusters of linked users", "users")
    disjoint: bool = setting("nobody of --by both in fitting and in evaluation", False)
    segments: str | None = setting(
        "attributes of a request to tell apart [amount_cents,tenure,refund_type]", None
    )
    draws: int = setting("bootstrap draws", 400, within=Range(20, 100_000))
    artifacts: Path = setting("folder of all results", Path("artifacts"))
    seed: int = setting("seed", 0, within=SEED)


@dataclass(frozen=True, kw_only=True)
class BacktestConfig:
    """Month by month: fit on what was known, decide, wait, count the money; beside others."""

    ledger: Path = setting("ledger folder")
    task: str = setting("built-in name or TOML file", "advance_refund")
    policy: Path | None = setting("policy file [the task's]", None)
    as_of: str | None = setting("what was known before this time [ledger's end]", None)
    since: str | None = setting("learn from decisions from this time on [after a tenth]", None)
    months: int = setting(
        "months to decide, the last whose outcomes are known", 3, within=Range(1, 600)
    )
    truth: Path | None = setting("truth of a simulated market: exact money, and an oracle", None)
    artifacts: Path = setting("folder of all results", Path("artifacts"))
    seed: int = setting("seed", 0, within=SEED)


@dataclass(frozen=True, kw_only=True)
class OpeConfig:
    """Value a policy file on a log with propensities; exit 6 where the log has no support."""

    ledger: Path = setting("ledger folder with logged decisions")
    policy: Path | None = setting("policy file to value [the model's]", None)
    prices: Path | None = setting("policy file whose prices count [the model's policy]", None)
    model: str = setting("alias in the registry, or a model folder", "champion")
    since: str | None = setting("requests from this time on [the end of the model's fit]", None)
    as_of: str | None = setting("what was known before this time [ledger's end]", None)
    artifacts: Path = setting("folder of all results", Path("artifacts"))
    tracking_uri: str | None = setting("MLflow store [sqlite in the artifacts folder]", None)
    experiment: str = setting("registered model", "clawback")


COMMANDS: dict[str, type[Any]] = {
    "simulate": SimulateConfig,
    "map": MapConfig,
    "check": CheckConfig,
    "labels": LabelsConfig,
    "audit": AuditConfig,
    "features": FeaturesConfig,
    "tune": TuneConfig,
    "train": TrainConfig,
    "score": ScoreConfig,
    "retrain": RetrainConfig,
    "demo": DemoConfig,
    "evaluate": EvaluateConfig,
    "backtest": BacktestConfig,
    "ope": OpeConfig,
}
