"""Calibrators compared on time-ordered data: simulated markets whose true probabilities are known.

The trees of P(claw-back) are fitted once a market on what was known at a cut; every calibrator then
maps the same held-out scores, takes its level from the same later half, and is judged on all
requests after the cut against the planted truth. `excess`: mean Kullback-Leibler distance from the
truth (what the calibration costs in log loss), in thousandths of a nat. `gap`: mean absolute
difference from the truth over fifteen bins of equal size, relative to the mean risk.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.ledger import ledger_of
from data.market import World, simulate
from features.task import Task, load_task
from models.boosting import score_table
from models.calibration import METHODS, calibrate, fit_calibrator, with_level
from models.fitting import Fitted, Settings, fit_held_out
from models.steps import binned_error, steps
from pipelines.as_of import stamp
from pipelines.decisions import Decisions, request_decisions, training_start
from pipelines.lessons import Lesson, lessons
from pipelines.plan import AT_REQUEST, horizon
from pipelines.risk_heads import CALIBRATION_FOLDS, CALIBRATION_SHARE

Floats = NDArray[np.float64]
ORDERS = 400_000
LATER = pd.Timedelta(days=120)  # of requests are judged


def figures(seeds: Sequence[int], orders: int = ORDERS) -> dict[str, float]:
    """Means over the markets: `<method>_excess`, `<method>_gap`, and `spline_wins`.

    `spline_wins`: in how many markets the default is nearest to the truth of all.
    """
    rows = table(seeds, orders)
    means = rows.groupby("method")[["bad", "excess", "gap"]].mean().sort_values("excess")
    print(f"{len(seeds)} markets of {orders:,} orders\n{means.round(3).to_string()}")
    found = {
        f"{method}_{name}": float(part[name].mean())
        for method, part in rows.groupby("method") for name in ("excess", "gap")
    }  # fmt: skip
    best = rows.loc[rows.groupby("seed")["excess"].idxmin(), "method"]
    return found | {"spline_wins": float((best == "spline").sum())}


def table(seeds: Sequence[int], orders: int = ORDERS) -> pd.DataFrame:
    """One row a market and method."""
    return pd.concat([_market(seed, orders) for seed in seeds], ignore_index=True)


def judged(fitted: Fitted, raw: Floats, truth: Floats, method: str) -> dict[str, float]:
    """One calibrator on the later rows."""
    shape = fit_calibrator(method, fitted.raw, fitted.y, fitted.weight, fitted.part)
    late = fitted.late
    level = with_level(shape, fitted.final[late], fitted.y[late], fitted.weight[late])
    return distance(truth, calibrate(level, raw))


def distance(truth: Floats, p: Floats) -> dict[str, float]:
    """How far probabilities lie from the true ones."""
    excess = truth * np.log(truth / p) + (1 - truth) * np.log((1 - truth) / (1 - p))
    true, told, every = steps(p, truth, p, np.ones_like(p))
    return {
        "excess": 1_000 * float(excess.mean()),
        "gap": binned_error(true, told, every) / float(truth.mean()),
    }


def _market(seed: int, orders: int) -> pd.DataFrame:
    market = simulate(World(n_orders=orders, seed=seed))
    task = load_task()
    names = task.columns_needed() | {"event_id"}
    kept = [c for c in market.events.column_names if c in names]
    ledger = ledger_of(market.events.select(kept).to_pandas())
    end = stamp(int(ledger.known_us[-1]))
    cut = (end - LATER).floor("D")
    decisions = request_decisions(task, ledger, training_start(ledger, None, cut), end)
    known = lessons(task, ledger, {"request": decisions}, cut)["request"]
    fitted = _fitted(task, known, seed)
    later = decisions.take((decisions.cases["as_of"] >= cut).to_numpy(bool))
    raw = score_table(fitted.booster, fitted.encoding, later.X, 1)
    truth = _truth(market.truth.to_pandas(), later)
    bad = int(fitted.y.sum())
    rows = [
        {"seed": seed, "bad": bad, "method": m, **judged(fitted, raw, truth, m)} for m in METHODS
    ]
    return pd.DataFrame(rows)


def _fitted(task: Task, known: Lesson, seed: int) -> Fitted:
    rows = known.usable(task, AT_REQUEST.target)
    part = known.decisions.take(rows)
    settings = Settings(
        objective="binary",
        params=task.params(AT_REQUEST.target),
        monotone=task.signs(AT_REQUEST.target, part.X.columns),
        share=CALIBRATION_SHARE,
        folds=CALIBRATION_FOLDS,
        gap=timedelta(days=horizon(task, AT_REQUEST.target).days),
        refit=True,
        stratify=True,
        relative=False,
        seed=seed,
        num_threads=2,
    )
    y = known.labels[AT_REQUEST.target].to_numpy(np.float64)[rows]
    return fit_held_out(part.X, y, known.weight()[rows], None, part.cases["as_of"], settings)


def _truth(truth: pd.DataFrame, later: Decisions) -> Floats:
    case = later.cases["case_id"].astype("int64")
    found = truth.set_index("case_id")["p_claw_instant"].reindex(case).to_numpy(np.float64)
    return np.asarray(np.clip(found, 1e-9, 1 - 1e-9), np.float64)
