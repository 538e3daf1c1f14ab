"""Which model scores: an alias of the registry resolved once, or a folder."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data.errors import ModelError
from models.artifact import MANIFEST
from pipelines.bundle import Bundle, read_bundle, version_of_folder
from pipelines.tracking import Store, fetch_bundle, find_store, version_of


def find_bundle(model: str, artifacts: Path, uri: str | None, experiment: str) -> Bundle:
    """The bundle of a folder, or of an alias in the registry.

    Raises
    ------
    ModelError : no such model, or one whose files were edited.
    """
    if (Path(model) / MANIFEST).is_file():
        return read_bundle(Path(model))
    store = find_store(artifacts, uri, experiment)
    if store is None:
        raise ModelError(
            f"no model '{model}': there is no MLflow store",
            where=uri or str(artifacts),
            fix="run `clawback train` first, or give a model folder with --model",
        )
    version = version_of(store, model)
    if version is None:
        raise ModelError(
            f"no model has the alias '{model}'",
            where=f"{experiment} in {store.uri}",
            fix="run `clawback train` first, or give a model folder with --model",
        )
    return bundle_of(store, version)


def bundle_of(store: Store, version: Any) -> Bundle:
    """The bundle of a registered version: the local copy, or fetched from the store."""
    name = version.tags.get("model_version", "")
    local = store.artifacts / "models" / name
    if name and (local / MANIFEST).is_file():
        return _verified(local, name)
    with TemporaryDirectory() as scratch:
        return _verified(fetch_bundle(store, version, Path(scratch)), name)


def _verified(folder: Path, name: str) -> Bundle:
    """A folder that was replaced as a whole is sealed too, but not under the registered name."""
    if name and version_of_folder(folder) != name:
        raise ModelError(
            f"the folder is not the registered model {name}",
            where=str(folder),
            fix="restore the artifact from its run; never edit it by hand",
        )
    return read_bundle(folder)
