"""A bundle as an MLflow model: models-from-code, declared signature, given requirements."""

import shutil
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

from pipelines.bundle import Bundle
from pipelines.tracking import prepare_mlflow

REQUIREMENTS = ("lightgbm", "numpy", "pandas")


def save_pyfunc(bundle: Bundle, folder: Path) -> Path:
    """Write the MLflow model folder of a bundle.

    With the requirements given MLflow starts no process to guess them, which would take seconds.
    """
    prepare_mlflow()
    named = folder.with_name("bundle")  # MLflow keeps the folder's own name
    shutil.copytree(bundle.folder, named)
    with catch_warnings():
        simplefilter("ignore")  # advice on MLflow's own types and on input examples (real rows)
        import mlflow.pyfunc

        mlflow.pyfunc.save_model(
            folder,
            python_model=str(files("pipelines").joinpath("served_model.py")),
            artifacts={"bundle": str(named)},
            signature=_signature(bundle),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
    shutil.rmtree(named)
    _forget_paths(folder)
    return folder


def _signature(bundle: Bundle) -> Any:
    """Numbers as optional doubles, categories as optional strings; one probability per head."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns: dict[str, str] = {}
    for model in bundle.models.risk.values():
        encoding = model.encoding_
        columns |= {c: "string" if c in encoding.categories else "double" for c in encoding.columns}
    inputs: list[Any] = [ColSpec(kind, name, required=False) for name, kind in columns.items()]
    outputs: list[Any] = [ColSpec("double", f"p_{name}") for name in sorted(bundle.models.risk)]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _forget_paths(folder: Path) -> None:
    """MLflow writes down where on this machine things were; nobody needs to know."""
    path = folder / "MLmodel"
    text = path.read_text(encoding="utf-8")
    for place in (str(files("pipelines")), str(folder.parent)):
        text = text.replace(f"{place}/", "")
    path.write_text(text, encoding="utf-8")
