"""Expected against true losses: train, decide a later period, ask the planted truth.

The true loss is the truth table's expectation under the action that the decision file took; an
action counts by itself if it holds at least 5 % of the money. Beside it, whether the chance of a
claw-back is true: over all requests, and in the tenth of them where it is furthest off.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.ingest import write_ledger_table
from data.market import World, simulate
from data.market.judge import expected_against_true, judge, oracle
from data.store import read_ledger
from models.policy import load_policy
from pipelines.as_of import stamp
from pipelines.commands import ScoreConfig, TrainConfig
from pipelines.demo import LATER, MATURE
from pipelines.score import run_score
from pipelines.train import run_train
from pipelines.truth import costs_of
from tests.studies.value import Ceiling, worth

RATIOS = ("all", "instant", "at_first_scan", "p_claw", "worst_tenth", "value_of_oracle")
LEAST_SHARE = 0.05


def money_study(
    folder: Path, n_orders: int, seed: int, ceiling: Ceiling | None = None
) -> pd.DataFrame:
    """One row: ratios of all decisions, of large actions, of P(claw-back), and to the oracle.

    With a `ceiling` also what ours are worth in shares of it (`tests.studies.value`).
    """
    market = simulate(World(n_orders=n_orders, seed=seed))
    home = folder / str(seed)
    write_ledger_table(market.events, home / "ledger")
    end = int(read_ledger(home / "ledger", ()).known_us[-1])
    until = stamp(end) - MATURE
    since = (until - LATER).floor("D")
    trained = run_train(
        TrainConfig(ledger=home / "ledger", artifacts=home, as_of=str(since), seed=seed)
    )
    bundle = (trained.final or trained.judged).bundle
    scored = run_score(
        ScoreConfig(
            ledger=home / "ledger", artifacts=home, model=str(bundle.folder), since=str(since),
            as_of=str(until), reasons="none",
        )
    )  # fmt: skip
    truth = market.truth.to_pandas()
    table = expected_against_true(scored.decisions, truth)
    large = table[(table["money_share"] >= LEAST_SHARE) & (table["true_cents"] > 0)]
    costs = costs_of(load_policy())
    cases = truth[truth["case_id"].isin(scored.decisions["case_id"].astype("int64"))]
    best = judge(oracle(cases, costs), truth, costs).net_value_cents
    ours = judge(scored.decisions, truth, costs).net_value_cents
    row: dict[Any, Any] = {"seed": seed, **large["ratio"], **_chances(scored.decisions, cases)}
    row |= table.loc["all", ["expected_cents", "true_cents"]].to_dict()
    if ceiling is not None:
        found = worth(bundle, home / "ledger", truth, since, until, ceiling)
        row["value_of_ceiling"] = found["ours"] / found["ceiling"]
    return pd.DataFrame([row | _paid(scored.decisions, cases) | {"value_of_oracle": ours / best}])


def _paid(decisions: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Abusers to be expected among the advances, and their loss at the mean rate of all."""
    found = decisions["case_id"].astype("int64").to_frame().merge(truth, on="case_id", how="left")
    rate = found["loss_cents_instant"].sum() / found["amount_cents"].sum()
    action = decisions["action"].astype("str").to_numpy()
    abusers = naive = 0.0
    for paid in ("instant", "at_first_scan"):
        rows = action == paid
        abusers += float(found.loc[rows, f"p_abuse_{paid}"].sum())
        naive += float(found.loc[rows, f"p_paid_{paid}"] @ found.loc[rows, "amount_cents"]) * rate
    return {"abusers": abusers, "naive_cents": naive}


def _chances(decisions: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Sums of predicted over true P(claw-back if paid at once): all, and the worst tenth."""
    found = decisions["case_id"].astype("int64").to_frame().merge(truth, on="case_id", how="left")
    p, true = decisions["p_claw"].to_numpy(), found["p_claw_instant"].to_numpy()
    tenth = pd.qcut(p, 10, labels=False)
    ratios = np.bincount(tenth, p) / np.bincount(tenth, true)
    worst = float(ratios[np.argmax(np.abs(ratios - 1))])
    return {"p_claw": float(p.sum() / true.sum()), "worst_tenth": worst}
