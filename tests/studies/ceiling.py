"""How far the model is from the best that its columns allow.

The ceiling is LightGBM on the same columns, fitted to the planted probability of abuse under
instant pay-out (a soft label, no luck in it) on many times the cases of other worlds. Ours learns
from the labels of one world's paid cases, as they were known when the test period began. Both are
judged on the same later requests, averaged over the luck of the labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.market import World, simulate
from data.store import read_ledger
from features.engine import features
from features.labels import labels
from features.spine import spine
from features.task import Task, load_task
from models.encode import encode, learn_encoding
from models.risk import RiskModel

Floats = NDArray[np.float64]
TARGET, TRUTH = "y_abuse", "p_abuse_instant"
WARM_UP, TEST_FROM = pd.Timedelta(days=45), pd.Timedelta(days=365)
SOFT: dict[str, Any] = {
    "objective": "cross_entropy",
    "num_leaves": 31,
    "learning_rate": 0.1,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "num_threads": 2,
    "verbosity": -1,
    "seed": 0,
}


@dataclass(frozen=True)
class Requests:
    """One world's requests: spine, columns, labels known when the test begins, planted risk.

    `truth` : the judge's table, rows as in `cases`.
    """

    cases: pd.DataFrame
    X: pd.DataFrame
    known: pd.DataFrame
    p: Floats
    truth: pd.DataFrame

    @property
    def test(self) -> NDArray[np.bool_]:
        """The requests of the last months."""
        as_of = self.cases["as_of"]
        return np.asarray(as_of >= as_of.min() + TEST_FROM)


def requests_of(task: Task, n_orders: int, seed: int) -> Requests:
    """Simulate a world and compute what a model may know of its requests."""
    market = simulate(World(n_orders=n_orders, seed=seed))
    ledger = read_ledger(market.events, task.columns_needed())
    cases = spine(task, ledger)
    cases = cases[cases["as_of"] >= cases["as_of"].min() + WARM_UP].reset_index(drop=True)
    known = labels(task, ledger, cases, cases["as_of"].min() + TEST_FROM)
    truth = market.truth.to_pandas().set_index("case_id").loc[cases["case_id"].astype("int64")]
    X = features(task.at_stage("request"), ledger, cases)
    return Requests(cases, X, known, truth[TRUTH].to_numpy(np.float64), truth)


def fit_ceiling(worlds: Sequence[Requests], rounds: int) -> Any:
    """A function from columns to scores that knows what no one knows."""
    X = pd.concat([w.X for w in worlds], ignore_index=True)
    encoding = learn_encoding(X)
    data = lgb.Dataset(encode(encoding, X), np.concatenate([w.p for w in worlds]))
    booster = lgb.train(SOFT, data, rounds)
    return lambda rows: booster.predict(encode(encoding, rows))


def fit_ours(task: Task, world: Requests) -> RiskModel:
    """The task's own model, on the paid and matured cases of one world."""
    known = world.known
    paid = known["paid_stage"] == "request"
    rows = (known[f"{TARGET}_matured"] & known[TARGET].notna() & paid).to_numpy(bool)
    model = RiskModel(
        monotone=task.signs(TARGET, world.X.columns),
        params=task.params(TARGET),
        calibration_share=0.5,
        calibration_folds=5,
        gap=timedelta(days=60),
        refit=True,
        num_threads=2,
    )
    y = known[TARGET].to_numpy(np.float64)[rows]
    return model.fit(world.X[rows], y, times=world.cases["as_of"][rows])


def expected_auc(score: Floats, p: Floats) -> float:
    """AUC of a score against outcomes drawn with probabilities `p`, averaged over the draws."""
    order = np.argsort(score, kind="stable")
    p = p[order]
    good = np.cumsum(1 - p) - (1 - p) / 2
    return float(p @ good / (p.sum() * (1 - p).sum()))


def gaps(size: int, seeds: Sequence[int], times: int, worlds: int, rounds: int) -> pd.DataFrame:
    """AUC of ours, of the ceiling, and of the latent oracle, a row per seed.

    Parameters
    ----------
    size : orders of each of our worlds; the ceiling learns from `times` as many, in `worlds` parts.
    """
    task = load_task()
    each = size * times // worlds
    soft = fit_ceiling([requests_of(task, each, 10_000 + i) for i in range(worlds)], rounds)
    rows = [ranks(task, size, seed, {"ceiling": soft}) for seed in seeds]
    table = pd.DataFrame(rows)
    return table.assign(gap=table["ceiling"] - table["ours"])


def ranks(task: Task, size: int, seed: int, ceilings: Mapping[str, Any]) -> dict[str, float]:
    """AUC of ours, of some ceilings (columns to scores), and of the oracle, on one world."""
    world = requests_of(task, size, seed)
    X, p = world.X[world.test], world.p[world.test]
    scores = {"ours": fit_ours(task, world).raw_score(X)}
    scores |= {name: says(X) for name, says in ceilings.items()} | {"oracle": p}
    return {"seed": seed, **{k: expected_auc(v, p) for k, v in scores.items()}}
