"""What a simulated marketplace is told: size, seed, length, parameters and the advancing policy.

Parameters stand in `world.toml`; nothing random and no calendar time lives here.
"""

import tomllib
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError, nearest

Array = NDArray[Any]
Book = Mapping[str, Any]
Policy = Callable[[pd.DataFrame], Array]
"""Observables of open requests -> propensities, shape (n, 5) in the order of `ACTIONS`."""

ACTIONS = ("instant", "at_first_scan", "after_delivery", "after_inspection", "review")
PLANS = ACTIONS[:4]  # a review ends like the normal track
REFUND_TYPES = ("return_refund", "refund_only", "unshipped")
HOUR = 3_600_000_000
DAY = 24 * HOUR


def load_book() -> dict[str, Any]:
    """The parameters as shipped."""
    return tomllib.loads(files("data.market").joinpath("world.toml").read_text("utf-8"))


def altered(**knobs: float | list[Any]) -> dict[str, Any]:
    """The shipped parameters with some replaced, named `section__key`.

    >>> altered(buyers__noise_sd=0.0)["buyers"]["noise_sd"]
    0.0
    """
    book = deepcopy(load_book())
    for name, value in knobs.items():
        section, _, key = name.partition("__")
        if section not in book or not isinstance(book[section], dict) or key not in book[section]:
            known = [f"{s}__{k}" for s, t in book.items() if isinstance(t, dict) for k in t]
            raise UsageError(f"no parameter '{name}'", fix=nearest(name, known))
        book[section][key] = value
    return book


@dataclass(frozen=True)
class World:
    """One marketplace to simulate.

    Parameters
    ----------
    n_orders : orders placed, unpaid ones included.
    months : length of the history; what is known later is cut off.
    book : parameters, see `world.toml` and `altered`.
    policy : decides how open requests are advanced; None is the logging policy of `policy.py`.
    policy_id : what the ledger calls that policy.
    """

    n_orders: int = 100_000
    seed: int = 1
    months: int = 18
    book: Book = field(default_factory=load_book)
    policy: Policy | None = None
    policy_id: str = "simulated_rules"

    def __post_init__(self) -> None:
        if self.n_orders < 100:
            raise UsageError(f"{self.n_orders} orders make no marketplace", fix="at least 100")
        if not 1 <= self.months <= 120:
            raise UsageError(f"a history of {self.months} months", fix="1 to 120 months")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} is negative", fix="a seed is 0 or more")

    def stream(self, name: str) -> np.random.Generator:
        """Random numbers of one part of the world; no part's use of them shifts another's."""
        return np.random.default_rng([self.seed, crc32(name.encode())])

    @property
    def start_us(self) -> int:
        """First instant of the history, microseconds since 1970."""
        return int(pd.Timestamp(self.book["calendar"]["start"]).value // 1000)

    @property
    def end_us(self) -> int:
        """The instant from which nothing is known."""
        start = pd.Timestamp(self.book["calendar"]["start"])
        return int((start + pd.DateOffset(months=self.months)).value // 1000)
