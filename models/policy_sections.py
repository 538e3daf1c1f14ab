"""The sections of a policy, one frozen dataclass each, validated when built.

`policy.toml` documents each number; `models.policy` puts the sections together and reads files.
"""

import math
from dataclasses import dataclass
from datetime import date

from data.errors import UsageError, nearest
from models.actions import RULE_REASONS

OPERATORS = ("in", "not_in", "lt", "le", "gt", "ge", "is_null")
_ALLOWABLE = ("instant", "at_first_scan")
_FORCEABLE = ("after_inspection", "at_first_scan", "instant", "review")
_LISTS = ("hold_list", "allow_list")

Scalar = str | int | float


def one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a word the policy does not know, naming the nearest."""
    if value not in known:
        raise UsageError(
            f"{name} '{value}' is unknown",
            where="policy",
            fix=nearest(value, list(known)) or f"one of: {', '.join(known)}",
        )


def within(section: str, low: float, high: float, **values: float) -> None:
    """Refuse a number outside its range; NaN is outside of every range."""
    for name, value in values.items():
        if not low <= value <= high:
            raise UsageError(
                f"{section}.{name} = {value} is outside {low:g} to {high:g}",
                where="policy",
                fix="see the comment beside this number in the default policy file",
            )


@dataclass(frozen=True)
class Value:
    """What speed is worth and what capital costs."""

    hour_cents: float
    hours_cap: float
    capital_per_day: float

    def __post_init__(self) -> None:
        within("value", 0, 1e6, hour_cents=self.hour_cents, hours_cap=self.hours_cap)
        within("value", 0, 1, capital_per_day=self.capital_per_day)


@dataclass(frozen=True)
class Validity:
    """How old an answer and the data under it may be."""

    valid_hours: float
    max_ledger_age_hours: float

    def __post_init__(self) -> None:
        within("validity", 0, 1e5, valid_hours=self.valid_hours)
        within("validity", 0, 1e5, max_ledger_age_hours=self.max_ledger_age_hours)


@dataclass(frozen=True)
class Rule:
    """One eligibility rule: `allow` narrows the possible advances, `force` sets the action."""

    column: str
    operator: str
    reason: str
    value: Scalar | tuple[Scalar, ...] = ()
    allow: tuple[str, ...] | None = None
    force: str | None = None
    until: date | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        one_of("operator", self.operator, OPERATORS)
        one_of("reason", self.reason, RULE_REASONS)
        self._check_value()
        if (self.allow is None) == (self.force is None):
            self._refuse("has neither or both of allow and force", "give exactly one of them")
        for action in self.allow or ():
            one_of("allow", action, _ALLOWABLE)
        if self.force is not None:
            one_of("force", self.force, _FORCEABLE)
        needs_end = self.reason in _LISTS or self.force in _ALLOWABLE
        if needs_end and self.until is None:
            self._refuse("has no end", "add until = 2027-01-31, the first day it no longer holds")

    def _check_value(self) -> None:
        if self.operator in ("in", "not_in"):
            if not isinstance(self.value, tuple):
                self._refuse(f"compares '{self.operator}' with one value", "give a list")
            if not self.value:
                self._refuse(f"compares '{self.operator}' with nothing", 'add value = ["...", ...]')
        elif self.operator == "is_null":
            if self.value != ():
                self._refuse("asks is_null of a value", "leave value out")
        elif isinstance(self.value, tuple | str) or math.isnan(self.value):
            given = "nothing" if self.value == () else repr(self.value)
            self._refuse(f"compares '{self.operator}' with {given}", "give a number")

    def _refuse(self, what: str, fix: str) -> None:
        raise UsageError(f"rule on '{self.column}' ({self.reason}) {what}", where="policy", fix=fix)


@dataclass(frozen=True)
class Tier:
    """A band of the credit score and its base limit."""

    name: str
    min_points: float
    base_cents: int

    def __post_init__(self) -> None:
        within(f"tier {self.name}", 0, 1e12, base_cents=self.base_cents)
        within(f"tier {self.name}", -1e6, 1e6, min_points=self.min_points)


@dataclass(frozen=True)
class Growth:
    """How a limit grows on matured clean advances; the formula stands in the policy file."""

    per_clean_advance: float
    max_growth: float
    max_rise_30d: float

    def __post_init__(self) -> None:
        within("growth", 0, 10, per_clean_advance=self.per_clean_advance)
        within("growth", 1, 1000, max_growth=self.max_growth)
        within("growth", 0, 10, max_rise_30d=self.max_rise_30d)


@dataclass(frozen=True)
class Cap:
    """What one day (of one merchant, of one category) may hold."""

    amount_cents: int
    count: int


@dataclass(frozen=True)
class DayCap(Cap):
    """The whole day's cap, with the expected loss it may run."""

    loss_cents: int


@dataclass(frozen=True)
class Caps:
    """Hard caps per day, outside the model."""

    day: DayCap
    merchant: Cap
    category: Cap

    def __post_init__(self) -> None:
        for name, cap in vars(self).items():
            within(f"caps.{name}", 0, 1e15, **vars(cap))


@dataclass(frozen=True)
class Exploration:
    """The randomised band: its share, and the most it may cost."""

    share: float
    max_loss_cents: int
    day_loss_cents: int
    seed: int

    def __post_init__(self) -> None:
        within("exploration", 0, 0.5, share=self.share)
        within("exploration", 0, 1e15, max_loss_cents=self.max_loss_cents)
        within("exploration", 0, 1e15, day_loss_cents=self.day_loss_cents)


@dataclass(frozen=True)
class DefaultUser:
    """The standing of a user never seen before."""

    points: float
    max_instant_cents: int

    def __post_init__(self) -> None:
        within("default_user", -1e6, 1e6, points=self.points)
        within("default_user", 0, 1e15, max_instant_cents=self.max_instant_cents)
