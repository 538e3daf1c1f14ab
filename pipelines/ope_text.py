"""The report of `clawback ope`, for a person and for a machine."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from models.bootstrap import Interval
from models.off_policy import Bounds
from models.support import FEWEST_LOSSES, Segment
from pipelines.arms import Effect
from pipelines.valuation import Valuation

PER = 1000  # requests that a value is given for
READINGS = (
    "holds for the policy without limits, caps, budgets and exploration, at the histories that "
    "were lived",
    "with limits and budgets, only whole days replayed on the simulator tell (clawback demo)",
)


@dataclass(frozen=True)
class OpeResult:
    """The valuation of a policy on the requests from `since` to `until`; `young` are later ones."""

    policy_id: str
    policy_version: str
    prices: str
    model_version: str
    since: pd.Timestamp
    until: pd.Timestamp
    young: int
    currency: str
    value: Valuation
    incentive: Effect

    @property
    def exit_code(self) -> int:
        """0, or 6 where the log does not support the policy."""
        return self.value.exit_code

    def summary(self) -> dict[str, Any]:
        """Plain JSON values; money in cents per 1,000 requests."""
        value, found = self.value, self.incentive
        told = {k: v for k, v in vars(value).items() if isinstance(v, int)}
        money = ("snips", "dr", "logged", "difference", "bounds")
        effect = ("effect", "bounds", "plain", "carried")
        return {
            "policy": {"id": self.policy_id, "version": self.policy_version},
            "prices": self.prices,
            "model": self.model_version,
            "since": str(self.since),
            "until": str(self.until),
            "young": self.young,
            "value": told
            | {name: _plain(getattr(value, name), PER) for name in money}
            | {"coverage": [_segment(s) for s in value.coverage], "reasons": list(value.reasons)},
            "incentive": {
                "requests": found.requests,
                "drawn": found.drawn,
                "paid": found.paid,
                "held": found.held,
                **{name: _plain(getattr(found, name)) for name in effect},
                "segments": {k: v if isinstance(v, str) else _plain(v)
                             for k, v in found.segments.items()},
                "reasons": list(found.reasons),
                "reacting": found.reacting,
            },
        }  # fmt: skip

    def text(self) -> str:
        """A page for a terminal."""
        head = (
            f"policy {self.policy_id} ({self.policy_version}) on {self.value.requests:,} requests "
            f"of {self.value.users:,} users, {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"
        )
        prices = f"money by the prices of policy {self.prices}"
        young = f"{self.young:,} later requests are too young to be judged" if self.young else ""
        parts = [
            head,
            prices,
            *_value(self),
            *_coverage(self.value),
            "",
            *_incentive(self.incentive),
        ]
        return "\n".join([*parts, *_readings(self), *([young] if young else [])])


def _value(result: OpeResult) -> list[str]:
    value, unit = result.value, f"{result.currency} per {PER:,} requests"
    lines = [f"{unit:42}{'estimate':>12}{'95 % interval':>26}"]
    rows = {
        "doubly robust": value.dr,
        "self-normalised inverse propensity": value.snips,
        "what the log itself earned": value.logged,
        "doubly robust less the log": value.difference,
    }
    lines += [f"  {name:40}{_money(found)}" for name, found in rows.items() if found]
    if value.reasons:
        low, high = (v * PER / 100 for v in (value.bounds.low, value.bounds.high))
        lower, upper = (v * PER / 100 for v in (value.bounds.lower, value.bounds.upper))
        lines += ["no point estimate:", *(f"  {reason}" for reason in value.reasons)]
        lines.append(f"  bounds {low:,.0f} to {high:,.0f}, with 95 % {lower:,.0f} to {upper:,.0f}")
    lines.append(
        f"  of {value.advanced:,} requests that the policy advances the log decided "
        f"{value.followed:,} the same way; {value.missing:,} lack a propensity or an outcome, "
        f"{value.impossible:,} were decided another way for certain"
    )
    lines.append(
        f"  of those {value.followed:,}, {value.losses:,} lost money; hours saved imputed for "
        f"{value.imputed:,}"
    )
    return lines


def _coverage(value: Valuation) -> list[str]:
    lines = [f"  {'overlap':26}{'requests':>10}{'weights mean':>14}{'effective':>11}{'largest':>9}"]
    for part in value.coverage:
        start = f"  {part.name:26}{part.requests:10,}"
        if part.users < 2:
            lines.append(f"{start}  of one user: no figure")
            continue
        doubt = "  no support" if part.doubted else ""
        lines.append(
            f"{start}{part.mean_weight:14.2f}{part.effective:11,.0f}{part.largest:9.1f}{doubt}"
        )
    return lines


def _incentive(found: Effect) -> list[str]:
    lines = [
        f"paid at once against after_inspection: {found.requests:,} returns, {found.drawn:.0%} of "
        f"them drawn; {found.paid:,} paid at once, {found.held:,} held",
        f"{'returns that do not come, in % of all':42}{'estimate':>12}{'95 % interval':>26}",
    ]
    if found.effect:
        lines.append(f"  {'added by paying at once':40}{_share(found.effect)}")
    lines += [
        f"    {name:38}{part if isinstance(part, str) else _share(part)}"
        for name, part in found.segments.items()
    ]
    if found.reasons:
        lines += ["no point estimate:", *(f"  {reason}" for reason in found.reasons)]
    if found.bounds and (found.reasons or found.drawn < 1):
        b = found.bounds
        lines.append(
            f"  bounds over all returns {b.low:.2%} to {b.high:.2%}, with 95 % {b.lower:.2%} to "
            f"{b.upper:.2%}"
        )
    if found.plain:
        lines.append(f"  {'(paid less held as chosen, misleading':40}{_share(found.plain)})")
    return lines


def _readings(result: OpeResult) -> list[str]:
    """What the figures hold for, and what they do not."""
    found = result.incentive
    lines = list(READINGS)
    if found.carried is None:
        return [*lines, "whether buyers react to earlier payments cannot be told"]
    if not found.reacting:
        return lines
    c = found.carried
    return [
        *lines,
        "not in the long run: a payment of the case before moves the present one by "
        f"{c.value:.2%} ({c.lower:.2%} to {c.upper:.2%})",
    ]


def _money(found: Interval) -> str:
    value, low, high = (v * PER / 100 for v in (found.value, found.lower, found.upper))
    told = f"{low:,.0f} to {high:,.0f}" if low == low else f"fewer than {FEWEST_LOSSES} losses"
    return f"{value:12,.0f}{told:>26}"


def _share(found: Interval) -> str:
    return f"{found.value:12.2%}{f'{found.lower:.2%} to {found.upper:.2%}':>26}"


def _plain(found: Interval | Bounds | None, per: float = 1.0) -> dict[str, float | None] | None:
    return (
        None if found is None else {k: v * per if v == v else None for k, v in vars(found).items()}
    )


def _segment(part: Segment) -> dict[str, Any]:
    """A figure that there is not is null."""
    return {k: None if v != v else v for k, v in asdict(part).items()}
