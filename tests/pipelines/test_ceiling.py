"""The ceiling of the studies is asked what it was taught, whatever the bundle beside it knows."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from features.task import load_task
from pipelines.bundle import Bundle
from tests.studies.ceiling import requests_of
from tests.studies.value import fit_prices, scored_by_both

PERIOD = pd.Timestamp("2025-05-01", tz="UTC"), pd.Timestamp("2025-07-01", tz="UTC")
PRICES = ["points", "loss_instant_cents", "loss_scan_cents", "clawcost_instant_cents"]


def test_the_ceiling_reads_the_columns_it_learnt_from(bundle: Bundle, ledger_path: Path) -> None:
    task, policy = load_task(), bundle.policy
    assert policy is not None
    prices = fit_prices(task, [requests_of(task, 20_000, 10_000)], policy, rounds=20)
    declared = replace(bundle, task=replace(bundle.task, declarations=task.declarations))
    assert bundle.task.declarations != task.declarations  # this shop's own priors
    own, other = (scored_by_both(b, ledger_path, *PERIOD, prices) for b in (bundle, declared))
    assert not own["ours"][PRICES].equals(other["ours"][PRICES])
    pd.testing.assert_frame_equal(own["ceiling"][PRICES], other["ceiling"][PRICES])
