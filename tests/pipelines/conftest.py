"""One small simulated shop for all tests of the pipelines, and a model trained on it once."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from data.ingest import write_ledger_table
from data.ledger import Ledger
from data.market import Market, World, simulate
from data.store import read_ledger
from features.task import load_task
from models.baselines import LogisticBaseline
from pipelines.atomic import publish
from pipelines.bundle import Bundle, read_bundle, write_bundle
from pipelines.plan import policy_of
from pipelines.training import Recipe, Trial, try_recipe

QUICK = """
name = "quick"
extends = "advance_refund"
[model.y_claw]
n_estimators = 40
num_leaves = 6
max_bin = 31
[model.y_abuse]
n_estimators = 40
num_leaves = 6
max_bin = 31
"""


@pytest.fixture(scope="session", autouse=True)
def quick_baselines() -> Iterator[None]:
    """A scorecard bins each of 250 columns by a search; here a regression stands for it."""

    def both(_seed: int) -> dict[str, LogisticBaseline]:
        return {"logistic": LogisticBaseline(), "scorecard": LogisticBaseline(strength=1e4)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.beside.baselines", both)
        yield


@pytest.fixture(scope="session")
def market() -> Market:
    return simulate(World(n_orders=40_000, seed=3))


@pytest.fixture(scope="session")
def truth(market: Market) -> pd.DataFrame:
    return pd.DataFrame(market.truth.to_pandas())


@pytest.fixture(scope="session")
def ledger_path(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "ledger"
    write_ledger_table(market.events, folder)
    return folder


@pytest.fixture(scope="session")
def quick_task(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("task") / "quick.toml"
    path.write_text(QUICK)
    return str(path)


@pytest.fixture(scope="session")
def ledger(ledger_path: Path, quick_task: str) -> Ledger:
    return read_ledger(ledger_path, load_task(quick_task).columns_needed())


@pytest.fixture(scope="session")
def trial(ledger: Ledger, quick_task: str) -> Trial:
    task = load_task(quick_task)
    recipe = Recipe(
        task=task,
        policy=policy_of(task, None, quick_task),
        as_of=pd.Timestamp("2025-03-01", tz="UTC"),
        since=None,
        evaluate_share=0.2,
        evaluate_from=None,
        disjoint_users=False,
        seed=0,
    )
    return try_recipe(recipe, ledger, lambda _line: None)


@pytest.fixture(scope="session")
def bundle(trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    def fill(folder: Path) -> str:
        return write_bundle(folder, trial.task, trial.recipe.policy, trial.models, {"seed": 0})

    return read_bundle(publish(tmp_path_factory.mktemp("models"), fill))
