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


def main() -> int:
    """Run both studies; about half an hour on two cores."""
    auc = gaps(size=100_000, seeds=SEEDS, times=20, worlds=4, rounds=120)
    print("AUC of y_abuse on later requests, averaged over the luck of the labels")
    print(auc.round(4).to_string(index=False))
    with tempfile.TemporaryDirectory() as folder:
        money = pd.concat(money_study(Path(folder), 4_000_000, seed) for seed in SEEDS)
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
