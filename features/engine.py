"""Features of decisions: `features(definitions, ledger, cases)`, pure, exact, past only.

The plan says what to compute, the grouped log holds the past of each entity, the kernels fill one
row per window; here the rows become columns and composites. Splitting the cases by entity, or
shuffling them, changes no bit of the result.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, UsageError, nearest
from data.ledger import Ledger
from features.declarations import (
    STAGES,
    Declaration,
    Difference,
    Rate,
    Request,
    Ring,
    Window,
    unique,
)
from features.grouping import Asked, asked_codes
from features.measures import fill_entity
from features.own_case import Own, own_cases
from features.plan import Part, Plan, cells, compile_plan
from features.ring_plan import RingPlan
from features.rings import fill_ring

Floats = NDArray[np.float64]


def features(
    definitions: Iterable[Declaration],
    ledger: Ledger,
    cases: pd.DataFrame,
    *,
    case: str = "case_id",
    threads: int = 2,
) -> pd.DataFrame:
    """One column per declaration, one row per case, in the cases' order and with their index.

    Parameters
    ----------
    definitions : declarations with different names.
    cases : `as_of` (with a zone), the entity columns of the windows, `request_*` of the requests,
        `stage` (without it all are requests). Any order, duplicates allowed. An id that the ledger
        has never held has an empty past; a null id has null features. A column of a later stage
        than the row's is null. At a stage after the request the own case is left out of every
        window that is not over the case itself (`features.own_case`).
    case : the key that says which events belong to one case.
    threads : entities computed at the same time.

    Returns
    -------
    float64 columns; a `Request` without `equals` of a text column stays as it is in `cases`.

    Raises
    ------
    ContractError : a column is missing or of the wrong kind. UsageError : two equal names.
    """
    declared = unique(definitions)
    stages = stages_of(cases, declared)
    plan = compile_plan(existing(declared, stages))
    as_of = decision_times(cases)
    by_time = np.argsort(as_of, kind="stable")
    matrix = np.empty((plan.height, len(cases)), np.float64)
    asked = asked_codes(plan.parts, ledger, cases)
    own = own_cases(ledger, cases, stages, case)
    one = partial(
        fill, ledger=ledger, asked=asked, as_of=as_of, by_time=by_time, out=matrix, own=own
    )
    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(one, plan.parts))
    return masked(finished(plan, cases, matrix), declared, stages)


def stages_of(cases: pd.DataFrame, definitions: Sequence[Declaration]) -> NDArray[np.int8]:
    """Each row's stage as its place in `STAGES`; without a column `stage` all are requests."""
    if "stage" not in cases:
        late = [d.name for d in definitions if STAGES.index(d.stage) > STAGES.index("request")]
        if late:
            fix = "build cases with spine(task, ledger, stage)"
            raise ContractError(f"{late[0]} needs the column 'stage'", where="cases", fix=fix)
        return np.full(len(cases), STAGES.index("request"), np.int8)
    found = pd.Index(STAGES).get_indexer(pd.Index(cases["stage"]))
    if (found < 0).any():
        word = str(cases["stage"].to_numpy()[found < 0][0])
        fix = nearest(word, list(STAGES)) or f"stages: {', '.join(STAGES)}"
        raise ContractError(f"unknown stage '{word}'", where="cases", fix=fix)
    return np.asarray(found, np.int8)


def existing(definitions: Sequence[Declaration], stages: NDArray[np.int8]) -> list[Declaration]:
    """The declarations that exist for at least one row; nothing else needs to be computed."""
    last = stages.max() if len(stages) else len(STAGES)
    return [d for d in definitions if STAGES.index(d.stage) <= last]


def masked(
    X: pd.DataFrame, definitions: Sequence[Declaration], stages: NDArray[np.int8]
) -> pd.DataFrame:
    """Every declared column in order, null in the rows of an earlier stage than its own."""
    first = stages.min(initial=len(STAGES))
    late = [d for d in definitions if STAGES.index(d.stage) > first]
    if not late:
        return X
    X = X.reindex(columns=[d.name for d in definitions])
    for d in late:
        X[d.name] = X[d.name].mask(stages < STAGES.index(d.stage))
    return X


