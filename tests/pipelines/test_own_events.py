"""A user's own event types, in a plain Parquet table, from training to decisions."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.errors import ContractError
from data.market import Market
from pipelines.commands import ScoreConfig, TrainConfig
from pipelines.score import run_score
from pipelines.train import run_train

TASK = """
name = "chats"
extends = "{quick}"
[event_types]
extra = ["chat_opened"]
[events.chats]
types = ["chat_opened"]
[[feature]]
entity = "user_id"
events = "chats"
aggregate = ["count"]
over = ["30d"]
"""


@pytest.fixture(scope="module")
def table(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    events = market.events.to_pandas()
    orders = events[events["event_type"] == "order_paid"].iloc[::3]
    chats = orders[["event_ts", "known_ts", "user_id"]].assign(
        event_type="chat_opened", event_id=[f"chat{i}" for i in range(len(orders))]
    )
    path = tmp_path_factory.mktemp("own") / "events.parquet"
    # Not reset: pandas writes the index as a column, which is none of the ledger.
    pd.concat([events.astype({"event_type": "object"}), chats]).to_parquet(path)
    return path


def test_own_event_types_reach_model_and_decisions(
    table: Path, quick_task: str, tmp_path: Path
) -> None:
    task = tmp_path / "chats.toml"
    task.write_text(TASK.format(quick=quick_task))
    config = TrainConfig(ledger=table, artifacts=tmp_path, task=str(task), as_of="2025-03-01")
    trained = run_train(config)
    features = (trained.final or trained.judged).bundle.task.features
    assert "user_chats_count_30d" in [d.name for d in features]
    scored = run_score(ScoreConfig(ledger=table, artifacts=tmp_path, as_of="2025-03-10"))
    assert len(scored.decisions)
    assert scored.decisions["action"].notna().all()
    assert pq.read_table(table, columns=["event_type"]).num_rows > len(scored.decisions)
    with pytest.raises(ContractError, match="chat_opened"):
        run_train(replace(config, task=quick_task))
