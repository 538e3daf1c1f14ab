"""Waiting for the first scan: how likely it comes in time, how long it takes, what it then costs.

In: matured cases with what became of them. Out: shrunk averages by segment (`models.segments`).
The chance of a scan is fitted on cases that were not paid at the request: paid buyers have less
reason to send the goods. A case paid at its first scan was unpaid until then and counts too;
leaving those out would leave out the scanned ones. What a payment at the scan costs is said by two
groups: the many who were paid at the request and whose parcel was scanned say how the cost differs
between segments; the few who were paid at the scan say how high it is.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, nearest
from models import segments
from models.segments import SegmentMeans, look_up, shrunk_means

Floats = NDArray[np.float64]
COSTS = ("loss", "clawcost")
NEEDED = (
    "paid_stage", "scan_hours", "refund_hours",
    *(f"{side}{cost}_cents" for cost in COSTS for side in ("base_", "")),
)  # fmt: skip
NEVER = 0.005  # what shrinking leaves of the chance in a segment that cannot be scanned


@dataclass(frozen=True)
class ScanModel:
    """Averages by segment; the costs are shares of the base, NaN where no scan was paid at."""

    deadline_hours: float
    scanned: SegmentMeans
    hours_to_scan: SegmentMeans
    hours_instant: SegmentMeans
    hours_scan: SegmentMeans
    loss: SegmentMeans
    clawcost: SegmentMeans


def fit_scan(
    cases: pd.DataFrame,
    columns: Sequence[str],
    deadline_hours: float,
    cost_columns: Sequence[str] | None = None,
) -> ScanModel:
    """Fit on cases old enough that the deadline and the label's horizon have passed.

    Parameters
    ----------
    cases : one row a case with the segment `columns` and
        `paid_stage` : "request", "first_scan", ..., null if it was not paid in advance;
        `scan_hours` : from the request to the first scan, null if none came;
        `refund_hours` : from the request to the refund on the normal track, null if none;
        `base_loss_cents`, `base_clawcost_cents` : what each cost is a share of: the amount, or the
        cost expected if paid at the request (then riskier cases stay dearer inside a segment);
        `loss_cents`, `clawcost_cents` : what the case cost; read where it was paid at a scan, or at
        the request and then scanned;
        `weight` (optional) : 1/propensity of its action.
    columns : segments; cases that cannot be scanned need a column that tells them apart.
    cost_columns : segments of the costs; `columns` without it.
    """
    _check_columns(cases)
    stage = cases["paid_stage"].astype(object)
    held = cases[(stage != "request").to_numpy()]
    paid = cases[(stage == "first_scan").to_numpy()]
    if held.empty:
        raise ContractError(
            "no case was held at the request",
            where="scan cases",
            fix="the chance of a scan needs cases that were not paid at once",
        )
    hours = _floats(held, "scan_hours")
    in_time = hours <= deadline_hours
    refund = np.where(held["paid_stage"].isna(), _floats(held, "refund_hours"), np.nan)
    weight = _weight(held)

    soon = (stage == "request").to_numpy() & (_floats(cases, "scan_hours") <= deadline_hours)
    by = columns if cost_columns is None else cost_columns

    def cost(name: str) -> SegmentMeans:
        shape = _shares(cases[soon], name, by)
        if not shape.overall > 0:
            return _shares(paid, name, by)
        expected = _floats(paid, f"base_{name}_cents") * look_up(shape, paid)
        return _scaled(shape, _ratio(_floats(paid, f"{name}_cents"), expected, _weight(paid)))

    return ScanModel(
        deadline_hours=float(deadline_hours),
        scanned=shrunk_means(in_time.astype(np.float64), held, columns, weight),
        hours_to_scan=shrunk_means(np.where(in_time, hours, np.nan), held, columns, weight),
        hours_instant=shrunk_means(refund, held, columns, weight),
        hours_scan=shrunk_means(np.where(in_time, refund - hours, np.nan), held, columns, weight),
        loss=cost("loss"),
        clawcost=cost("clawcost"),
    )


def apply_scan(model: ScanModel, table: pd.DataFrame) -> pd.DataFrame:
    """Per row of `table` (segment columns and the two bases), index kept.

    Returns
    -------
    `q_scan` chance of a scan by the deadline; `hours_to_scan`; `hours_instant` and `hours_scan`
    saved against the normal track when paid at the request or at the scan; `loss_scan_cents` and
    `clawcost_scan_cents` expected when paid at a scan that came.
    """
    q = look_up(model.scanned, table)
    columns = {
        "q_scan": np.where(q < NEVER, 0.0, q),
        "hours_to_scan": look_up(model.hours_to_scan, table),
        "hours_instant": look_up(model.hours_instant, table),
        "hours_scan": look_up(model.hours_scan, table),
        "loss_scan_cents": _floats(table, "base_loss_cents") * look_up(model.loss, table),
        "clawcost_scan_cents": _floats(table, "base_clawcost_cents")
        * look_up(model.clawcost, table),
    }
    return pd.DataFrame(columns, index=table.index)


def as_json(model: ScanModel) -> dict[str, Any]:
    """Plain numbers and text."""
    means = {k: segments.as_json(getattr(model, k)) for k in asdict(model) if k != "deadline_hours"}
    return {"deadline_hours": model.deadline_hours} | means


def scan_of_json(record: dict[str, Any]) -> ScanModel:
    """The model of `as_json`."""
    means = {k: segments.from_json(v) for k, v in record.items() if k != "deadline_hours"}
    return ScanModel(float(record["deadline_hours"]), **means)


def _check_columns(cases: pd.DataFrame) -> None:
    missing = [c for c in NEEDED if c not in cases]
    if missing:
        fix = nearest(missing[0], [str(c) for c in cases.columns]) or "see models.scan.fit_scan"
        raise ContractError(f"column '{missing[0]}' is missing", where="scan cases", fix=fix)


def _shares(cases: pd.DataFrame, name: str, columns: Sequence[str]) -> SegmentMeans:
    """Cost over base by segment, so that the segment's money is right."""
    base = _floats(cases, f"base_{name}_cents")
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(base > 0, _floats(cases, f"{name}_cents") / base, np.nan)
    return shrunk_means(share, cases, columns, _weight(cases) * base)


def _scaled(means: SegmentMeans, factor: float) -> SegmentMeans:
    values = {key: factor * value for key, value in means.values.items()}
    return replace(means, overall=factor * means.overall, values=values)


def _ratio(seen: Floats, expected: Floats, weight: Floats) -> float:
    """Weighted sum of what was seen over that of what was expected; NaN where nothing was."""
    known = np.isfinite(seen) & np.isfinite(expected)
    total = float(weight[known] @ expected[known])
    return float(weight[known] @ seen[known]) / total if total > 0 else float("nan")


def _floats(table: pd.DataFrame, name: str) -> Floats:
    return table[name].to_numpy(np.float64, na_value=np.nan)


def _weight(table: pd.DataFrame) -> Floats:
    return _floats(table, "weight") if "weight" in table else np.ones(len(table))
