import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from data.errors import ModelError
from models.artifact import seal
from pipelines.bundle import MONEY, POLICY, TASK, Bundle, read_bundle


def older(bundle: Bundle, folder: Path, name: str, text: str) -> Path:
    """A bundle as another version would have sealed it."""
    copy = Path(shutil.copytree(bundle.folder, folder / "model"))
    (copy / name).write_text(text)
    seal(copy, dict(bundle.facts))
    return copy


def money_without(bundle: Bundle, key: str) -> str:
    record: dict[str, Any] = json.loads((bundle.folder / MONEY).read_text())
    return json.dumps({k: v for k, v in record.items() if k != key})


@pytest.mark.parametrize("key", ["lost", "causes", "scan"])
def test_money_that_misses_a_key_is_of_another_version(
    bundle: Bundle, tmp_path: Path, key: str
) -> None:
    with pytest.raises(ModelError, match=f"'{key}' is missing(?s:.*)train again"):
        read_bundle(older(bundle, tmp_path, MONEY, money_without(bundle, key)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (MONEY, "[]"),
        (TASK, 'extends = "advance_refund"\n[model.y_clw]\nnum_leaves = 3'),
        (POLICY, 'id = "x"\nkill_swich = true'),
        ("y_claw_request/features.json", "{}"),
    ],
)
def test_what_this_version_does_not_read_is_a_model_error(
    bundle: Bundle, tmp_path: Path, name: str, text: str
) -> None:
    with pytest.raises(ModelError):
        read_bundle(older(bundle, tmp_path, name, text))
