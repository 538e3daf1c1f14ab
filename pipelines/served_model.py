"""The model for other people's tools: MLflow stores this file as it is, with the sealed bundle.

It needs LightGBM, numpy and pandas, and nothing of this project. In: the columns of the signature
(numbers; text for categories). Out: one probability per head, `p_<head>`.
"""

import json
from pathlib import Path
from typing import Any

import lightgbm as lgb
import mlflow.models
import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel

TIE = 1e-6  # as in the project: steps of the calibration keep the order of the scores


class ServedModel(PythonModel):
    """Every risk model of a bundle behind one `predict`."""

    def load_context(self, context: Any) -> None:
        """Read the heads of the bundle."""
        folders = sorted(Path(context.artifacts["bundle"]).glob("*_*/booster.txt"))
        self.heads = {path.parent.name: _load(path.parent) for path in folders}

    def predict(
        self,
        context: Any,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Calibrated probabilities of the bad outcome."""
        columns = {f"p_{n}": _probability(*head, model_input) for n, head in self.heads.items()}
        return pd.DataFrame(columns, index=model_input.index)


def _load(folder: Path) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    read = {n: json.loads((folder / f"{n}.json").read_text()) for n in ("features", "calibration")}
    booster = lgb.Booster(model_str=(folder / "booster.txt").read_text())
    return booster, read["features"], read["calibration"]


def _probability(booster: Any, features: dict[str, Any], told: dict[str, Any], table: Any) -> Any:
    matrix = np.empty((len(table), len(features["columns"])), np.float32)
    for i, name in enumerate(features["columns"]):
        values = table[name]
        if name in features["categories"]:
            codes = {value: code for code, value in enumerate(features["categories"][name])}
            values = values.map(lambda v, codes=codes: codes.get(str(v), np.nan))
        matrix[:, i] = values.to_numpy(np.float32, na_value=np.nan)
    return _calibrate(told, booster.predict(matrix, raw_score=True))


def _calibrate(told: dict[str, Any], raw: Any) -> Any:
    plain = _expit(raw)
    if told["method"] == "none":
        return np.clip(plain, 1e-9, 1 - 1e-9)
    if told["method"] in ("isotonic", "venn_abers"):
        p = _steps(told, raw)
        p = _expit(np.log(p) - np.log1p(-p) + told["shift"])
    else:
        level, *slopes = told["coef"]
        p = _expit(level + told["shift"] + _shape(told, raw) @ np.array(slopes))
    return np.clip((1 - TIE) * p + TIE * plain, 1e-9, 1 - 1e-9)


def _steps(told: dict[str, Any], raw: Any) -> Any:
    if told["method"] == "isotonic":
        return np.interp(raw, told["x"], told["p"])
    x = np.array(told["x"])
    return np.array(told["p"])[np.searchsorted(x, raw) + np.searchsorted(x, raw, "right")]


def _shape(told: dict[str, Any], raw: Any) -> Any:
    if told["method"] in ("sigmoid", "temperature"):
        return raw[:, None]
    if told["method"] == "beta":
        return np.column_stack([-np.logaddexp(0, -raw), np.logaddexp(0, raw)])
    edges = np.concatenate([[-np.inf], told["x"], [np.inf]])
    return np.clip(raw[:, None], edges[:-1], edges[1:]) - np.append(edges[1], edges[1:-1])


def _expit(raw: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * raw))


mlflow.models.set_model(ServedModel())
