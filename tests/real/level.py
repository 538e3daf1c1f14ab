"""Why an uncalibrated fit misses the level: observed over predicted, here, beside and later.

Each variant is fitted on its training months without a fifth of the customers and a fifth of the
others' baskets, and asked about four groups of lines: those it was fitted on, the other baskets of
customers it knows, the lines of strangers in the same months, and those of February to May 2011.
The test period is cut off. `python -m tests.real.level`, some ten minutes on a core.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.store import read_ledger
from features.task import Task, load_task
from models.risk import RiskModel
from pipelines.decisions import Decisions
from pipelines.lessons import lessons
from pipelines.plan import heads
from pipelines.training import stage_decisions
from tests.real.run import BLOCKS, HERE, LEDGER, SINCE, before, observed_over_predicted

FIRST, END = BLOCKS[-1]
GAP = pd.Timedelta(days=30)
Mask = NDArray[np.bool_]


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
    "from June 2010 on": Variant(since="2010-06-01"),
}


def levels(
    task: Task, rows: Decisions, y: "pd.Series[float]", variant: Variant
) -> dict[str, float]:
    """Observed over predicted of the four groups."""
    names = [c for c in map(str, rows.X) if variant.life or not c.endswith("_life")]
    target, cases = heads(task)[0].target, rows.cases
    first = pd.Timestamp(FIRST, tz="UTC")
    early = _mask(cases["as_of"].between(pd.Timestamp(variant.since, tz="UTC"), first - GAP))
    stranger = _fifth(cases[["user_id"]])
    other = ~stranger & _fifth(cases[["user_id", "as_of"]])
    groups = {
        "fitted on": early & ~stranger & ~other,
        "other baskets": early & other,
        "strangers": early & stranger,
        "later": _mask(cases["as_of"] >= first),
    }
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


def _fifth(keys: pd.DataFrame) -> Mask:
    """Every fifth value of the keys, by a stable hash."""
    return _mask(pd.util.hash_pandas_object(keys.astype(str), index=False) % 5 == 0)


def _mask(flags: "pd.Series[bool]") -> Mask:
    return flags.to_numpy(bool)


def matured_lines(end: str) -> tuple[Task, Decisions, "pd.Series[float]"]:
    """The task, the lines bought 30 days before `end`, and whether each was returned.

    `make real` makes the ledger.
    """
    task = load_task(HERE / "task.toml")
    ledger = before(read_ledger(LEDGER, task.columns_needed(), contract=task.contract()), end)
    until = pd.Timestamp(end, tz="UTC")
    stages = stage_decisions(task, ledger, pd.Timestamp(SINCE, tz="UTC"), until)
    lesson, target = lessons(task, ledger, stages, until)["request"], heads(task)[0].target
    usable = np.flatnonzero(lesson.usable(task, target))
    y = lesson.labels[target].iloc[usable].astype(float).reset_index(drop=True)
    return task, lesson.decisions.take(usable), y


def main() -> None:
    """Print the table."""
    task, rows, y = matured_lines(END)
    for name, variant in VARIANTS.items():
        found = levels(task, rows, y, variant)
        print(f"{name:30}", *(f"{k} {v:.3f}  " for k, v in found.items()), flush=True)


if __name__ == "__main__":
    main()
