"""Time travel on anybody's data: do columns change when the future of their decisions is cut away.

In: a function that computes columns, a ledger, decisions. Out: every cell that differs between the
whole ledger and the ledger as it was at the decision. The engine's windows cannot differ; columns
that somebody computes in another way, and ledgers whose rows were changed, can.

The decisions come in small groups of neighbours in time, so that a few cuts serve hundreds of them.
Each group is cut at its last decision: for that one the cut is exact, for the others it leaves the
minutes in between, and everything that a leak brings from later days is gone for all.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from data.errors import ContractError
from data.ledger import Ledger
from features.engine import decision_times

Compute = Callable[[Ledger, pd.DataFrame], pd.DataFrame]


def groups(cases: pd.DataFrame, size: int, moments: int, seed: int) -> list[pd.DataFrame]:
    """About `size` decisions in groups of neighbours, the groups spread evenly over all decisions.

    Each group has a user once; the place of a group within its stretch of time is drawn.
    """
    by_time = np.argsort(decision_times(cases), kind="stable")
    edges = np.linspace(0, len(cases), min(moments, size, len(cases)) + 1).astype(int)
    each = -(-size // max(len(edges) - 1, 1))
    rng = np.random.default_rng(seed)
    found = []
    for lo, hi in pairwise(edges):
        last = hi if hi - lo <= each else int(rng.integers(lo + each, hi + 1))
        rows = by_time[max(lo, last - each) : last]
        found.append(cases.iloc[rows].drop_duplicates("user_id", keep="last"))
    return found


def travel(compute: Compute, ledger: Ledger, sample: list[pd.DataFrame]) -> pd.DataFrame:
    """Cells of a sample (see `groups`) that change when the future is cut away.

    Parameters
    ----------
    compute : columns of decisions, rows as in the decisions. For declared features it is
        `partial(features, definitions)`; it may be any function.

    Returns
    -------
    One row a cell: `column`, the case and `as_of`, `now` (whole ledger), `then` (cut ledger).
    """
    together = pd.concat(sample, ignore_index=True)
    then = []
    for cases in sample:
        stop = int(np.searchsorted(ledger.known_us, decision_times(cases).max()))
        then.append(compute(ledger.take(np.arange(stop)), cases.reset_index(drop=True)))
    return changed_cells(together, compute(ledger, together), pd.concat(then, ignore_index=True))


def changed_cells(cases: pd.DataFrame, now: pd.DataFrame, then: pd.DataFrame) -> pd.DataFrame:
    """The cells in which two tables of the same decisions differ; two nulls are the same.

    Raises
    ------
    ContractError : the tables have other columns or lengths.
    """
    if list(now.columns) != list(then.columns) or len(now) != len(then):
        fix = "the function that computes columns must give the same ones at any time"
        raise ContractError("columns or rows differ between two ledgers", where="travel", fix=fix)
    keys = cases[[c for c in ("case_id", "user_id", "as_of") if c in cases]].reset_index(drop=True)
    names = ["column", *keys.columns, "now", "then"]
    found = []
    for name in map(str, now):
        a, b = (t[name].reset_index(drop=True).astype(object) for t in (now, then))
        rows = np.flatnonzero(~((a == b) | (a.isna() & b.isna())))
        if not len(rows):
            continue
        cells = keys.iloc[rows].assign(column=name, now=a.iloc[rows], then=b.iloc[rows])
        found.append(cells[names])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=names)
