"""The SQLite file behind a tracking store: made whole or not at all.

MLflow makes its tables in some fifty migrations; broken off half way (a full disk, a signal), no
later run can finish them. So a new file is made under another name and renamed when it is complete.
"""

from pathlib import Path
from typing import Any

from data.durable import sync

FULL = ("disk I/O error", "disk is full", "No space left", "File too large", "quota exceeded")


def sqlite_file(uri: str) -> Path | None:
    """The file of an SQLite address; None for a server, and for a database in memory.

    >>> sqlite_file("sqlite:////srv/mlflow.db"), sqlite_file("http://host")
    (PosixPath('/srv/mlflow.db'), None)
    """
    name = uri.partition("?")[0].removeprefix("sqlite:///")
    return Path(name) if uri.startswith("sqlite:///") and name not in ("", ":memory:") else None


def make_store(path: Path, artifacts: str) -> None:
    """Make a complete, empty store at `path`; the caller sees to it that nobody else does."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".tmp-{path.name}")
    for stale in path.parent.glob(f"{draft.name}*"):  # of a job that was killed, with its journal
        stale.unlink()
    make: Any = SqlAlchemyStore
    make(f"sqlite:///{draft}", artifacts).engine.dispose()
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def disk_is_full(error: Exception) -> bool:
    """Whether an error of MLflow, its database or the system says that nothing can be written."""
    return any(word in str(error) for word in FULL)
