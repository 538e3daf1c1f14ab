"""`make studies`: are intervals, probabilities and money what they say? The truth is known here.

Prints each study's table and writes its figures into `artifacts/figures/studies.json`; with names,
only these studies: `python -m tests.studies.run maturity incentive`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from features.task import load_task
from models.policy import load_policy
from tests.benchmarks.report import write_figures
from tests.studies import calibrators, incentive, maturity, off_policy, young
from tests.studies.ceiling import fit_ceiling, ranks, requests_of
from tests.studies.money import RATIOS, money_study
from tests.studies.value import fit_prices

FIGURES: Final = Path("artifacts/figures/studies.json")
COVERAGE_SEEDS: Final = range(1, 501)  # fixed: no parameter was chosen on them
MARKET_SEEDS: Final = range(1, 13)
MONEY_SEEDS: Final = (1, 2, 3)
ORDERS: Final = 3_000_000  # a year and a half of a shop with some 7,500 claw-backs to learn from
CEILING_WORLDS, CEILING_ORDERS, ROUNDS = 4, 1_000_000, 200
AUC_ORDERS: Final = 1_600_000


def money() -> dict[str, float]:
    """Against the ceiling and the truth: ranking, expected losses, the value of decisions."""
    task, policy = load_task(), load_policy()
    worlds = [requests_of(task, CEILING_ORDERS, 10_000 + i) for i in range(CEILING_WORLDS)]
    prices = fit_prices(task, worlds, policy, ROUNDS)
    half = fit_ceiling(worlds[: CEILING_WORLDS // 2], ROUNDS)
    del worlds
    ceilings = {"ceiling": lambda X: prices.says(X)["p_abuse"].to_numpy(), "ceiling_half": half}
    ranked, rows = [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed in MONEY_SEEDS:
            ranked.append(ranks(task, AUC_ORDERS, seed, ceilings))
            rows.append(money_study(Path(folder), ORDERS, seed, prices))
            print(f"market {seed}: expected / true {rows[-1]['all'].item():.3f}", flush=True)
    auc, found = pd.DataFrame(ranked), pd.concat(rows)
    print("AUC of y_abuse on later requests, averaged over the luck of the labels")
    print(auc.round(4).to_string(index=False))
    print("\nexpected / true loss under the file's own actions, and what the decisions are worth")
    print(found.round(3).to_string(index=False))
    figures = {f"auc_{k}": float(auc[k].mean()) for k in auc if k != "seed"}
    figures["auc_gap"] = figures["auc_ceiling"] - figures["auc_ours"]
    figures["value_gap"] = float(1 - found["value_of_ceiling"].mean())
    return figures | {
        f"{name}_{row.seed}": float(getattr(row, name))
        for row in found.itertuples() for name in (*RATIOS, "value_of_ceiling")
    }  # fmt: skip


STUDIES: Final[Mapping[str, Callable[[], dict[str, float]]]] = {
    "maturity": lambda: maturity.figures(COVERAGE_SEEDS),
    "incentive": lambda: incentive.figures(COVERAGE_SEEDS),
    "off_policy": lambda: off_policy.figures(COVERAGE_SEEDS),
    "young": lambda: young.figures(MARKET_SEEDS),
    "calibrators": lambda: calibrators.figures(MARKET_SEEDS[:5]),
    "money": money,
}


def main() -> int:
    """Run the studies named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="STUDY", help=", ".join(STUDIES))
    names = parser.parse_args().names or list(STUDIES)
    unknown = sorted(set(names) - set(STUDIES))
    if unknown:
        parser.error(f"no study '{unknown[0]}'; studies: {', '.join(STUDIES)}")
    for name in names:
        start = time.monotonic()
        print(f"\n== {name}", flush=True)
        write_figures(STUDIES[name](), FIGURES)
        print(f"({time.monotonic() - start:.0f} s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
