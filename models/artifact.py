"""Models on disk, without a pickle: LightGBM's text, JSON, and a manifest of SHA-256 sums.

A model is a sealed folder of `booster.txt`, `calibration.json` and `features.json`. A sealed
folder may hold further sealed folders. Saving and loading gives the same predictions bit for bit;
the same model gives the same bytes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from data.errors import ModelError
from models import calibration
from models.encode import Encoding
from models.risk import RiskModel
from models.severity import SeverityModel

FORMAT = 1
MANIFEST = "manifest.json"
Model = RiskModel | SeverityModel


def save_model(model: Model, folder: Path | str) -> Path:
    """Write a fitted model into a folder of its own, sealed; the folder is made.

    Constructor arguments that only matter to `fit` are not kept, but for the record of `params`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "booster.txt").write_text(_text(model.booster_), encoding="utf-8", newline="\n")
    _write_json(folder / "calibration.json", _calibration(model))
    _write_json(
        folder / "features.json",
        {
            "columns": list(model.encoding_.columns),
            "categories": {k: list(v) for k, v in model.encoding_.categories.items()},
            "named": hasattr(model, "feature_names_in_"),
            "signs": list(model.signs_),
            "centre": [None if np.isnan(c) else float(c) for c in model.centre_],
            "params": dict(model.params or {}),
        },
    )
    kind = "risk" if isinstance(model, RiskModel) else "severity"
    seal(folder, {"kind": kind})
    return folder


def load_model(folder: Path | str, num_threads: int = 0) -> Any:
    """The model of `save_model`, ready to predict.

    Raises
    ------
    ModelError : a file is missing, was edited, or is of a format this version does not read.
    """
    folder = Path(folder)
    kind = open_sealed(folder).get("kind", "")
    features = _read_json(folder / "features.json")
    record = _read_json(folder / "calibration.json")
    try:
        model: Model = _risk(record) if kind == "risk" else _severity(record)
        model.encoding_ = Encoding(
            tuple(features["columns"]),
            {k: tuple(v) for k, v in features["categories"].items()},
        )
        model.signs_ = tuple(features["signs"])
        model.centre_ = np.array([np.nan if c is None else c for c in features["centre"]])
        text = (folder / "booster.txt").read_text(encoding="utf-8")
        model.booster_ = lgb.Booster(model_str=text)
        model.set_params(params=features["params"] or None, num_threads=num_threads)
        model.n_features_in_ = len(model.encoding_.columns)
        if features["named"]:
            model.feature_names_in_ = np.array(model.encoding_.columns, dtype=object)
    except (KeyError, TypeError, lgb.basic.LightGBMError) as error:
        raise ModelError(
            f"not a model this version reads ({error})",
            where=str(folder),
            fix="train again, or use the version that wrote it",
        ) from error
    return model


def seal(folder: Path | str, meta: dict[str, Any]) -> None:
    """Write `manifest.json`: the meta data and the SHA-256 of every file below the folder."""
    folder = Path(folder)
    _write_json(folder / MANIFEST, {"format": FORMAT, "meta": meta, "sha256": _sums(folder)})


def open_sealed(folder: Path | str) -> dict[str, Any]:
    """The meta data of a sealed folder whose every file is as it was written.

    Raises
    ------
    ModelError : no manifest, another format, or the first file that is missing, new or edited.
    """
    folder = Path(folder)
    manifest = _read_json(folder / MANIFEST)
    if manifest.get("format") != FORMAT:
        raise ModelError(
            f"format {manifest.get('format')}, this version reads {FORMAT}",
            where=str(folder / MANIFEST),
            fix="train again, or use the version that wrote it",
        )
    sealed, found = manifest.get("sha256", {}), _sums(folder)
    for name in sorted(sealed.keys() | found.keys()):
        if sealed.get(name) != found.get(name):
            what = "is missing" if name not in found else "was added"
            if name in sealed and name in found:
                what = "was changed after it was written (its SHA-256 differs)"
            raise ModelError(
                f"the file {what}",
                where=str(folder / name),
                fix="restore the artifact from its run, or train again; never edit it by hand",
            )
    return dict(manifest.get("meta", {}))


def _sums(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def _text(booster: lgb.Booster) -> str:
    """LightGBM's text; the number of threads changes no tree and is no part of the model."""
    lines = booster.model_to_string().splitlines()
    return "\n".join("[num_threads: 0]" if "[num_threads: " in x else x for x in lines) + "\n"


def _calibration(model: Model) -> dict[str, Any]:
    if isinstance(model, RiskModel):
        classes = {"classes": model.classes_.tolist()}
        return classes | calibration.as_json(model.calibrator_)
    return {"bounds": list(model.bounds_), "shift": model.shift_}


def _risk(record: dict[str, Any]) -> RiskModel:
    model = RiskModel(calibration=record["method"])
    model.classes_ = np.array(record["classes"])
    model.calibrator_ = calibration.from_json(record)
    return model


def _severity(record: dict[str, Any]) -> SeverityModel:
    model = SeverityModel(bounds=tuple(record["bounds"]))
    model.bounds_, model.shift_ = tuple(record["bounds"]), float(record["shift"])
    return model


def _write_json(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            "the file is missing", where=str(path), fix="give the folder of a saved model"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot be read ({error})",
            where=str(path),
            fix="restore the artifact from its run, or train again; never edit it by hand",
        ) from error
    if not isinstance(record, dict):
        raise ModelError("not a table", where=str(path), fix="restore the artifact from its run")
    return record
