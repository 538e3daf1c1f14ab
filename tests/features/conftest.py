"""The oracle's module, and the small worlds that engine tests draw."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def naive() -> ModuleType:
    """The oracle: `naive.naive_features(definitions, events, cases)`."""
    return _load("naive")


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    return _load("worlds")


@pytest.fixture(scope="session")
def time_travel() -> ModuleType:
    """`time_travel.check(definitions, events, cases, cut)`: the law, for any ledger."""
    return _load("time_travel")
