"""Models in MLflow: a store made once, what a run logs, a registry with a memory.

MLflow is imported when a store is opened, never before. Its client gets its addresses as
arguments; nothing depends on the working folder or on MLflow's global state. The registry knows
only who is champion now, so every promotion is also a line of `promotions.jsonl`.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from getpass import getuser
from math import isfinite
from pathlib import Path
from typing import Any

from data.errors import ModelError, StorageError, UserError
from pipelines.local_store import disk_is_full, make_store, sqlite_file

CHAMPION, CHALLENGER = "champion", "challenger"
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_SCHEMA_DETAILS": "true",  # its errors would print rows of the input
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",  # it logs, with tracebacks, what it also raises
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # a server that is away is told in seconds
    "GIT_PYTHON_REFRESH": "quiet",
}
FINGERPRINT, PREVIOUS = "clawback.ledger", "previous_champion"


@dataclass(frozen=True)
class Store:
    """An MLflow tracking store with its registry, and our folder beside it."""

    client: Any
    uri: str
    artifacts: Path
    experiment: str
    experiment_id: str


def prepare_mlflow() -> None:
    """Set what MLflow reads from the environment; call before importing it."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def find_store(artifacts: Path, uri: str | None, experiment: str) -> Store | None:
    """The store to read from; None if the file of a local one is not there. Nothing is made."""
    file = artifacts / "mlflow.db" if uri is None else sqlite_file(uri)
    if file is not None and not file.exists():
        return None
    return open_store(artifacts, uri, experiment, new=False)


def open_store(artifacts: Path, uri: str | None, experiment: str, *, new: bool = True) -> Store:
    """The store at `uri`, by default SQLite in `artifacts`; made if there is none.

    Two first runs that create the tables at once break an SQLite store for ever, so opening is
    serialised by a lock file. For a server that others write to, create the store beforehand
    (`mlflow db upgrade`).

    Parameters
    ----------
    new : make the experiment too, if there is none; without one, no run can be started.

    Raises
    ------
    ModelError : the store cannot be opened. StorageError : the disk is full.
    """
    prepare_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    artifacts.mkdir(parents=True, exist_ok=True)
    home = artifacts.resolve()
    uri = uri or f"sqlite:///{home / 'mlflow.db'}"
    file = sqlite_file(uri)
    files = (home / "mlartifacts").as_uri() if uri.startswith("sqlite:") else None
    try:
        with _turn(home / ".mlflow.lock"):
            if file and files and not file.exists():
                make_store(file, files)
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            known = client.get_experiment_by_name(experiment)
            number = known.experiment_id if known else ""
            if new and not known:
                number = client.create_experiment(experiment, files)
    except (MlflowException, OSError) as error:
        raise refused(uri, error) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "sqlalchemy":
            raise
        raise refused(uri, error) from error
    return Store(client, uri, home, experiment, number)


def log_facts(
    store: Store, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float]
) -> None:
    """Log parameters and metrics; a metric that is not finite is left out."""
    from mlflow.entities import Metric, Param

    finite = {k: float(v) for k, v in metrics.items() if v is not None and isfinite(v)}
    store.client.log_batch(
        run_id,
        metrics=[Metric(key, value, 0, 0) for key, value in finite.items()],
        params=[Param(key, str(value)[:6000]) for key, value in params.items()],
    )


def log_ledger(store: Store, run_id: str, source: str, fingerprint: str) -> None:
    """Record which data a run saw: `fingerprint` covers all of it (MLflow's own, 10,000 rows)."""
    from mlflow.entities import Dataset, DatasetInput

    entry = Dataset("ledger", fingerprint[:36], "local", json.dumps({"uri": source}))
    store.client.log_inputs(run_id, datasets=[DatasetInput(entry)])
    store.client.set_tag(run_id, FINGERPRINT, fingerprint)


def register(
    store: Store, run_id: str, folder: Path, tags: Mapping[str, str], name: str = "model"
) -> str:
    """Log a saved model's folder to the run, under `name`, and register it; the version."""
    from mlflow.exceptions import MlflowException

    client = store.client
    client.log_artifacts(run_id, str(folder), name)
    try:
        client.get_registered_model(store.experiment)
    except MlflowException:
        client.create_registered_model(store.experiment)
    source = f"{client.get_run(run_id).info.artifact_uri}/{name}"
    made = client.create_model_version(store.experiment, source, run_id, tags=dict(tags))
    return str(made.version)


def version_of(store: Store, alias: str) -> Any | None:
    """The model version an alias points at, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return store.client.get_model_version_by_alias(store.experiment, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise refused(store.uri, error) from error


def move_alias(store: Store, alias: str, version: str, why: Mapping[str, Any]) -> None:
    """Point an alias at a version and write the move down, the former holder included."""
    before = version_of(store, alias)
    former = str(before.version) if before else None
    client = store.client
    if alias == CHAMPION and former:
        client.set_model_version_tag(store.experiment, version, PREVIOUS, former)
    client.set_registered_model_alias(store.experiment, alias, version)
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "who": _who(),
        "model": store.experiment,
        "alias": alias,
        "from": former,
        "to": version,
        "why": why,
    }
    with (store.artifacts / "promotions.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")
        log.flush()
        os.fsync(log.fileno())


def fetch_bundle(store: Store, version: Any, into: Path) -> Path:
    """The sealed bundle of a model version, as a folder on this machine."""
    prepare_mlflow()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        got = download_artifacts(
            f"{version.source}/artifacts/bundle", dst_path=str(into), tracking_uri=store.uri
        )
    except (MlflowException, OSError) as error:
        raise ModelError(
            f"the files of version {version.version} cannot be fetched: {error}",
            where=store.experiment,
            fix="restore the artifacts of the run, or choose another model with --model",
        ) from error
    return Path(got)


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Wait for the lock file `path` and hold it."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _who() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())


def refused(uri: str, error: Exception) -> UserError:
    """What a store's complaint means for the user."""
    what, where = f"the store refused: {str(error).splitlines()[0]}", uri.rpartition("@")[2]
    if disk_is_full(error):
        return StorageError(what, where=where, fix="free space, and run it again")
    return ModelError(
        what,
        where=where,
        fix="check --tracking-uri; a new server's store is made by `mlflow db upgrade URI`",
    )
