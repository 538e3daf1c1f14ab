"""Small tables of requests and policies, with every number said by the test that cares."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.policy import Policy, load_policy

MIDNIGHT = pd.Timestamp("2026-03-01", tz="UTC")


def _requests(n: int = 1, **columns: Any) -> pd.DataFrame:
    """`n` requests a minute apart that a default policy pays instantly."""
    table = pd.DataFrame(
        {
            "row_id": np.arange(n),
            "case_id": np.arange(n) + 100,
            "user_id": "u1",
            "merchant_id": "m1",
            "category": "shoes",
            "as_of": MIDNIGHT + pd.to_timedelta(np.arange(n), unit="min"),
            "amount_cents": 10_000,
            "points": 620.0,
            "loss_instant_cents": 50.0,
            "clawcost_instant_cents": 10.0,
            "hours_instant": 300.0,
            "q_scan": 0.9,
            "loss_scan_cents": 20.0,
            "clawcost_scan_cents": 5.0,
            "hours_scan": 200.0,
            "open_cents": 0,
            "clean_advances": 0,
        }
    )
    return table.assign(**columns)


def _random_requests(seed: int, n: int = 200, users: int = 4) -> pd.DataFrame:
    """Requests of few users within few minutes, so that limits bind and times tie."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1.0, 12.0, n)
    amount = rng.integers(0, 60_000, n)
    return _requests(
        n,
        row_id=rng.permutation(n),
        user_id=[f"u{i}" for i in rng.integers(0, users, n)],
        merchant_id=[f"m{i}" for i in rng.integers(0, 3, n)],
        category=np.array(["shoes", "food", None])[rng.integers(0, 3, n)],
        as_of=MIDNIGHT + pd.to_timedelta(rng.integers(0, 3_000, n), unit="min"),
        amount_cents=amount,
        points=600.0 - 15.0 * np.log(p / 0.03),
        loss_instant_cents=p * 0.5 * amount,
        clawcost_instant_cents=p * 1500,
        hours_instant=rng.uniform(100, 400, n),
        q_scan=rng.uniform(0.0, 1.0, n),
        loss_scan_cents=p * 0.2 * amount,
        clawcost_scan_cents=p * 600,
        hours_scan=rng.uniform(20, 100, n),
        clean_advances=rng.integers(0, 30, n),
    )


def _policy(**sections: Any) -> Policy:
    """The default policy at 2 cents an hour, without exploration and rules; changed as said."""
    default = load_policy()
    quiet = replace(
        default,
        value=replace(default.value, hour_cents=2.0),
        rule=(),
        exploration=replace(default.exploration, share=0.0),
    )
    changed: dict[str, Any] = {}
    for name, value in sections.items():
        old = getattr(quiet, name)
        changed[name] = replace(old, **value) if isinstance(value, dict) else value
    return replace(quiet, **changed)


@pytest.fixture(scope="session")
def requests_of() -> Callable[..., pd.DataFrame]:
    return _requests


@pytest.fixture(scope="session")
def random_requests() -> Callable[..., pd.DataFrame]:
    return _random_requests


@pytest.fixture(scope="session")
def policy_of() -> Callable[..., Policy]:
    return _policy


Sample = tuple[pd.DataFrame, np.ndarray, np.ndarray]


def _draw(n: int, seed: int) -> Sample:
    """Features, outcomes and the probabilities they were drawn from: numbers, nulls and text."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "claims": rng.poisson(1.0, n).astype(float),
            "age_days": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(300, n)),
            "noise": rng.normal(size=n),
            "category": rng.choice(["toys", "shoes", "phones"], n),
        }
    )
    logit = -2.5 + 0.8 * X.claims - 0.002 * X.age_days.fillna(100) + (X.category == "phones") * 0.9
    p = 1 / (1 + np.exp(-logit.to_numpy()))
    return X, (rng.random(n) < p).astype(float), p


@pytest.fixture(scope="session")
def draw() -> Callable[[int, int], Sample]:
    """`draw(n, seed)` gives (X, y, true p)."""
    return _draw
