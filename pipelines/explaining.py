"""Reasons of decisions: what bound it first, then what in the request's history raised its risk."""

import numpy as np
import pandas as pd

from features.task import Task
from models.explain import reasons
from models.risk import RiskModel
from pipelines.commands import Reasons

MOST = 4


def with_reasons(
    decisions: pd.DataFrame, task: Task, model: RiskModel, X: pd.DataFrame, which: Reasons
) -> pd.DataFrame:
    """The decisions with `reason_1` (what bound it) to `reason_4` (groups of the model's columns).

    Parameters
    ----------
    X : the model's columns, row by row as `decisions`.
    which : rows that are explained by the model: those held, all, or none.
    """
    held = (decisions["action"] != "instant").to_numpy(bool)
    rows = np.flatnonzero({"held": held, "all": held | True, "none": held & False}[which])
    table = np.full((len(decisions), MOST), None, dtype=object)
    table[:, 0] = decisions["binding"].astype(object)
    if rows.size:
        found = reasons(model, X.iloc[rows], task.reason_keys(), top=MOST - 1)
        table[rows[found["row"]], found["rank"]] = found["key"].astype(object)
    names = sorted({str(v) for v in table.ravel() if v is not None})
    columns = {
        f"reason_{place + 1}": pd.Categorical(table[:, place], categories=pd.Index(names))
        for place in range(MOST)
    }
    return decisions.assign(**columns)
