import subprocess
import sys
from pathlib import Path

import pytest

from data.errors import StorageError
from pipelines.local_store import sqlite_file
from pipelines.runs import tracked_run
from pipelines.tracking import Store, open_store

FULL = """
import resource, sys
from pathlib import Path
from data.errors import StorageError
from pipelines.tracking import open_store
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    open_store(Path(sys.argv[1]), None, "clawback")
except StorageError as error:
    print(error.fix)
"""


def test_a_disk_that_was_full_at_the_first_run_spoils_no_later_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "free space" in done.stdout, done.stderr
    assert not (tmp_path / "mlflow.db").exists()
    store = open_store(tmp_path, None, "clawback")
    with tracked_run(store, "later", {}) as run:
        pass
    assert store.client.get_run(run).info.status == "FINISHED"
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(tmp_path_factory.mktemp("store"), None, "clawback")


def test_a_disk_full_during_a_run_is_no_traceback(store: Store) -> None:
    with pytest.raises(StorageError, match="free space"), tracked_run(store, "full", {}) as run:
        raise OSError(28, "No space left on device")
    assert store.client.get_run(run).info.status == "FAILED"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////srv/a.db?timeout=3", Path("/srv/a.db")),
        ("sqlite:///a.db", Path("a.db")),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("postgresql://host/db", None),
    ],
)
def test_the_file_of_an_address(uri: str, path: Path | None) -> None:
    assert sqlite_file(uri) == path
