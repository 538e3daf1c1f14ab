"""A trained model as one sealed folder: the task, the policy, every head, the money's averages.

Text, JSON and TOML only, each file under a SHA-256 (`models.artifact`); the same training gives
the same bytes. The folder's version is the hash of its manifest.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from data.errors import ModelError, UsageError
from features.task import Task, dump_task, load_task
from models import causes, lost, scan
from models.artifact import MANIFEST, load_model, open_sealed, save_model, seal
from models.policy import Policy, dump_policy, load_policy
from pipelines.modelling import Models
from pipelines.plan import Head, heads
from pipelines.pricing import Money

TASK, POLICY, MONEY = "task.toml", "policy.toml", "money.json"


@dataclass(frozen=True)
class Bundle:
    """A loaded model; `facts` say what it was trained on, `version` is 12 hex digits."""

    version: str
    task: Task
    policy: Policy | None
    models: Models
    facts: Mapping[str, Any]
    folder: Path

    def __reduce__(self) -> tuple[Any, ...]:
        """On the way to another process it is its sealed files, which are verified there."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        files = tuple((str(p.relative_to(self.folder)), p.read_bytes()) for p in found)
        return unpacked, (files,)

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads, the main one first."""
        return heads(self.task)


def write_bundle(
    folder: Path, task: Task, policy: Policy | None, models: Models, facts: Mapping[str, Any]
) -> str:
    """Write and seal; the version."""
    (folder / TASK).write_text(dump_task(task), encoding="utf-8", newline="\n")
    if policy is not None:
        (folder / POLICY).write_text(dump_policy(policy), encoding="utf-8", newline="\n")
    for name, model in models.risk.items():
        save_model(model, folder / name)
    if models.money is not None:
        _write_money(folder, models.money)
    seal(folder, dict(facts))
    return version_of_folder(folder)


def read_bundle(folder: Path) -> Bundle:
    """Verify and load.

    Raises
    ------
    ModelError : no bundle, a file was edited, or this version cannot read it.
    """
    facts = open_sealed(folder)
    if not (folder / TASK).is_file():
        raise ModelError("no task in it", where=str(folder), fix="give a folder made by train")
    with _readable(folder):
        task = load_task(folder / TASK)
        policy = load_policy(folder / POLICY) if (folder / POLICY).is_file() else None
        risk = {head.name: load_model(folder / head.name, num_threads=2) for head in heads(task)}
        money = _read_money(folder) if (folder / MONEY).is_file() else None
    return Bundle(version_of_folder(folder), task, policy, Models(risk, money), facts, folder)


@lru_cache(maxsize=1)  # an executor is given the same model with every task
def unpacked(files: tuple[tuple[str, bytes], ...]) -> Bundle:
    """The bundle of these files; its folder is gone."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return read_bundle(Path(folder))


def version_of_folder(folder: Path) -> str:
    """12 hex digits of the SHA-256 of a sealed folder's manifest."""
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:12]


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """A sealed folder is as it was written; what cannot be read in it, another version wrote."""
    try:
        yield
    except (UsageError, KeyError, TypeError, ValueError) as error:
        what = f"the key {error} is missing" if isinstance(error, KeyError) else f"{error}"
        raise ModelError(
            f"not a model this version reads ({what.splitlines()[0]})",
            where=str(folder),
            fix="train again, or use the version that wrote it",
        ) from error


def _write_money(folder: Path, money: Money) -> None:
    record = {
        "lost": lost.as_json(money.lost),
        "causes": causes.as_json(money.causes),
        "scan": None if money.scan is None else scan.as_json(money.scan),
    }
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    (folder / MONEY).write_text(text + "\n", encoding="utf-8", newline="\n")


def _read_money(folder: Path) -> Money:
    record = json.loads((folder / MONEY).read_text(encoding="utf-8"))
    return Money(
        lost=lost.lost_of_json(record["lost"]),
        causes=causes.causes_of_json(record["causes"]),
        scan=scan.scan_of_json(record["scan"]) if record["scan"] else None,
    )
