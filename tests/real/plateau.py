"""How far unlike learners come on the same columns: average precision in the walk-forward's blocks.

Trees (the task's, in a quarter of the steps, three seeds averaged), trees without signs, a logistic
regression, a neural net, and the mean of trees and net, each fitted on the lines whose labels were
known when the block began. Then the trees again, asked to find only the returned lines of orders
that lost up to a tenth of their lines, up to half, or more. The test period is cut off.
`python -m tests.real.plateau` prints both tables, in some ten minutes on two cores.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from features.task import Task
from models import metrics
from models.baselines import LogisticBaseline
from models.calibration import logit
from models.risk import RiskModel
from pipelines.decisions import Decisions
from pipelines.plan import heads
from tests.real.level import GAP, matured_lines
from tests.real.run import BLOCKS

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
LOST = {"up to a tenth": (0.0, 0.1), "up to half": (0.1, 0.5), "more": (0.5, 1.0)}
QUICK = {"learning_rate": 0.04, "n_estimators": 200}
SEEDS = (1, 2, 3)


def learners(task: Task, names: list[str]) -> Mapping[str, list[Any]]:
    """Unfitted models by name; the log-odds of a list are averaged."""
    target = heads(task)[0].target
    params = dict(task.params(target)) | QUICK

    def trees(signs: Mapping[str, int] | None) -> list[Any]:
        return [
            RiskModel(signs, params, calibration="none", random_state=s, num_threads=2)
            for s in SEEDS
        ]

    def net(seed: int) -> Any:
        return make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True),
            QuantileTransformer(n_quantiles=200, output_distribution="normal", random_state=0),
            MLPClassifier(
                (64, 32), alpha=1.0, batch_size=512, learning_rate_init=5e-4, max_iter=3,
                random_state=seed,
            ),
        )  # fmt: skip

    return {
        "trees": trees(task.signs(target, names)),
        "trees without signs": trees(None),
        "logistic": [LogisticBaseline()],
        "net": [net(s) for s in SEEDS],
    }


def scores_of(task: Task, rows: Decisions, y: Floats, known: Mask, judged: Mask) -> pd.DataFrame:
    """Log-odds of the judged lines by each learner fitted on the known ones."""
    fit, asked = rows.X[known], rows.X[judged]
    scores = pd.DataFrame(index=asked.index)
    for name, models in learners(task, [str(c) for c in rows.X]).items():
        said = (m.fit(fit, y[known]).predict_proba(asked)[:, 1] for m in models)
        scores[name] = np.mean([logit(np.clip(p, 1e-9, 1 - 1e-9)) for p in said], axis=0)
    return scores.assign(**{"trees and net": 0.7 * scores["trees"] + 0.3 * scores["net"]})


def by_loss(lines: pd.DataFrame, y: Floats, score: Floats) -> dict[str, float]:
    """Share of the returned lines, and average precision, by how much of its order a line took."""
    order = [lines["user_id"], lines["as_of"]]
    share = pd.Series(y, lines.index).groupby(order, observed=True).transform("mean").to_numpy()
    found = {}
    for name, (low, high) in LOST.items():
        mine = (y == 1) & (share > low) & (share <= high)
        rows = mine | (y == 0)
        found[f"{name}: of all"] = mine.sum() / y.sum()
        found[f"{name}: precision"] = metrics.average_precision(y[rows], score[rows])
    return found


def main() -> None:
    """Print the tables."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # three rounds are all it needs
    task, rows, target = matured_lines(BLOCKS[-1][1])
    y, at = np.asarray(target, np.float64), rows.cases["as_of"]
    ranked, lost = {}, {}
    for first, end in BLOCKS:
        start, stop = pd.Timestamp(first, tz="UTC"), pd.Timestamp(end, tz="UTC") - GAP
        judged = ((at >= start) & (at < stop)).to_numpy(bool)
        scores = scores_of(task, rows, y, (at < start - GAP).to_numpy(bool), judged)
        ranked[f"from {first}"] = {
            name: metrics.average_precision(y[judged], s) for name, s in scores.items()
        }
        trees = scores["trees"].to_numpy(np.float64)
        lost[f"from {first}"] = by_loss(rows.cases[judged], y[judged], trees)
    for table in (ranked, lost):
        print(pd.DataFrame(table).round(4).to_string(), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