def fill(
    part: Part, ledger: Ledger, asked: Asked, as_of: NDArray[np.int64],
    by_time: NDArray[np.intp], out: Floats, own: Own | None = None,
) -> None:  # fmt: skip
    """Fill the rows of one part of a plan; see `features.measures.fill_entity`.

    A ring counts nothing of the own user, and so of the own case, whose links link all the same.
    """
    if isinstance(part, RingPlan):
        fill_ring(part, ledger, asked, as_of, by_time, out)
    else:
        fill_entity(part, ledger, asked, as_of, by_time, out, own)


def finished(plan: Plan, cases: pd.DataFrame, matrix: Floats) -> pd.DataFrame:
    """The columns of a plan whose windows are filled.

    Parameters
    ----------
    matrix : shape (plan.height, n); rows of composites and requests are filled here. The result
        keeps its memory.
    """
    texts = _compose(plan, cases, matrix)
    names = [d.name for d in plan.definitions]
    X = pd.DataFrame(matrix[: len(names)].T, index=cases.index, columns=names, copy=False)
    for name, values in texts.items():
        X[name] = values
    return X


def decision_times(cases: pd.DataFrame) -> NDArray[np.int64]:
    """`as_of` in microseconds since 1970, UTC."""
    if "as_of" not in cases:
        fix = (
            nearest("as_of", [str(c) for c in cases.columns]) or "build cases with spine(task, ...)"
        )
        raise ContractError("no column 'as_of'", where="cases", fix=fix)
    times = cases["as_of"]
    if not isinstance(times.dtype, pd.DatetimeTZDtype) or times.hasnans:
        fix = "use times with a zone and without gaps: pd.to_datetime(..., utc=True)"
        raise ContractError(f"as_of is {times.dtype}, or has nulls", where="cases", fix=fix)
    utc = times.dt.tz_convert("UTC").dt.as_unit("us").dt.tz_localize(None)
    return np.asarray(utc.to_numpy().view(np.int64))


def _compose(plan: Plan, cases: pd.DataFrame, matrix: Floats) -> dict[str, "pd.Series[Any]"]:
    """Fill the rows of composites and requests; text requests are returned as they are."""
    texts = {}
    for row, d in enumerate(plan.definitions):
        if isinstance(d, Request) and d.equals is None and not _numeric(_asked(d, cases)):
            texts[d.name] = _asked(d, cases)
        elif not isinstance(d, Window | Ring) or d.aggregate == "mean":
            matrix[row] = _value(d, plan, cases, matrix)
    return texts


def _value(d: Declaration, plan: Plan, cases: pd.DataFrame, matrix: Floats) -> Floats:
    if isinstance(d, Request):
        return _attribute(d, cases)
    if isinstance(d, Window | Ring):
        found = [matrix[plan.rows[cell]] for cell in cells(d)]
        return _quotient(*found) if d.aggregate == "mean" else found[0]
    a, b = (_value(part, plan, cases, matrix) for part in (d.a, d.b))
    if isinstance(d, Difference):
        return a - b
    if isinstance(d, Rate):
        mean, weight = d.prior
        return (a + mean * weight) / (b + weight)
    return _quotient(a, b)


def _quotient(a: Floats, b: Floats) -> Floats:
    quotient = np.full(len(a), np.nan)
    np.divide(a, b, out=quotient, where=b != 0)
    return quotient


def _attribute(d: Request, cases: pd.DataFrame) -> Floats:
    """A request's attribute as numbers; null stays null."""
    values = _asked(d, cases)
    if d.equals is not None:
        matches = (values == d.equals).to_numpy(bool, na_value=False).astype(np.float64)
        matches[values.isna().to_numpy()] = np.nan
        return matches
    if not _numeric(values):
        fix = f'compare it with a value: {{ {d.stage} = "{d.column}", equals = "..." }}'
        raise UsageError(f"'{d.column}' is no number", where=f"feature {d.name}", fix=fix)
    return values.to_numpy(np.float64, na_value=np.nan)


def _asked(d: Request, cases: pd.DataFrame) -> "pd.Series[Any]":
    name = d.attribute
    if name not in cases:
        hint = nearest(name, [str(c) for c in cases.columns])
        fix = hint or f'build cases with spine(task, ledger, stage="{d.stage}")'
        raise ContractError(f"no column '{name}'", where="cases", fix=fix)
    return cases[name]


def _numeric(values: "pd.Series[Any]") -> bool:
    dtype = values.dtype
    return pd.api.types.is_numeric_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype)
