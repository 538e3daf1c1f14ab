"""`make studies`: how far from the ceiling, and whether expected losses are the true ones.

Prints both tables and writes `artifacts/figures/studies.json`.
"""

import json
import sys
import tempfile
from pathlib import Path

import pandas as pd

from tests.studies.ceiling import gaps
from tests.studies.money import RATIOS, money_study

SEEDS = (1, 2, 3, 4, 5)
ORDERS = 4_000_000  # a year and a half of a shop with some 10,000 claw-backs to learn from


def main() -> int:
    """Run both studies; about half an hour on two cores."""
    auc = gaps(size=100_000, seeds=SEEDS, times=20, worlds=4, rounds=120)
    print("AUC of y_abuse on later requests, averaged over the luck of the labels")
    print(auc.round(4).to_string(index=False), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for seed in SEEDS:
            rows.append(money_study(Path(folder), ORDERS, seed))
            print(f"market {seed}: expected / true {rows[-1]['all'].item():.3f}", flush=True)
        money = pd.concat(rows)
    print("\nexpected / true loss under the file's own actions")
    print(money.round(3).to_string(index=False))
    figures = {"auc_ours": auc["ours"].mean(), "auc_ceiling": auc["ceiling"].mean()}
    figures |= {"auc_gap": auc["gap"].mean(), "auc_oracle": auc["oracle"].mean()}
    figures |= {
        f"{name}_{row.seed}": getattr(row, name) for row in money.itertuples() for name in RATIOS
    }
    out = Path("artifacts/figures/studies.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({k: float(v) for k, v in figures.items()}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
