"""`clawback check --money`: advances that balance pass, and one that does not is named."""

from pathlib import Path

import pandas as pd
import pytest

from data.errors import UsageError
from data.market import Market
from pipelines.check import run_check
from pipelines.commands import CheckConfig


def test_a_simulated_market_balances(ledger_path: Path) -> None:
    found = run_check(CheckConfig(path=ledger_path, money=True))
    assert found.exit_code == 0
    assert found.summary()["advances"] > 1000
    assert "0 do not balance" in found.text()


def test_money_that_came_back_twice_is_named(market: Market, tmp_path: Path) -> None:
    events = market.events.to_pandas()
    back = events[events["event_type"] == "clawback_recovered"].iloc[[0]]
    twice = back.assign(event_id="again", amount_cents=back["amount_cents"] * 9)
    pd.concat([events, twice]).to_parquet(tmp_path / "table.parquet", index=False)
    config = CheckConfig(path=tmp_path / "table.parquet", money=True)
    found = run_check(config)
    case = str(int(back["case_id"].iloc[0]))
    assert (found.exit_code, found.summary()["unbalanced"]) == (3, 1)
    assert found.summary()["first_unbalanced"] == [case]
    assert f"case {case}: paid" in found.text()
    assert run_check(CheckConfig(path=tmp_path / "table.parquet")).exit_code == 0


def test_a_mapping_has_no_money_yet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="map it first"):
        run_check(CheckConfig(path=tmp_path / "mapping.toml", money=True))
