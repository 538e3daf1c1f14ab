"""What is told of judged rows: every figure with its interval, for all rows and for parts of them.

In: a head's judged rows (`pipelines.walking`). Out: `Measured`s: all rows with the baselines beside
and the paired difference; each segment; each month. A part in which an interval would mean
nothing (one user, hardly a bad case) is named with its counts and has no figure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import UsageError, nearest
from data.ledger import Ledger
from features.engine import decision_times
from models.bootstrap import Drawn, Interval, draw_figures, user_codes
from models.figures import Scored, scored
from models.metrics import calibration_error_by_chance
from pipelines.walking import OURS

DEFAULT_SEGMENTS = ("amount_cents", "tenure", "refund_type")
BANDS = 4  # of equal size, for a number
FEWEST = 10  # cases of each outcome: of fewer, drawn users tell intervals that are too short
MOST_VALUES = 12  # of a text column; the rest of them are "other"
TENURE = {"under 30 days": 30, "30 to 180 days": 180, "over 180 days": np.inf}
DAY_US = 86_400_000_000
Figures = Mapping[str, Interval]


@dataclass(frozen=True)
class Measured:
    """Figures of some rows; `why` says why there are none.

    `beside`: each baseline's; `less`: ours minus each baseline's, on the same draws. `by_chance`:
    the calibration error that right probabilities would have among so few rows.
    """

    name: str
    rows: int
    users: int
    bad: int
    figures: Figures = field(default_factory=dict)
    beside: Mapping[str, Figures] = field(default_factory=dict)
    less: Mapping[str, Figures] = field(default_factory=dict)
    why: str = ""
    by_chance: float = float("nan")

    def summary(self) -> dict[str, Any]:
        """Plain JSON values: an interval is [value, lower, upper], unknown bounds are null."""
        told: dict[str, Any] = {"rows": self.rows, "users": self.users, "bad": self.bad}
        if self.why:
            return told | {"why": self.why}
        told["figures"] = _plain(self.figures)
        told["calibration_error_by_chance"] = self.by_chance
        for name, group in (("beside", self.beside), ("less", self.less)):
            if group:
                told[name] = {rival: _plain(found) for rival, found in group.items()}
        return told


def whole(rows: pd.DataFrame, draws: int, seed: int) -> Measured:
    """All rows, with every baseline beside."""
    return _measured("all", rows, _models(rows), draws, seed)


def by_category(
    rows: pd.DataFrame, named: "pd.Series[Any]", draws: int, seed: int
) -> list[Measured]:
    """Figures for each value of the category `named`, in its order."""
    found = []
    for name in named.cat.categories:
        inside = rows[(named == name).to_numpy(bool)]
        if len(inside):
            found.append(_measured(str(name), inside, (OURS,), draws, seed))
    return found


def segments(
    rows: pd.DataFrame, ledger: Ledger, names: Sequence[str]
) -> Iterator[tuple[str, "pd.Series[Any]"]]:
    """Each named segment that the rows have, as a category a row."""
    for name in names:
        if name == "tenure":
            yield name, _tenure(rows, ledger)
        elif name in rows:
            yield name, _bands(rows[name])


def check_segments(names: Sequence[str], known: Sequence[str], task: str) -> None:
    """Refuse a segment that no row of the task can be in.

    Raises
    ------
    UsageError : a name that is neither `tenure` nor an attribute of the task's requests.
    """
    for name in names:
        if name not in (*known, "tenure"):
            fix = nearest(name, [*known, "tenure"]) or f"segments: tenure, {', '.join(known)}"
            raise UsageError(f"unknown segment '{name}'", where=task, fix=fix)


def months(rows: pd.DataFrame) -> "pd.Series[Any]":
    """The month of each decision, as a category: the vintages."""
    return pd.Series(pd.Categorical(rows["as_of"].dt.strftime("%Y-%m")), index=rows.index)


def _measured(
    name: str, rows: pd.DataFrame, models: Sequence[str], draws: int, seed: int
) -> Measured:
    y = rows["y"].to_numpy(np.float64)
    users = len(np.unique(user_codes(rows["whose"].to_numpy())))
    counts = (name, len(rows), users, int(y.sum()))
    if why := _too_few(users, int(y.sum()), len(rows)):
        return Measured(*counts, why=why)
    drawn = draw_figures(
        {m: _scored(rows, y, m) for m in models},
        users=rows["whose"].to_numpy(),
        draws=draws,
        random_state=seed,
    )
    ours, rivals = drawn[OURS], {m: d for m, d in drawn.items() if m != OURS}
    less = {m: ours.less(d) for m, d in rivals.items()}
    chance = calibration_error_by_chance(rows[f"p({OURS})"])
    return Measured(*counts, ours.intervals(), _intervals(rivals), less, by_chance=chance)


def _too_few(users: int, bad: int, rows: int) -> str:
    if users < 2:
        return "one user: 2 are needed to draw from"
    for name, count in (("bad", bad), ("good", rows - bad)):
        if count < FEWEST:
            return f"{count} {name} case{'s' * (count != 1)}: {FEWEST} are needed"
    return ""


def _scored(rows: pd.DataFrame, y: NDArray[np.float64], model: str) -> Scored:
    lost = rows["lost"].to_numpy(np.float64) if "lost" in rows else None
    told = rows["told"].to_numpy(np.float64) if "told" in rows and model == OURS else None
    return scored(y, rows[f"p({model})"].to_numpy(np.float64), lost=lost, told=told)


def _models(rows: pd.DataFrame) -> list[str]:
    return [c[2:-1] for c in rows.columns if c.startswith("p(")]


def _intervals(drawn: Mapping[str, Drawn]) -> dict[str, Figures]:
    return {name: found.intervals() for name, found in drawn.items()}


def _tenure(rows: pd.DataFrame, ledger: Ledger) -> "pd.Series[Any]":
    """How long before the decision the user's first event was known."""
    users = ledger["user_id"]
    known = users.values >= 0
    first = np.full(int(users.values.max(initial=0)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, users.values[known], ledger.known_us[known])
    days = (decision_times(rows) - first[users.encode(rows["user_id"])]) / DAY_US
    band = np.searchsorted(list(TENURE.values())[:-1], days, side="right")
    return pd.Series(pd.Categorical.from_codes(band, pd.Index(TENURE)), index=rows.index)


def _bands(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Quarters of a number, values of a text; nulls are a part of their own."""
    if pd.api.types.is_numeric_dtype(values.dtype) and values.nunique() > MOST_VALUES:
        return _quarters(values.astype(np.float64))
    text = values.astype(object).where(values.notna(), "null").astype(str)
    common = text.value_counts().index[:MOST_VALUES]
    return pd.Series(pd.Categorical(text.where(text.isin(common), "other")), index=values.index)


def _quarters(values: "pd.Series[float]") -> "pd.Series[Any]":
    cuts = np.unique(np.nanquantile(values, np.linspace(0, 1, BANDS + 1)))
    names = [f"{a:,.0f} to {b:,.0f}" for a, b in pairwise(cuts)]
    band = np.clip(np.searchsorted(cuts, values, side="left") - 1, 0, len(names) - 1)
    code = np.where(values.isna(), len(names), band)
    bands = pd.Categorical.from_codes(code, pd.Index([*names, "null"]))
    return pd.Series(bands, index=values.index)


def _plain(figures: Figures) -> dict[str, list[float | None]]:
    return {
        name: [v if np.isfinite(v) else None for v in (i.value, i.lower, i.upper)]
        for name, i in figures.items()
    }
