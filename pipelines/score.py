"""`clawback score`: the batch job. Open requests and every user's standing, decided and written.

The run folder holds `decisions` and `standing` (or `scores` alone, for a task without a policy)
and a manifest with the SHA-256 of each. The same inputs give the same run id and the same bytes.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.errors import NothingToDoError, UsageError
from data.ledger import Ledger
from data.lock import locked
from features.spine import spine, standing_spine
from models.artifact import seal
from models.decide import decide
from models.limits import LimitState
from models.policy import Policy, load_policy
from models.standing import user_rows, with_default
from pipelines.as_of import beginning, moment, stamp
from pipelines.atomic import digest, run_folder
from pipelines.book import book_before, replayed, save_book, with_spending
from pipelines.bundle import Bundle
from pipelines.champion import find_bundle
from pipelines.commands import ScoreConfig, Tell
from pipelines.config import identity
from pipelines.decisions import BLOCK, Decisions, standing_columns
from pipelines.engines import Engine, open_engine
from pipelines.explaining import with_reasons
from pipelines.fingerprint import fingerprint
from pipelines.plan import AT_REQUEST
from pipelines.scoring import probabilities, score_requests, score_users
from pipelines.tables import stamped, write_table
from pipelines.track import still_open

LOCK = ".score.lock"
DAY = pd.Timedelta(days=1)
ROW_FACTS = ("model_version", "policy_version", "task_version", "run_id")
SCORES = (
    "merchant_id",
    "category",
    "amount_cents",
    "refund_type",
    "payment_method",
    "coupon_cents",
    "p_claw",
    "points",
    "lgd",
    "loss_instant_cents",
    "clawcost_instant_cents",
    "q_scan",
    "hours_instant",
    "hours_scan",
)
PLACES = (
    "artifacts", "tracking_uri", "ledger", "experiment", "model", "policy", "run_id",
    "engine", "master", "memory", "buckets",
)  # fmt: skip


@dataclass(frozen=True)
class ScoreResult:
    """Where the run is; the tables are in memory too, for notebooks."""

    run_id: str
    folder: Path
    decisions: pd.DataFrame
    standing: pd.DataFrame | None
    facts: Mapping[str, str]
    exit_code: int = 0

    def summary(self) -> dict[str, Any]:
        """Plain JSON values."""
        found: dict[str, Any] = {**self.facts, "folder": str(self.folder)}
        found["requests"] = len(self.decisions)
        if "action" in self.decisions:
            found["actions"] = self.decisions["action"].value_counts().to_dict()
        if self.standing is not None:
            found["users"] = len(self.standing) - 1
            known = self.standing["user_id"].notna()
            found["eligible"] = int(self.standing.loc[known, "eligible"].sum())
        return found

    def text(self) -> str:
        """A few lines for a person."""
        told = self.summary()
        lines = [f"{told['requests']:,} requests scored as of {self.facts['as_of']}"]
        if self.decisions.size and "actions" in told:
            shares = [f"{name} {n:,}" for name, n in told["actions"].items() if n]
            lines.append(f"  {', '.join(shares)}")
        if self.standing is not None:
            lines.append(f"  {told['users']:,} users, {told['eligible']:,} eligible at once")
        return "\n".join([*lines, f"  {self.folder}"])


@dataclass(frozen=True)
class _Job:
    """What a run needs to know; `since` None means the open requests."""

    config: ScoreConfig
    bundle: Bundle
    policy: Policy | None
    ledger: Ledger
    as_of: pd.Timestamp
    ledger_age_hours: float
    since: pd.Timestamp | None
    engine: Engine
    tell: Tell


def run_score(config: ScoreConfig, tell: Tell = lambda _line: None) -> ScoreResult:
    """Score, decide and write.

    Raises
    ------
    ModelError : no model, or one that was edited. UsageError, ContractError : `as_of` or ledger.
    NothingToDoError : no request to score, where a task has no standing either.
    """
    with (
        locked(config.artifacts / LOCK),
        open_engine(config, config.ledger, config.artifacts, tell) as engine,
    ):
        job = _prepare(config, engine, tell)
        live = job.since is None and job.policy is not None
        before = book_before(config.artifacts, job.as_of) if live else LimitState()
        facts = _facts(job, before)
        after = None
        if job.policy is None:
            tables = {"scores": _scores(job)}
        else:
            tables, after = _decided(job, job.policy, before)
        row_facts = {k: facts[k] for k in ROW_FACTS if facts.get(k)}
        tables = {name: stamped(table, row_facts) for name, table in tables.items()}
        folder = _write(job, tables, after if live else None, facts)
    main = tables["scores" if job.policy is None else "decisions"]
    return ScoreResult(facts["run_id"], folder, main, tables.get("standing"), facts)


def _prepare(config: ScoreConfig, engine: Engine, tell: Tell) -> _Job:
    tell("loading the model")
    bundle = find_bundle(config.model, config.artifacts, config.tracking_uri, config.experiment)
    policy = load_policy(config.policy) if config.policy and bundle.policy else bundle.policy
    tell(f"reading {config.ledger}")
    task = bundle.task
    ledger = engine.read(config.ledger, task)
    outline = engine.outline(ledger)
    as_of = moment(config.as_of, outline, allow_stale=config.allow_stale)
    since = None if config.since is None else beginning(config.since, as_of)
    age = _age_hours(outline, as_of)
    return _Job(config, bundle, policy, ledger, as_of, age, since, engine, tell)


def _age_hours(ledger: Ledger, as_of: pd.Timestamp) -> float:
    """Age of the newest event that the job may see."""
    seen = int(np.searchsorted(ledger.known_us, as_of.value // 1000)) - 1
    return float((as_of - stamp(int(ledger.known_us[seen]))) / pd.Timedelta("1h"))


def _facts(job: _Job, before: LimitState) -> dict[str, str]:
    """What the result is a function of; `run_id` names it."""
    versions = {
        "model_version": job.bundle.version,
        "policy_version": job.policy.version if job.policy else "",
        "task_version": job.bundle.task.version,
        "ledger": fingerprint(job.ledger),
        "as_of": str(job.as_of),
        "since": str(job.since or ""),
    }
    book = pd.util.hash_pandas_object(before.users).to_numpy().tobytes()
    chosen = identity(job.config, leave_out=PLACES)
    name = job.config.run_id or digest(
        "score", version("clawback"), json.dumps(versions), json.dumps(chosen), book
    )
    if not re.fullmatch(r"[\w.+-]+", name) or name.startswith("."):
        raise UsageError(f"run id {name!r} is no folder name", fix="use letters, digits, - and _")
    return {**versions, "run_id": name}


def _scores(job: _Job) -> pd.DataFrame:
    """Probabilities alone."""
    cases = _requests(job)
    if cases.empty:
        raise NothingToDoError("no request to score", where=str(job.config.ledger))
    job.tell(f"scoring {len(cases):,} requests")
    columns = job.bundle.task.at_stage("request")
    return job.engine.mapped(columns, job.ledger, cases, partial(probabilities, job.bundle))


def _requests(job: _Job) -> pd.DataFrame:
    task = job.bundle.task
    cases = spine(task, job.ledger, stage="request", since=job.since, as_of=job.as_of)
    if job.since is None:
        cases = cases[still_open(task, job.ledger, cases, job.as_of)].reset_index(drop=True)
    return cases


def _decided(
    job: _Job, policy: Policy, before: LimitState
) -> tuple[dict[str, pd.DataFrame], LimitState]:
    task, ledger = job.bundle.task, job.ledger
    cases = _requests(job)
    job.tell(f"scoring {len(cases):,} requests")
    columns = task.at_stage("request") + task.policy_at("request")
    given = Decisions(cases, job.engine.features(columns, ledger, cases))
    if job.since is None:
        day = spine(task, ledger, since=job.as_of.floor("D") - DAY, as_of=job.as_of)
        before = with_spending(before, task, ledger, day, job.as_of)
    else:
        given = replayed(task, ledger, given, job.as_of, job.engine)
    models = job.bundle.models
    scored = score_requests(task, models, given, policy, job.ledger_age_hours)
    decisions, after = decide(scored, policy, before)
    told = [c for c in SCORES if c in scored and c not in decisions]
    decisions = decisions.assign(**{c: scored[c] for c in told})
    job.tell(f"explaining decisions ({job.config.reasons})")
    risk = models.risk[AT_REQUEST.name]
    decisions = with_reasons(decisions, task, risk, given.X, job.config.reasons)
    del given, scored  # every user comes next
    return {"decisions": decisions, "standing": _standing(job, policy, after)}, after


def _standing(job: _Job, policy: Policy, limits: LimitState) -> pd.DataFrame:
    job.tell("scoring every user's standing")
    bundle, age = job.bundle, job.ledger_age_hours
    everyone = standing_spine(bundle.task, job.engine.outline(job.ledger), job.as_of)
    price = partial(_priced, bundle, policy, age)
    scored = job.engine.mapped(standing_columns(bundle.task), job.ledger, everyone, price)
    del everyone
    some = [scored.iloc[lo : lo + BLOCK] for lo in range(0, max(len(scored), 1), BLOCK)]
    rows = pd.concat([user_rows(users, policy, limits) for users in some], ignore_index=True)
    return with_default(rows, policy)


def _priced(bundle: Bundle, policy: Policy, age: float, users: Decisions) -> pd.DataFrame:
    return score_users(bundle.models, users, policy, age)


def _write(
    job: _Job, tables: Mapping[str, pd.DataFrame], book: LimitState | None, facts: dict[str, str]
) -> Path:
    artifacts = job.config.artifacts
    past = job.policy is not None and job.since is not None  # a replay is nobody's answer of today
    current = None if past else artifacts / "current"
    job.tell("writing")
    with run_folder(artifacts / "runs", facts["run_id"], current=current) as folder:
        for name, table in tables.items():
            write_table(table, folder / f"{name}.{job.config.format}", facts)
        if book is not None:
            save_book(book, folder)
        seal(folder, facts | {f"{name}_rows": len(table) for name, table in tables.items()})
    return artifacts / "runs" / facts["run_id"]
