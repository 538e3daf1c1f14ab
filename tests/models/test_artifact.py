import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import ModelError
from models.artifact import load_model, open_sealed, save_model, seal
from models.calibration import METHODS
from models.explain import reasons
from models.risk import RiskModel
from models.severity import SeverityModel

Draw = Callable[[int, int], Any]
FAST = {"n_estimators": 20}


def _risk(draw: Draw, **changes: Any) -> RiskModel:
    X, y, _ = draw(1_500, 0)
    settings: dict[str, Any] = {"params": FAST, "monotone": {"claims": 1}, "num_threads": 1}
    return RiskModel(**(settings | changes)).fit(X, y)


@pytest.mark.parametrize("method", METHODS)
def test_a_loaded_model_predicts_the_same_bits(draw: Draw, tmp_path: Path, method: str) -> None:
    X, _, _ = draw(1_000, 1)
    model = _risk(draw, calibration=method, calibration_share=0.5)
    loaded = load_model(save_model(model, tmp_path / "m"))
    shuffled = X[X.columns[::-1]].assign(category="boats")
    for table in (X, shuffled):
        np.testing.assert_array_equal(loaded.predict_proba(table), model.predict_proba(table))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    keys = {"claims": "many"}
    assert reasons(loaded, X, keys).equals(reasons(model, X, keys))


def test_a_loaded_severity_predicts_the_same_bits(draw: Draw, tmp_path: Path) -> None:
    X, _, p = draw(500, 1)
    model = SeverityModel(params=FAST, num_threads=1).fit(X, p)
    loaded = load_model(save_model(model, tmp_path / "m"))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_model_of_an_array_and_of_text_classes(draw: Draw, tmp_path: Path) -> None:
    X, y, _ = draw(500, 1)
    array, label = X[["claims", "noise"]].to_numpy(), np.where(y == 1, "late", "fine")
    model = RiskModel(params=FAST, num_threads=1).fit(array, label)
    loaded = load_model(save_model(model, tmp_path / "m"))
    assert (loaded.predict(array) == model.predict(array)).all()


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads(
    draw: Draw, tmp_path: Path
) -> None:
    for name, threads in (("a", 1), ("b", 2)):
        save_model(_risk(draw, num_threads=threads), tmp_path / name)
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == ["booster.txt", "calibration.json", "features.json", "manifest.json"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_saving_what_was_loaded_gives_the_same_bytes(draw: Draw, tmp_path: Path) -> None:
    save_model(_risk(draw), tmp_path / "a")
    save_model(load_model(tmp_path / "a"), tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace("0", "1", 1))


@pytest.mark.parametrize("name", ["booster.txt", "calibration.json", "features.json"])
@pytest.mark.parametrize(
    ("harm", "message"), [(_edit, "was changed after"), (Path.unlink, "is missing")]
)
def test_an_edited_or_missing_file_is_named(
    draw: Draw, tmp_path: Path, name: str, harm: Callable[[Path], None], message: str
) -> None:
    folder = save_model(_risk(draw), tmp_path / "m")
    harm(folder / name)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder)
    assert caught.value.where.endswith(name)
    assert "train again" in caught.value.fix
    assert caught.value.exit_code == 5


def test_a_folder_of_models_is_sealed_as_a_whole(draw: Draw, tmp_path: Path) -> None:
    save_model(_risk(draw), tmp_path / "request")
    (tmp_path / "task.toml").write_text('name = "x"\n')
    seal(tmp_path, {"model_version": "abc"})
    assert open_sealed(tmp_path) == {"model_version": "abc"}
    (tmp_path / "more.txt").write_text("")
    with pytest.raises(ModelError, match="was added"):
        open_sealed(tmp_path)
    (tmp_path / "more.txt").unlink()
    _edit(tmp_path / "request" / "manifest.json")
    with pytest.raises(ModelError, match=r"request.manifest\.json: the file was changed"):
        open_sealed(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "missing"), ("{", "cannot be read"), ("[]", "not a table"), ("{}", "format None")],
)
def test_a_manifest_that_is_none(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["booster.txt", "features.json"])
def test_a_sealed_folder_that_holds_no_model(draw: Draw, tmp_path: Path, name: str) -> None:
    folder = save_model(_risk(draw), tmp_path / "m")
    (folder / name).write_text("{}")
    seal(folder, {"kind": "risk"})
    with pytest.raises(ModelError, match="not a model this version reads"):
        load_model(folder)


def test_the_manifest_is_json_a_person_reads(draw: Draw, tmp_path: Path) -> None:
    folder = save_model(_risk(draw), tmp_path / "m")
    record = json.loads((folder / "manifest.json").read_text())
    assert record["meta"] == {"kind": "risk"}
    assert all(len(digest) == 64 for digest in record["sha256"].values())
