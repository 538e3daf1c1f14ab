"""Do young cases help to rank the next period, and what do they do to the probabilities?

Simulated markets; what is known after 400 days teaches, the next 60 days judge, by planted truth
(average precision over outcomes drawn with the true probabilities). Four ways to learn: from cases
as old as the horizon only; from all, calling those good that have not gone bad yet; with weights of
inverse censoring; ours (`models.young`).
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from data.market import World, simulate
from data.store import read_ledger
from features.engine import features
from features.labels import so_far
from features.spine import spine
from features.task import load_task
from models.maturity import censoring_weights
from models.metrics import average_precision
from models.risk import RiskModel
from models.young import with_young

Floats = NDArray[np.float64]
ORDERS: Final = 300_000
TARGET, TRUTH, HORIZON = "y_claw", "p_claw_instant", 60.0
WARM_UP, LOOK, NEXT = (pd.Timedelta(days=n) for n in (45, 400, 60))
WAYS: Final = ("matured", "naive", "censoring", "ours")


def study(n_orders: int, seeds: Sequence[int]) -> pd.DataFrame:
    """One row a market: average precision (`ap_<way>`), mean risk over true (`level_<way>`)."""
    return pd.DataFrame([{"seed": seed, **_market(n_orders, seed)} for seed in seeds])


def _market(n_orders: int, seed: int) -> dict[str, float]:
    task = load_task()
    market = simulate(World(n_orders=n_orders, seed=seed))
    ledger = read_ledger(market.events, task.columns_needed())
    cases = spine(task, ledger)
    first = cases["as_of"].min()
    look = first + LOOK
    cases = cases[cases["as_of"].between(first + WARM_UP, look + NEXT)].reset_index(drop=True)
    X = features(task.at_stage("request"), ledger, cases)
    truth = market.truth.to_pandas().set_index("case_id")[TRUTH]
    p = truth.loc[cases["case_id"].astype("int64")].to_numpy(np.float64)
    known = so_far(task, ledger, cases, look)
    later = (cases["as_of"] >= look).to_numpy(bool)
    paid = known["begin_ts"].notna().to_numpy(bool) & ~later
    age = _days(look - known["begin_ts"])[paid]
    days = _days(known[TARGET] - known["begin_ts"])[paid]

    def fit(rows: Any, y: Floats, weight: Floats | None) -> RiskModel:
        model = RiskModel(
            monotone=task.signs(TARGET, X.columns),
            params=task.params(TARGET),
            calibration="none",
            num_threads=1,
        )
        return model.fit(X[paid].iloc[rows], y, sample_weight=weight)

    bad, old = (days <= HORIZON).astype(np.float64), age >= HORIZON
    models = {"matured": fit(np.flatnonzero(old), bad[old], None)}
    models["naive"] = fit(np.arange(len(age)), bad, None)
    weight = censoring_weights(days, age, HORIZON)
    models["censoring"] = fit(np.flatnonzero(weight), bad[weight > 0], weight[weight > 0])
    told = models["matured"].predict_proba(X[paid])[:, 1]
    taught = with_young(days, age, HORIZON, told)
    models["ours"] = fit(taught.rows, taught.y, taught.weight)
    found = {}
    for name in WAYS:
        said = models[name].predict_proba(X[later])[:, 1]
        found[f"ap_{name}"] = expected_precision(said, p[later])
        found[f"level_{name}"] = float(said.mean() / p[later].mean())
    return found


def expected_precision(score: Floats, p: Floats) -> float:
    """Average precision where each row is bad with probability p, and good with the rest."""
    both = np.concatenate([np.ones(len(p)), np.zeros(len(p))])
    return average_precision(both, np.tile(score, 2), np.concatenate([p, 1 - p]))


def _days(span: "pd.Series[Any]") -> Floats:
    return np.asarray(span.dt.total_seconds(), np.float64) / 86_400


def gain(table: pd.DataFrame, way: str = "ours") -> tuple[float, float, float]:
    """Mean gain of average precision over the matured alone, and its 95 % interval over markets."""
    more = (table[f"ap_{way}"] - table["ap_matured"]).to_numpy(np.float64)
    half = student.ppf(0.975, len(more) - 1) * more.std(ddof=1) / np.sqrt(len(more))
    return float(more.mean()), float(more.mean() - half), float(more.mean() + half)


def figures(seeds: Sequence[int]) -> dict[str, float]:
    """Keys `ap_gain_young_data`, its interval, and each way's mean figures."""
    table = study(ORDERS, seeds)
    print(table.round(4).to_string(index=False))
    mean, lower, upper = gain(table)
    found = {"ap_gain_young_data": mean, "ap_gain_lower": lower, "ap_gain_upper": upper}
    return found | {str(k): float(v) for k, v in table.drop(columns="seed").mean().items()}
