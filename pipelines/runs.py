"""MLflow runs that always end: finished, failed, killed, or found dead by the next job."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pipelines.atomic import digest
from pipelines.local_store import disk_is_full
from pipelines.tracking import Store, refused

PLACE = "clawback.place"


@contextmanager
def tracked_run(store: Store, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    """An MLflow run that ends whatever happens; yields its id.

    An exception ends it as FAILED, a signal (SIGTERM becomes SystemExit in the command line) as
    KILLED. What even that cannot end, `reap` does.
    """
    place = {PLACE: place_of(store.artifacts), "mlflow.runName": name}
    run = store.client.create_run(store.experiment_id, tags={**tags, **place})
    status = "KILLED"
    try:
        yield run.info.run_id
        status = "FINISHED"
    except Exception as error:
        status = "FAILED"
        if disk_is_full(error):
            raise refused(store.uri, error) from error
        raise
    finally:
        _end(store, run.info.run_id, status)


def reap(store: Store) -> int:
    """End the runs that died without a word (SIGKILL, power); how many there were.

    The caller holds the training lock of this folder, so a run of this folder that still says
    RUNNING has no process any more.
    """
    running = store.client.search_runs(
        [store.experiment_id],
        f"attributes.status = 'RUNNING' and tags.`{PLACE}` = '{place_of(store.artifacts)}'",
    )
    for run in running:
        store.client.set_terminated(run.info.run_id, "KILLED")
    return len(running)


def place_of(artifacts: Path) -> str:
    """Name of a results folder on this machine; locks hold within one."""
    return digest(os.uname().nodename, str(artifacts.resolve()))


def _end(store: Store, run_id: str, status: str) -> None:
    """End a run; what a full disk does not let a failed run say, `reap` says later."""
    from mlflow.exceptions import MlflowException

    try:
        store.client.set_terminated(run_id, status)
    except MlflowException as error:
        if not disk_is_full(error):
            raise
        if status == "FINISHED":
            raise refused(store.uri, error) from error
