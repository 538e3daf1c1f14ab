"""The truth is for the judge: only the commands that make or judge a market may know of it."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
MAY_KNOW = {"pipelines/simulate.py", "pipelines/demo.py", "pipelines/truth.py"}
MAY_JUDGE = {"pipelines/demo.py", "pipelines/backtest.py"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_no_pipeline_reads_the_market() -> None:
    knowing = {
        path.relative_to(ROOT).as_posix()
        for package in ("features", "models", "pipelines")
        for path in (ROOT / package).rglob("*.py")
        if any(name.startswith("data.market") for name in imported(path))
    }
    assert knowing <= MAY_KNOW


def test_only_what_judges_asks_the_judge() -> None:
    asking = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pipelines").rglob("*.py")
        if "pipelines.truth" in imported(path)
    }
    assert asking == MAY_JUDGE


def test_no_other_data_module_reads_the_market() -> None:
    outside = [p for p in (ROOT / "data").glob("*.py") if "data.market" in p.read_text("utf-8")]
    assert outside == []
