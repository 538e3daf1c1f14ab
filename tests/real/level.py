"""Why an uncalibrated fit misses the level: observed over predicted, here, beside and later.

Each variant is fitted on four fifths of the baskets of its training months and asked about three
groups of lines: those it was fitted on, the other baskets of the same months (what it learnt by
heart is missing there), and those of February to May 2011 (what has moved since is missing, too).
The test period is cut off. `python -m tests.real.level`, a quarter of an hour on a core.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.store import read_ledger
from features.task import Task, load_task
from models.risk import RiskModel
from pipelines.decisions import Decisions
from pipelines.modelling import lessons
from pipelines.plan import heads
from pipelines.training import stage_decisions
from tests.real.run import BLOCKS, HERE, LEDGER, SINCE, before, observed_over_predicted

FIRST, END = BLOCKS[-1]
GAP = pd.Timedelta(days=30)


@dataclass(frozen=True)
class Variant:
    """What is fitted: with the task's signs or without, with columns over a life, from when on."""

    signs: bool = True
    life: bool = True
    since: str = SINCE


VARIANTS = {
    "as the task has it": Variant(),
    "without signs": Variant(signs=False),
    "without columns over a life": Variant(life=False),
    "without both": Variant(signs=False, life=False),
    "from June 2010 on": Variant(since="2010-06-01"),
}


def levels(
    task: Task, rows: Decisions, y: "pd.Series[float]", variant: Variant
) -> dict[str, float]:
    """Observed over predicted of the three groups."""
    names = [c for c in map(str, rows.X) if variant.life or not c.endswith("_life")]
    as_of, target = rows.cases["as_of"], heads(task)[0].target
    later = (as_of >= pd.Timestamp(FIRST, tz="UTC")).to_numpy(bool)
    early = (as_of < pd.Timestamp(FIRST, tz="UTC") - GAP).to_numpy(bool)
    early &= (as_of >= pd.Timestamp(variant.since, tz="UTC")).to_numpy(bool)
    baskets = pd.util.hash_pandas_object(rows.cases[["user_id", "as_of"]].astype(str), index=False)
    beside = early & (baskets % 5 == 0).to_numpy(bool)
    groups = {"fitted on": early & ~beside, "other baskets": beside, "later": later}
    model = RiskModel(
        monotone=task.signs(target, names) if variant.signs else None,
        params=task.params(target),
        calibration="none",
        random_state=7,
        num_threads=2,
    )
    fit = groups["fitted on"]
    model.fit(rows.X.loc[fit, names], y[fit])
    return {
        group: observed_over_predicted(y[at], model.predict_proba(rows.X.loc[at, names])[:, 1])
        for group, at in groups.items()
    }


def main() -> None:
    """Print the table; `make real` makes the ledger."""
    task = load_task(HERE / "task.toml")
    ledger = before(read_ledger(LEDGER, task.columns_needed(), contract=task.contract()), END)
    end = pd.Timestamp(END, tz="UTC")
    stages = stage_decisions(task, ledger, pd.Timestamp(SINCE, tz="UTC"), end)
    lesson, target = lessons(task, ledger, stages, end)["request"], heads(task)[0].target
    usable = np.flatnonzero(lesson.usable(task, target))
    y = lesson.labels[target].iloc[usable].astype(float).reset_index(drop=True)
    for name, variant in VARIANTS.items():
        found = levels(task, lesson.decisions.take(usable), y, variant)
        print(f"{name:30}", *(f"{k} {v:.3f}  " for k, v in found.items()), flush=True)


if __name__ == "__main__":
    main()
