"""What the score job is measured on: a simulated ledger of many users, and a trained model.

Both are made once, under `artifacts/bench/`, in a process of their own that takes its memory away
with it, and again when the code that makes them has changed.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

import numpy as np

from data.ingest import write_ledger_table
from data.market import World, altered, simulate
from data.store import read_ledger
from features.spine import spine
from features.task import load_task
from pipelines.commands import TrainConfig
from pipelines.train import run_train

PLACE: Final = Path("artifacts/bench")
EVENTS_PER_ORDER: Final = 4.2
ORDERS_PER_USER: Final = 0.8  # 4 of 10 users of the world order at all: 10 M events, 1 M users
EVENTS_PER_REQUEST: Final = 100  # scored; there are 4 times as many requests
TRAINING_ORDERS: Final = 150_000


@dataclass(frozen=True)
class Inputs:
    """Arguments of `clawback score`, and how large the job is."""

    ledger: str
    since: str
    events: int
    users: int
    requests: int
    model: str


def score_inputs(events: int) -> Inputs:
    """The inputs of about so many events, made if need be."""
    market = _market(events)
    model = _cached("model", ("data", "features", "models", "pipelines"))
    return Inputs(**market, **model)


def market_ledger(events: int) -> Path:
    """The ledger of the inputs alone."""
    return Path(_market(events)["ledger"])


def _market(events: int) -> dict[str, Any]:
    return _cached(f"ledger-{events}", ("data",))


def _cached(name: str, packages: tuple[str, ...]) -> dict[str, Any]:
    """What `_make(name)` says, from the file that stands beside its results."""
    facts, code = PLACE / f"{name}.json", _digest(packages)
    known = json.loads(facts.read_text()) if facts.exists() else {}
    if known.pop("code", None) == code:
        return dict(known)
    print(f"\nmaking {PLACE / name}", flush=True)
    rmtree(PLACE / name, ignore_errors=True)
    (PLACE / name).mkdir(parents=True)
    command = [sys.executable, "-m", __name__, name]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    known = json.loads(made.stdout.splitlines()[-1])
    facts.write_text(json.dumps(known | {"code": code}, indent=1))
    return dict(known)


def _make(name: str) -> dict[str, Any]:
    kind, _, events = name.partition("-")
    return (
        _make_ledger(PLACE / name, int(events)) if kind == "ledger" else _make_model(PLACE / name)
    )


def _make_ledger(folder: Path, events: int) -> dict[str, Any]:
    book = altered(buyers__orders_each=ORDERS_PER_USER)
    orders = round(events / EVENTS_PER_ORDER)
    write_ledger_table(simulate(World(n_orders=orders, seed=1, book=book)).events, folder)
    ledger = read_ledger(folder, (task := load_task()).columns_needed())
    asked = spine(task, ledger)["as_of"]
    requests = events // EVENTS_PER_REQUEST
    return {
        "ledger": str(folder),
        "since": str(asked.iloc[-requests]),
        "events": len(ledger),
        "users": len(np.unique(ledger["user_id"].values)),
        "requests": requests,
    }


def _make_model(place: Path) -> dict[str, Any]:
    """Train on a smaller market of another seed."""
    market = simulate(World(n_orders=TRAINING_ORDERS, seed=2))
    write_ledger_table(market.events, place / "ledger")
    result = run_train(TrainConfig(ledger=place / "ledger", artifacts=place))
    return {"model": str((result.final or result.judged).bundle.folder)}


def _digest(packages: tuple[str, ...]) -> str:
    files = [path for top in packages for path in sorted(Path(top).rglob("*"))]
    code = [path.read_bytes() for path in files if path.suffix in (".py", ".toml")]
    return sha256(b"".join(code)).hexdigest()


if __name__ == "__main__":
    print(json.dumps(_make(sys.argv[1])))
