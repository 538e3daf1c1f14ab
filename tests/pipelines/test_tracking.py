import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from data.errors import ModelError
from data.ledger import ledger_of
from pipelines.fingerprint import fingerprint
from pipelines.runs import reap, tracked_run
from pipelines.tracking import (
    CHAMPION,
    Store,
    fetch_bundle,
    log_facts,
    log_ledger,
    move_alias,
    open_store,
    register,
    version_of,
)

OPEN = """
import sys
from pathlib import Path
from pipelines.runs import tracked_run
from pipelines.tracking import open_store
store = open_store(Path(sys.argv[1]), None, "clawback")
with tracked_run(store, "first", {}):
    pass
"""
WAIT = """
import sys, time
from pathlib import Path
from pipelines.stopping import listening
from pipelines.runs import tracked_run
from pipelines.tracking import open_store
store = open_store(Path(sys.argv[1]), None, "clawback")
with listening(), tracked_run(store, "long", {}) as run:
    print(run, flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(tmp_path_factory.mktemp("store"), None, "clawback")


def status(store: Store, run: str) -> str:
    return str(store.client.get_run(run).info.status)


def saved(folder: Path) -> Path:
    (folder / "artifacts" / "bundle").mkdir(parents=True, exist_ok=True)
    (folder / "artifacts" / "bundle" / "manifest.json").write_text("{}")
    return folder


def test_two_first_runs_at_once_both_succeed(tmp_path: Path) -> None:
    jobs = [subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)]) for _ in range(2)]
    assert [job.wait() for job in jobs] == [0, 0]
    store = open_store(tmp_path, None, "clawback")
    assert len(store.client.search_runs([store.experiment_id])) == 2


def test_a_run_ends_finished_or_failed(store: Store) -> None:
    with tracked_run(store, "good", {}) as good:
        log_facts(store, good, {"seed": 1}, {"auc": 0.7, "undefined": float("nan")})
    with pytest.raises(ValueError, match="no"), tracked_run(store, "bad", {}) as bad:
        raise ValueError("no")
    assert (status(store, good), status(store, bad)) == ("FINISHED", "FAILED")
    assert store.client.get_run(good).data.metrics == {"auc": 0.7}


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_job_leaves_no_run_running(store: Store, sent: signal.Signals) -> None:
    command = [sys.executable, "-c", WAIT, str(store.artifacts)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
        assert job.stdout is not None
        run = job.stdout.readline().strip()
        job.send_signal(sent)
    assert status(store, run) == ("KILLED" if sent == signal.SIGTERM else "RUNNING")
    assert reap(store) == (0 if sent == signal.SIGTERM else 1)
    assert status(store, run) == "KILLED"


def test_reaping_spares_the_runs_of_other_folders(store: Store, tmp_path: Path) -> None:
    elsewhere = open_store(tmp_path, store.uri, "clawback")
    with tracked_run(elsewhere, "other", {}) as run:
        assert reap(store) == 0
        assert status(store, run) == "RUNNING"


def test_a_promotion_is_remembered(store: Store, tmp_path: Path) -> None:
    assert version_of(store, CHAMPION) is None
    with tracked_run(store, "train", {}) as run:
        one = register(store, run, saved(tmp_path / "a"), {"model_version": "aaa"})
        two = register(store, run, saved(tmp_path / "a"), {"model_version": "bbb"})
    move_alias(store, CHAMPION, one, {"gate": "first"})
    move_alias(store, CHAMPION, two, {"gate": "better"})
    champion = version_of(store, CHAMPION)
    assert champion is not None
    assert (str(champion.version), champion.tags["previous_champion"]) == (two, one)
    lines = (store.artifacts / "promotions.jsonl").read_text().splitlines()
    moves = [(json.loads(line)["from"], json.loads(line)["to"]) for line in lines]
    assert moves == [(None, one), (one, two)]
    assert (fetch_bundle(store, champion, tmp_path / "got") / "manifest.json").exists()


def test_a_store_that_cannot_be_opened_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="tracking-uri"):
        open_store(tmp_path, "nonsense://host", "clawback")


def test_the_fingerprint_covers_the_last_row(store: Store) -> None:
    times = pd.date_range("2026-01-01", periods=20_000, freq="min", tz="UTC")
    frame = pd.DataFrame(
        {"event_type": "order_paid", "event_ts": times, "known_ts": times, "user_id": 1}
    )
    frame["amount_cents"] = 100
    before = fingerprint(ledger_of(frame))
    frame.loc[frame.index[-1], "amount_cents"] = 101
    after = fingerprint(ledger_of(frame))
    assert before != after
    with tracked_run(store, "data", {}) as run:
        log_ledger(store, run, "shop", after)
    assert store.client.get_run(run).inputs.dataset_inputs[0].dataset.digest == after[:36]


def test_the_fingerprint_covers_the_dictionaries() -> None:
    times = pd.date_range("2026-01-01", periods=2, tz="UTC")
    frame = pd.DataFrame(
        {"event_type": "order_paid", "event_ts": times, "known_ts": times, "user_id": ["a", "b"]}
    )
    other = frame.assign(user_id=["a", "c"])
    assert fingerprint(ledger_of(frame)) != fingerprint(ledger_of(other))
