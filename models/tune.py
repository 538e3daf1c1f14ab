"""Choosing LightGBM's parameters on later time: what `clawback tune` writes to the task file.

In: a table, a target, decision times. Out: a plain dictionary for `RiskModel(params=...)`. Every
trial is judged by log loss on walk-forward folds; the number of trees comes from early stopping
there, so that training itself needs none.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.boosting import check_params, check_signs, dataset, train_settings
from models.encode import Encoding, Matrix, encode, learn_encoding
from models.inputs import check_lengths
from models.rows import content_keys, take
from models.split import NO_GAP, Rows, walk_forward

Floats = NDArray[np.float64]
Space = Mapping[str, Any]

MAX_TREES, PATIENCE = 2_000, 30

# (low, high) of two numbers is a range, on a log scale where both are above 0 and the range is
# wide; a list is a choice.
SPACE: dict[str, Any] = {
    "num_leaves": (7, 127),
    "learning_rate": (0.02, 0.15),
    "min_sum_hessian_in_leaf": (0.5, 50.0),
    "feature_fraction": (0.3, 1.0),
    "lambda_l2": (0.1, 100.0),
    "max_bin": [31, 63, 127, 255, 511],
    "min_data_in_bin": [3, 10, 30],
    "monotone_constraints_method": ["basic", "intermediate"],
}


def tune(
    X: Any,
    y: ArrayLike,
    times: Any,
    groups: ArrayLike | None = None,
    *,
    monotone: Mapping[str, int] | None = None,
    space: Space | None = None,
    start: Mapping[str, Any] | None = None,
    n_trials: int = 30,
    folds: int = 3,
    span: timedelta = timedelta(days=30),
    gap: timedelta = NO_GAP,
    seed: int = 0,
    num_threads: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> dict[str, Any]:
    """The best parameters found, with `n_estimators`; the same seed gives the same answer.

    Parameters
    ----------
    X, y, times : matured rows only; y is 0/1.
    groups : users not to be shared between the two sides of a fold; None lets them recur, as they
        do in production.
    space : what is tried, see `SPACE`. start : parameters tried first, and kept where not in
        `space`.
    folds, span, gap : see `models.split.walk_forward`; the gap is the label's horizon.
    progress : called with the trial's number and the best log loss so far.

    Raises
    ------
    ContractError : a fold without rows or with one class. UsageError : an unknown parameter.
    """
    space = dict(SPACE if space is None else space)
    if not monotone:
        space.pop("monotone_constraints_method", None)
    fixed = {k: v for k, v in (start or {}).items() if k != "n_estimators"}
    check_params(fixed | {name: bounds[0] for name, bounds in space.items()})
    target = np.asarray(y, np.float64)
    check_lengths(len(X), y=target)
    encoding = learn_encoding(X)
    signs = check_signs(monotone, encoding)
    matrix = encode(encoding, X)
    place = np.argsort(np.lexsort((target, content_keys(matrix, seed=seed))))
    cut = walk_forward(times, folds=folds, span=span, gap=gap, groups=groups, y=target)
    parts = [tuple(rows[np.argsort(place[rows])] for rows in fold) for fold in cut]

    def trial_loss(given: Mapping[str, Any]) -> tuple[float, int]:
        params = check_params(fixed | dict(given))
        settings = train_settings(params, "binary", signs, seed, num_threads)
        runs = [_fold(matrix, target, encoding, settings, fit, held) for fit, held in parts]
        losses, trees = zip(*runs, strict=True)
        return float(np.mean(losses)), int(np.median(trees))

    return fixed | _search(trial_loss, space, fixed, n_trials, seed, progress)


def _fold(
    matrix: Matrix,
    target: Floats,
    encoding: Encoding,
    settings: Mapping[str, Any],
    fit: Rows,
    held: Rows,
) -> tuple[float, int]:
    """Log loss on the later rows at the best number of trees, and that number."""
    train, later = ((take(matrix, rows), target[rows], np.ones(rows.size)) for rows in (fit, held))
    data = dataset(*train, encoding, settings)
    valid = dataset(*later, encoding, settings, reference=data)
    booster = lgb.train(
        dict(settings),
        data,
        num_boost_round=MAX_TREES,
        valid_sets=[valid],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )
    return float(booster.best_score["valid_0"]["binary_logloss"]), int(booster.best_iteration)


def _search(
    trial_loss: Callable[[Mapping[str, Any]], tuple[float, int]],
    space: Space,
    fixed: Mapping[str, Any],
    n_trials: int,
    seed: int,
    progress: Callable[[int, float], None] | None,
) -> dict[str, Any]:
    """The best trial's parameters, trees included."""
    import optuna  # heavy, and only this function needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: Any) -> float:
        given = {name: _suggest(trial, name, bounds) for name, bounds in space.items()}
        loss, trees = trial_loss(given)
        trial.set_user_attr("params", given | {"n_estimators": max(trees, 1)})
        return loss

    def tell(study: Any, trial: Any) -> None:
        if progress is not None:
            progress(trial.number, study.best_value)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    known = {k: v for k, v in fixed.items() if k in space and _inside(space[k], v)}
    if known:
        study.enqueue_trial(known)
    study.optimize(objective, n_trials=n_trials, callbacks=[tell])
    return dict(study.best_trial.user_attrs["params"])


def _inside(bounds: Any, value: Any) -> bool:
    return value in bounds if isinstance(bounds, list) else bounds[0] <= value <= bounds[1]


def _suggest(trial: Any, name: str, bounds: Any) -> Any:
    if isinstance(bounds, list):
        return trial.suggest_categorical(name, bounds)
    low, high = bounds
    log = low > 0 and high / low > 4
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=log)
    # Six digits are enough, and what the task file shows is then what was tried.
    return float(f"{trial.suggest_float(name, low, high, log=log):.6g}")
