"""What the choice of an engine says without Spark."""

import sys
from pathlib import Path

import pytest

from data.errors import UsageError
from pipelines.commands import FeaturesConfig
from pipelines.features import run_features


def test_without_pyspark_the_extra_is_named(
    ledger_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    for name in [n for n in sys.modules if n.startswith(("pyspark.", "pipelines.spark"))]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UsageError, match=r"clawback\[spark\]"):
        run_features(FeaturesConfig(ledger=ledger_path, engine="spark", out=tmp_path / "x"))
