"""LightGBM trained the same way everywhere: checked parameters, signs by name, stable bits.

In: an encoded matrix (`models.encode`) in a stable order (`models.rows`). Out: a Booster. The raw
interface is used instead of LGBMClassifier: no hidden label coding, no warnings about names.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError, nearest
from models.encode import Encoding, Matrix, Table, encode

Params = Mapping[str, Any]

# A leaf is held back by its hessian, not by its rows: with 3 % positives, 1.0 is about 35 rows.
DEFAULTS: dict[str, Any] = {
    "n_estimators": 200,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "feature_fraction": 0.5,
    "lambda_l2": 5.0,
    "min_data_in_leaf": 1,
    "min_sum_hessian_in_leaf": 1.0,
    "bin_construct_sample_cnt": 50_000,  # 12 bytes a value: more would outweigh the table itself
    "monotone_constraints_method": "basic",
}
#: What LightGBM takes, both ends included; two whole numbers stand for whole numbers.
RANGES: dict[str, tuple[float, float]] = {
    "n_estimators": (1, 100_000),
    "learning_rate": (1e-6, 10.0),
    "num_leaves": (2, 131_072),
    "max_depth": (-1, 1_000),
    "feature_fraction": (1e-6, 1.0),
    "feature_fraction_bynode": (1e-6, 1.0),
    "bagging_fraction": (1e-6, 1.0),
    "bagging_freq": (0, 100_000),
    "lambda_l1": (0.0, 1e12),
    "lambda_l2": (0.0, 1e12),
    "min_data_in_leaf": (0, 10**9),
    "min_sum_hessian_in_leaf": (0.0, 1e12),
    "min_gain_to_split": (0.0, 1e12),
    "max_bin": (2, 65_535),
    "min_data_in_bin": (1, 10**9),
    "bin_construct_sample_cnt": (1, 10**9),
    "cat_l2": (0.0, 1e12),
    "cat_smooth": (0.0, 1e12),
    "max_cat_threshold": (1, 10**9),
    "max_cat_to_onehot": (1, 10**9),
    "min_data_per_group": (1, 10**9),
    "monotone_penalty": (0.0, 1e12),
    "path_smooth": (0.0, 1e12),
}
KNOWN = frozenset(RANGES) | {"extra_trees", "monotone_constraints_method"}
_CLASS_WEIGHTS = {"class_weight", "is_unbalance", "unbalance", "scale_pos_weight"}


def check_params(params: Params | None, where: str = "params") -> dict[str, Any]:
    """The parameters over our defaults, by LightGBM's canonical names (and `n_estimators`).

    Raises
    ------
    UsageError : an unknown name (the nearest is named), class weights, a value out of its range, or
        monotone "advanced".
    """
    given = dict(params or {})
    for name in given:
        if name in _CLASS_WEIGHTS:
            raise UsageError(
                f"'{name}' is refused: probabilities meet money here",
                where=where,
                fix="leave it out; a decision's costs belong into the policy",
            )
        if name not in KNOWN:
            raise UsageError(
                f"unknown parameter '{name}'",
                where=where,
                fix=nearest(name, sorted(KNOWN)) or f"known: {', '.join(sorted(KNOWN))}",
            )
        _check_value(name, given[name], where)
    merged = DEFAULTS | given
    if merged["monotone_constraints_method"] not in ("basic", "intermediate"):
        raise UsageError(
            f"monotone_constraints_method='{merged['monotone_constraints_method']}'",
            where=where,
            fix="use 'basic' or 'intermediate': 'advanced' breaks the constraint on missing values",
        )
    return merged


def _check_value(name: str, value: Any, where: str) -> None:
    if name == "extra_trees" and not isinstance(value, bool):
        raise UsageError(f"{name} = {value!r}", where=where, fix="give true or false")
    if name not in RANGES:
        return
    low, high = RANGES[name]
    whole = isinstance(low, int) and isinstance(high, int)
    kind = Integral if whole else Real  # numpy's numbers too
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= float(value) <= high:
        what = "a whole number" if whole else "a number"
        fix = f"give {what} from {low:,} to {high:,}"
        raise UsageError(f"{name} = {value!r}", where=where, fix=fix)


def check_signs(monotone: Mapping[str, int] | None, encoding: Encoding) -> tuple[int, ...]:
    """One sign per column, 0 where none is given.

    Raises
    ------
    UsageError : a sign for a column that is not there, for a categorical one, or not in -1, 0, 1.
    """
    if not isinstance(monotone or {}, Mapping):
        fix = 'give signs by column name: {"refunds_90d": 1}'
        raise UsageError(f"signs are a {type(monotone).__name__}", where="monotone", fix=fix)
    given = {name: sign for name, sign in (monotone or {}).items() if sign}
    for name, sign in given.items():
        if name not in encoding.columns:
            fix = nearest(name, list(encoding.columns)) or "drop it, or add the column"
            raise UsageError(f"no column '{name}' in X", where="monotone", fix=fix)
        if sign not in (-1, 1) or name in encoding.categories:
            raise UsageError(
                f"sign {sign!r} of column '{name}'",
                where="monotone",
                fix="signs are -1, 0 or 1, and only numbers carry one",
            )
    return tuple(int(given.get(name, 0)) for name in encoding.columns)


def boost(
    matrix: Matrix,
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    objective: str,
    params: Params,
    encoding: Encoding,
    signs: Sequence[int],
    seed: int,
    num_threads: int,
) -> lgb.Booster:
    """Train on all rows given, without early stopping: `params` (from `check_params`) decide."""
    settings = train_settings(params, objective, signs, seed, num_threads)
    data = dataset(matrix, target, weight, encoding, settings)
    return lgb.train(settings, data, num_boost_round=int(params["n_estimators"]))


def train_settings(
    params: Params, objective: str, signs: Sequence[int], seed: int, num_threads: int
) -> dict[str, Any]:
    """What LightGBM is told: `params` and what keeps its bits the same."""
    settings = {k: v for k, v in params.items() if k != "n_estimators"}
    settings |= {
        "objective": objective,
        "seed": seed,
        "num_threads": num_threads,
        "deterministic": True,
        "force_col_wise": True,
        "verbose": -1,
    }
    if any(signs):
        return settings | {"monotone_constraints": list(signs)}
    settings.pop("monotone_constraints_method")
    return settings


def dataset(
    matrix: Matrix,
    target: NDArray[np.float64],
    weight: NDArray[np.float64],
    encoding: Encoding,
    settings: Params,
    reference: lgb.Dataset | None = None,
) -> lgb.Dataset:
    """The binned rows; weights that are all 1 are not stored."""
    return lgb.Dataset(
        matrix,
        label=target,
        weight=None if (weight == 1).all() else weight,
        feature_name=_safe_names(encoding.columns),
        categorical_feature=list(encoding.categorical),
        params=dict(settings),
        reference=reference,
    )


def raw_scores(booster: lgb.Booster, matrix: Matrix, num_threads: int) -> NDArray[np.float64]:
    """Scores before the link (log-odds), shape (n,)."""
    if not len(matrix):
        return np.empty(0)
    scores = booster.predict(matrix, raw_score=True, num_threads=num_threads)
    return np.asarray(scores, np.float64)


def score_table(
    booster: lgb.Booster, encoding: Encoding, X: Table, num_threads: int
) -> NDArray[np.float64]:
    """Raw scores of a table, encoded block by block: scoring needs no second copy of the table."""
    blocks = [
        raw_scores(booster, encode(encoding, block), num_threads) for block in row_blocks(X, 65_536)
    ]
    return np.concatenate(blocks)


def row_blocks(X: Table, rows: int) -> Iterator[Table]:
    """The table in blocks of at most `rows` rows; an empty table is one empty block."""
    for start in range(0, max(len(X), 1), rows):
        at = slice(start, start + rows)
        yield X.iloc[at] if isinstance(X, pd.DataFrame) else X[at]


def _safe_names(columns: Sequence[str]) -> list[str]:
    """Names LightGBM's text format can hold, made unique by their position where they changed."""
    safe = [re.sub(r"[^0-9A-Za-z_]", "_", name) for name in columns]
    taken = {name for s, name in zip(safe, columns, strict=True) if s == name and s}
    names = []
    for i, (s, name) in enumerate(zip(safe, columns, strict=True)):
        new = name if name in taken else f"{s}_{i}"
        while name not in taken and new in taken:
            new += "_"
        names.append(new)
    return names
