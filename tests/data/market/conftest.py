"""One small market for all laws, and its events as a frame."""

import pandas as pd
import pytest

from data.market import Market, World, simulate


@pytest.fixture(scope="package")
def world() -> World:
    return World(n_orders=60_000, seed=3)


@pytest.fixture(scope="package")
def market(world: World) -> Market:
    return simulate(world)


@pytest.fixture(scope="package")
def events(market: Market) -> pd.DataFrame:
    frame = pd.DataFrame(market.events.to_pandas())
    words = frame.select_dtypes("category").columns
    return frame.astype(dict.fromkeys(words, "object"))


@pytest.fixture(scope="package")
def truth(market: Market) -> pd.DataFrame:
    return pd.DataFrame(market.truth.to_pandas())
