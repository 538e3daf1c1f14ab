"""How often intervals hold the truth: the table of a simulation study.

In: one row a history and method. Out: one row a method, with the width of its intervals against
that of the method that was told the true nuisance functions.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from models.bootstrap import Interval

ORACLE = "oracle"


def flat(key: str, tables: dict[str, Any], ours: str) -> dict[str, float]:
    """The bars of a study: `<key>_*` of the first world, `<key>_<world>_*` of the stressed ones."""
    found: dict[str, float] = {}
    for number, (world, table) in enumerate(tables.items()):
        name = f"{key}_{world}" if number else key
        found[f"{name}_coverage"] = table.loc[ours, "coverage"]
        found[f"{name}_width_ratio"] = table.loc[ours, "width_ratio"]
        found[f"{name}_coverage_naive"] = table.loc["unweighted", "coverage"]
    return found


def show(title: str, tables: dict[str, Any]) -> None:
    """The table a person reads: a row a world and method."""
    print(f"{title}: coverage of 95 % intervals, width against the oracle's")
    print(pd.concat(tables, names=["world", "method"]).round(4).to_string())


def coverage_table(histories: Iterable[dict[str, Interval]], truth: dict[str, float]) -> Any:
    """A frame with `coverage`, `width_ratio`, `bias` and `spread` by method.

    Parameters
    ----------
    histories : of each history every method's interval. truth : of each method's question.
    """
    drawn = list(histories)
    rows = {}
    for name in drawn[0]:
        found = np.array([[h[name].value, h[name].lower, h[name].upper] for h in drawn])
        value, lower, upper = found.T
        oracle = np.mean([h[ORACLE].upper - h[ORACLE].lower for h in drawn])
        rows[name] = {
            "coverage": float(np.mean((lower <= truth[name]) & (truth[name] <= upper))),
            "width_ratio": float(np.mean(upper - lower) / oracle),
            "bias": float(np.mean(value) - truth[name]),
            "spread": float(np.std(value)),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
