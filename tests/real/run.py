"""`make real`: Online Retail II through the same commands, judged once a release on its test.

Prints the walk-forward, on which everything was chosen: purchases of November 2010 to May 2011, by
models that knew labels up to the first day of their block. With `--test` it goes on to July to
October 2011, by models that knew labels up to 2011-07-01, and keeps the book of who looked when:
`readings.toml` has one entry for each release that was ever judged there.
"""

import argparse
import hashlib
import json
import sys
import tomllib
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from data.errors import UsageError
from data.ingest import build_ledger
from data.ledger import Ledger
from data.store import read_ledger
from data.toml_text import toml_text
from features.task import Task, load_task
from models import metrics
from models.bootstrap import user_bootstrap
from pipelines.plan import heads
from pipelines.training import Recipe, try_recipe

HERE = Path(__file__).parent
DATA = HERE.parents[2] / "shared" / "data" / "online_retail_ii"
READINGS = HERE / "readings.toml"
FIGURES = Path("artifacts/figures/real.json")
LEDGER = Path("artifacts/real/ledger")
SINCE, SEED = "2009-12-01", 7
# first day judged, and the day on which the last purchase judged is 30 days old
BLOCKS = (("2010-11-01", "2011-03-03"), ("2011-02-01", "2011-07-01"))
TEST = ("2011-07-01", "2011-12-01")


def observed_over_predicted(y: ArrayLike, p: ArrayLike, weight: ArrayLike | None = None) -> float:
    """1 is right, above 1 the model is too optimistic."""
    return 1 / metrics.calibration_in_the_large(y, p, weight)


MEASURES: Mapping[str, Callable[..., float]] = {
    "auc": metrics.auc,
    "average_precision": metrics.average_precision,
    "log_loss": metrics.log_loss,
    "observed_over_predicted": observed_over_predicted,
    "calibration_slope": metrics.calibration_slope,
}


def recipe_of(task: Task, first: str, as_of: str) -> Recipe:
    """Models as of the day `first`, judged on what is old enough as of `as_of`."""
    return Recipe(
        task=task,
        policy=None,
        as_of=pd.Timestamp(as_of, tz="UTC"),
        since=SINCE,
        evaluate_share=0.2,
        evaluate_from=first,
        disjoint_users=False,
        seed=SEED,
    )


def release() -> str:
    """Twelve hex digits that change with everything that decides the figures, code excepted."""
    said = [load_task(HERE / "task.toml").version, (HERE / "mapping.toml").read_text("utf-8")]
    return hashlib.sha256(repr([*said, SINCE, SEED, TEST]).encode()).hexdigest()[:12]


def judge(task: Task, ledger: Ledger, period: tuple[str, str]) -> pd.DataFrame:
    """Outcome `y`, probability `p`, customer and time of every line judged in a period."""
    trial = try_recipe(recipe_of(task, *period), ledger, tell)
    head = heads(task)[0]
    verdict, rows = trial.verdicts[head.name], trial.rows[head.name]
    as_of = trial.taught[head.stage].decisions.cases["as_of"][rows].to_numpy()
    table = {"as_of": as_of, "user_id": verdict.users.to_numpy(), "y": verdict.y, "p": verdict.p}
    return pd.DataFrame(table)


def walk_forward(task: Task, ledger: Ledger) -> pd.DataFrame:
    """The lines of all blocks. What came to be known after a block is cut off, the test with it."""
    parts = [judge(task, before(ledger, block[1]), block) for block in BLOCKS]
    return pd.concat(parts, ignore_index=True)


def before(ledger: Ledger, day: str) -> Ledger:
    """What was known before a day."""
    end = pd.Timestamp(day, tz="UTC").value // 1000
    return ledger.take(np.flatnonzero(ledger.known_us < end))


def by_month(lines: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The figures of each month, and its lines."""
    months = lines["as_of"].dt.strftime("%Y_%m")
    return {
        str(month): {n: f(part["y"], part["p"]) for n, f in MEASURES.items()} | {"lines": len(part)}
        for month, part in lines.groupby(months)
    }


def with_intervals(lines: pd.DataFrame, draws: int = 200) -> dict[str, float]:
    """Each figure with the ends of its 95 % interval, customers drawn instead of lines."""
    found: dict[str, float] = {}
    for name, measure in MEASURES.items():
        seen = user_bootstrap(measure, lines["y"], lines["p"], users=lines["user_id"], draws=draws)
        found |= {name: seen.value, f"{name}_lower": seen.lower, f"{name}_upper": seen.upper}
    return found


def readings() -> list[dict[str, Any]]:
    """Every look at the test period, oldest first."""
    return list(tomllib.loads(READINGS.read_text("utf-8")).get("reading", []))


def note(figures: Mapping[str, float]) -> None:
    """Enter this release's figures, once; a second look must find what the first one found.

    Raises
    ------
    UsageError : the book has other figures for this release.
    """
    mine = [r for r in readings() if r["release"] == release()]
    seen = {name: round(figures[name], 4) for name in MEASURES}
    if not mine:
        entry = {"release": release(), "day": date.today(), **seen}
        lines = "".join(f"{k} = {toml_text(v)}\n" for k, v in entry.items())
        READINGS.write_text(READINGS.read_text("utf-8") + f"\n[[reading]]\n{lines}", "utf-8")
    elif any(abs(mine[-1][name] - seen[name]) > 0.002 for name in seen):
        raise UsageError(
            f"release {release()} was read as {mine[-1]}, and now as {seen}",
            where=str(READINGS),
            fix="say what changed: the figures of one release are one reading",
        )


def show(title: str, rows: Mapping[str, Mapping[str, float]]) -> None:
    """A table for a person."""
    print(f"\n{title}\n{pd.DataFrame(rows).T.round(4).to_string()}", flush=True)


def tell(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Run where the data is; say so where it is not."""
    parser = argparse.ArgumentParser(description="Online Retail II: walk-forward, and the test")
    parser.add_argument("--test", action="store_true", help="read the test period, and note it")
    args = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: the data set Online Retail II is not in {DATA}")
        return 0
    print(build_ledger(HERE / "mapping.toml", LEDGER).text())
    task = load_task(HERE / "task.toml")
    ledger = read_ledger(LEDGER, task.columns_needed(), contract=task.contract())
    past = walk_forward(task, ledger)
    months, whole = by_month(past), with_intervals(past)
    show("walk-forward, by month", months)
    show("walk-forward, all", {"": whole})
    figures = {f"walk_forward_{m}_{k}": v for m, row in months.items() for k, v in row.items()}
    figures |= {f"walk_forward_{k}": v for k, v in whole.items()}
    if args.test:
        test = judge(task, ledger, TEST)
        found = with_intervals(test)
        show("test, by month", by_month(test))
        show("test, all", {"": found})
        figures |= found | {"lines": len(test), "bad": float(test["y"].sum())}
        note(figures)
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps({k: float(v) for k, v in figures.items()}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
