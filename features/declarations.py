"""Features declared as data: what is counted, for whom, over which past.

Everything here is a frozen value that is checked when it is built and named by rule; nothing here
reads a ledger. `features.engine` computes declarations, `features.toml_form` writes them to disk.

The rule of every window: an event counts if `as_of - delay - over <= known_ts < as_of - delay`.
Operands of a composite bring only what they compute; sign, reason, stage, source and role are the
composite's own.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

from data.errors import UsageError, nearest
from features.links import Links
from features.spans import LIFE, NO_TIME, Span, days, hours, span_text

__all__ = [
    "LIFE", "Declaration", "Difference", "Events", "Links", "Rate", "Ratio", "Request", "Ring",
    "Window",
    "days", "hours", "rate", "unique", "windows",
]  # fmt: skip

Stage = Literal["standing", "request", "tracking", "first_scan", "delivered"]
STAGES: Final[tuple[str, ...]] = get_args(Stage)
WITH_COLUMN: Final = ("sum", "mean", "max", "distinct")
AGGREGATES: Final = ("count", *WITH_COLUMN, "age", "tenure", "streak")
RING_AGGREGATES: Final = ("size", "count", "sum", "joined", "age")
ENDLESS: Final = ("size", "age")  # of a cluster as it is: without a window
ROLES: Final = ("model", "policy")


@dataclass(frozen=True)
class Events:
    """A named set of events: some types, where some columns have some values.

    A value that the ledger has never held matches nothing; a null matches nothing.

    >>> Events("not_received", "refund_requested", where={"reason": "not_received"}).types
    ('refund_requested',)
    """

    name: str
    types: Sequence[str] | str
    where: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        _check_word("the name of an event set", self.name)
        types = (self.types,) if isinstance(self.types, str) else tuple(self.types)
        if not types or not all(isinstance(t, str) and t for t in types):
            raise UsageError(
                f"types are {self.types!r}",
                where=f"events '{self.name}'",
                fix='name at least one event type: types = ["refund_requested"]',
            )
        where = {c: v if isinstance(v, tuple) else _values(v) for c, v in self.where.items()}
        for column, values in where.items():
            if not values:
                fix = f"name at least one value of {column}, or leave it out"
                raise UsageError(
                    f"where {column} is one of none", where=f"events '{self.name}'", fix=fix
                )
        object.__setattr__(self, "types", types)
        object.__setattr__(self, "where", dict(sorted(where.items())))


@dataclass(frozen=True, kw_only=True)
class About:
    """What every declaration says of itself beside its computation; `a / b`, `a - b` are features.

    Parameters
    ----------
    sign : per target, +1 if more can only mean more risk, -1 if less.
    reason : key of the text that tells a person about it.
    stage : the first stage at which it exists. At `standing` only the user is known.
    source : the row of the signal catalogue that it comes from.
    role : `policy` columns are computed but never seen by a model.
    """

    sign: Mapping[str, int] = field(default_factory=dict, hash=False)
    reason: str = ""
    stage: str = "request"
    source: str = ""
    role: str = "model"

    @property
    def name(self) -> str:
        """The column's name, by rule."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        object.__setattr__(self, "sign", dict(sorted(self.sign.items())))
        _check_about(self, f"feature {self.name}")

    def __truediv__(self, other: "Declaration") -> "Ratio":
        return Ratio(_operand(self), _operand(other), stage=_later(self.stage, other.stage))

    def __sub__(self, other: "Declaration") -> "Difference":
        return Difference(_operand(self), _operand(other), stage=_later(self.stage, other.stage))


@dataclass(frozen=True)
class Window(About):
    """One aggregate of one event set, for one entity, over one window of the past.

    Parameters
    ----------
    entity : column, or columns whose combination is the entity. A decision where one is null has a
        null feature; an event where one is null belongs to nobody.
    aggregate : `count`; `sum`, `mean`, `max` (of a numeric `column`), `distinct` (values of a coded
        `column`), where a null value counts for nothing; `age` (days from the last event to
        as_of), `tenure` (days from the first event of the window to as_of); `streak` (events
        since the last event of `breaker` in the window). Without events count, sum, distinct and
        streak are 0, the others null.
    over, delay : the window is `[as_of - delay - over, as_of - delay)` on `known_ts`.
    breaker : the event set that ends a streak.

    >>> requests = Events("refund_requests", "refund_requested")
    >>> Window("user_id", requests, "count", over=days(30)).name
    'user_refund_requests_count_30d'
    >>> Window(("user_id", "item_id"), requests, "sum", "amount_cents", LIFE, delay=days(60)).name
    'user_item_refund_requests_sum_amount_cents_life_lag60d'
    >>> Window("user_id", requests, "count", over=days(0))
    Traceback (most recent call last):
    ...
    data.errors.UsageError: feature user_refund_requests_count_0d: the window is not positive
    fix: over is longer than zero, such as days(30), or LIFE
    """

    entity: str | tuple[str, ...]
    events: Events
    aggregate: str
    column: str | None = None
    over: Span = LIFE
    delay: Span = NO_TIME
    breaker: Events | None = None

    def __post_init__(self) -> None:
        entity = self.entity if isinstance(self.entity, str) else tuple(self.entity)
        object.__setattr__(self, "entity", entity)
        where = f"feature {self.name}"
        _check_entity(self.keys, where)
        _check_aggregate(self, where)
        if self.over <= NO_TIME:
            fix = "over is longer than zero, such as days(30), or LIFE"
            raise UsageError("the window is not positive", where=where, fix=fix)
        if self.delay < NO_TIME or self.delay == LIFE:
            fix = "delay is zero or a length such as days(60)"
            raise UsageError("the delay is negative or endless", where=where, fix=fix)
        super().__post_init__()

    @property
    def keys(self) -> tuple[str, ...]:
        """The entity as a tuple of columns."""
        return (self.entity,) if isinstance(self.entity, str) else self.entity

    @property
    def name(self) -> str:
        """Entity, events, aggregate, column (or breaker), window, lag."""
        parts = [key.removesuffix("_id") for key in self.keys]
        parts += [self.events.name, self.aggregate]
        parts += [self.column] if self.column else []
        parts += [self.breaker.name] if self.breaker else []
        parts += [span_text(self.over)]
        parts += [f"lag{span_text(self.delay)}"] if self.delay else []
        return "_".join(parts)


@dataclass(frozen=True)
class Request(About):
    """An attribute of the decision itself, which travels in the spine as `{stage}_{column}`.

    A row that asks for a decision is invisible to every window, so what it says travels here: at a
    later stage what the case's tracking number, first scan or delivery said. `equals` makes it an
    indicator: 1, 0, or null where the attribute is null.

    >>> Request("amount_cents").name, Request("reason", equals="not_received").name
    ('request_amount_cents', 'request_reason_is_not_received')
    >>> Request("weight_g", stage="first_scan").name
    'first_scan_weight_g'
    """

    column: str
    equals: str | int | bool | None = None

    def __post_init__(self) -> None:
        _check_word("a column", self.column)
        super().__post_init__()

    @property
    def name(self) -> str:
        """The stage and the column, with the value of an indicator."""
        tail = "" if self.equals is None else f"_is_{self.equals}".lower()
        return f"{self.attribute}{tail}"

    @property
    def attribute(self) -> str:
        """The spine's column."""
        return f"{self.stage}_{self.column}"


@dataclass(frozen=True)
class Ring(About):
    """One aggregate over the user's cluster: who is linked with the user, as known at as_of.

    The cluster is the connected component of the user among the links known before as_of; the
    events are those of its members, wherever they were linked when the event happened. The own
    user's events are left out. A user whom nobody is linked with is a cluster of one.

    Parameters
    ----------
    links : the way of linking.
    aggregate : `size` (users, the own one included); `count`, `sum` (of an integer `column`) of the
        other members' events in the window; `joined` (other members whose first event of the set
        lies in the window); `age` (mean days since the first event of the set, over the other
        members that have one; else null).
    over : the window is `[as_of - over, as_of)` on `known_ts`; `size` and `age` have none.

    >>> clawed = Events("clawbacks", "clawback_opened")
    >>> by_device = Links("device", {"device_id": 12})
    >>> Ring(by_device, "count", clawed, over=days(90)).name, Ring(by_device, "size").name
    ('ring_device_clawbacks_count_90d', 'ring_device_size')
    """

    links: Links
    aggregate: str
    events: Events | None = None
    column: str | None = None
    over: Span = LIFE

    def __post_init__(self) -> None:
        _check_ring(self, f"feature {self.name}")
        super().__post_init__()

    @property
    def keys(self) -> tuple[str, ...]:
        """What a decision is asked for: its user."""
        return ("user_id",)

    @property
    def name(self) -> str:
        """`ring`, links, events, aggregate, column, window."""
        parts = ["ring", self.links.name, *([self.events.name] if self.events else [])]
        parts += [self.aggregate, *([self.column] if self.column else [])]
        return "_".join(
            [*parts, *([span_text(self.over)] if self.aggregate not in ENDLESS else [])]
        )


@dataclass(frozen=True)
class Composite(About):
    """Arithmetic of two features, which keep nothing but what they compute."""

    a: "Declaration"
    b: "Declaration"

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", _operand(self.a))
        object.__setattr__(self, "b", _operand(self.b))
        super().__post_init__()


@dataclass(frozen=True)
class Ratio(Composite):
    """`a / b`; null where either is null or `b` is 0."""

    @property
    def name(self) -> str:
        """`{a}_per_{b}`."""
        return f"{self.a.name}_per_{self.b.name}"


@dataclass(frozen=True)
class Difference(Composite):
    """`a - b`; null where either is null."""

    @property
    def name(self) -> str:
        """`{a}_less_{b}`."""
        return f"{self.a.name}_less_{self.b.name}"


@dataclass(frozen=True)
class Rate(Composite):
    """`a / b` shrunk to a prior: `(a + mean * weight) / (b + weight)`.

    The prior is a constant, `(mean, weight)`: the rate of somebody without any history, and how
    many cases of support it is worth. `features.priors.fit_priors` finds both.
    """

    prior: tuple[float, float]

    def __post_init__(self) -> None:
        mean, weight = (float(x) for x in self.prior)
        object.__setattr__(self, "prior", (mean, weight))
        if not (abs(mean) < float("inf") and 0 < weight < float("inf")):
            fix = "prior = (mean, weight), weight above 0, such as (0.03, 20)"
            raise UsageError(f"the prior is {self.prior}", where=f"feature {self.name}", fix=fix)
        super().__post_init__()

    @property
    def name(self) -> str:
        """`{a}_rate_{b}`."""
        return f"{self.a.name}_rate_{self.b.name}"


Declaration = Window | Request | Ring | Ratio | Difference | Rate


def windows(
    entity: str | tuple[str, ...],
    events: Events,
    aggregates: Iterable[str],
    *,
    over: Iterable[Span] = (LIFE,),
    **about: Any,
) -> list[Window]:
    """One window per aggregate and length; `about` goes to each.

    >>> paid = Events("orders", "order_paid")
    >>> [w.name for w in windows("user_id", paid, ["count", "sum:amount_cents"], over=[days(7)])]
    ['user_orders_count_7d', 'user_orders_sum_amount_cents_7d']
    """
    pairs = [(a.partition(":"), o) for a in aggregates for o in over]
    return [Window(entity, events, a[0], a[2] or None, o, **about) for a, o in pairs]


def rate(a: Declaration, b: Declaration, prior: tuple[float, float], **about: Any) -> Rate:
    """A shrunk rate of `a` in `b`; see `Rate`.

    >>> paid, bad = Events("advances", "advance_paid"), Events("clawbacks", "clawback_opened")
    >>> w = Window("user_id", bad, "count")
    >>> rate(w, Window("user_id", paid, "count"), (0.03, 20)).name
    'user_clawbacks_count_life_rate_user_advances_count_life'
    """
    about.setdefault("stage", _later(a.stage, b.stage))
    return Rate(a, b, prior, **about)


def unique(definitions: Iterable[Declaration]) -> tuple[Declaration, ...]:
    """The declarations, if no two share a name.

    >>> unique([Request("reason"), Request("reason")])
    Traceback (most recent call last):
    ...
    data.errors.UsageError: feature request_reason: it is declared twice
    fix: remove one of the two declarations
    """
    seen: set[str] = set()
    kept = tuple(definitions)
    for name in (d.name for d in kept):
        if name in seen:
            fix = "remove one of the two declarations"
            raise UsageError("it is declared twice", where=f"feature {name}", fix=fix)
        seen.add(name)
    return kept


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, set, frozenset)) else (value,)


def _later(a: str, b: str) -> str:
    return max(a, b, key=STAGES.index)


def _operand(value: Any) -> Declaration:
    """The computation alone, so that equal operands are equal whatever they are said to mean."""
    if not isinstance(value, get_args(Declaration)):
        raise UsageError(
            f"{value!r} is not a feature",
            where="arithmetic of features",
            fix="divide or subtract windows, rings, requests and composites of them",
        )
    stage = _later("request", _since(value))
    bare: Declaration = replace(value, sign={}, reason="", source="", stage=stage, role="model")
    return bare


def _since(d: About) -> str:
    """The first stage at which all its attributes are known."""
    if isinstance(d, Composite):
        return _later(_since(d.a), _since(d.b))
    return d.stage if isinstance(d, Request) else "standing"


def _check_word(what: str, word: str) -> None:
    if not (isinstance(word, str) and word.isidentifier()):
        fix = "use letters, digits and underscores: names of columns are made of it"
        raise UsageError(f"{what} is {word!r}", where="features", fix=fix)


def _check_entity(keys: tuple[str, ...], where: str) -> None:
    if not keys or len(set(keys)) < len(keys) or not all(isinstance(k, str) and k for k in keys):
        fix = 'name a column, or several different ones: "user_id", ["user_id", "merchant_id"]'
        raise UsageError(f"the entity is {list(keys)}", where=where, fix=fix)


def _check_aggregate(w: Window, where: str) -> None:
    if w.aggregate not in AGGREGATES:
        fix = nearest(w.aggregate, list(AGGREGATES)) or f"aggregates: {', '.join(AGGREGATES)}"
        raise UsageError(f"unknown aggregate '{w.aggregate}'", where=where, fix=fix)
    if (w.aggregate in WITH_COLUMN) != (w.column is not None):
        lacks = w.column is None
        what = f"{w.aggregate} {'needs a column' if lacks else 'takes no column'}"
        fix = f'write "{w.aggregate}:amount_cents"' if lacks else f'write "{w.aggregate}"'
        raise UsageError(what, where=where, fix=fix)
    if (w.aggregate == "streak") != (w.breaker is not None):
        fix = "a streak, and nothing else, names the event set that ends it: breaker = clawbacks"
        raise UsageError("breaker is missing or not allowed", where=where, fix=fix)


def _check_ring(r: Ring, where: str) -> None:
    if r.aggregate not in RING_AGGREGATES:
        known = list(RING_AGGREGATES)
        fix = nearest(r.aggregate, known) or f"aggregates of a ring: {', '.join(known)}"
        raise UsageError(f"unknown aggregate '{r.aggregate}'", where=where, fix=fix)
    for what, needed, given in (
        ("event set", r.aggregate != "size", r.events),
        ("column", r.aggregate == "sum", r.column),
    ):
        if needed != (given is not None):
            lacks = f"{r.aggregate} {'needs' if needed else 'takes no'} {what}"
            fix = f"{'name' if needed else 'leave out'} the {what}"
            raise UsageError(lacks, where=where, fix=fix)
    if r.over <= NO_TIME or (r.aggregate in ENDLESS and r.over != LIFE):
        fix = "over is longer than zero, such as days(30), or LIFE; size and age take none"
        raise UsageError(f"its window is {span_text(r.over)}", where=where, fix=fix)


def _check_about(d: About, where: str) -> None:
    if d.stage not in STAGES:
        fix = nearest(d.stage, list(STAGES)) or f"stages: {', '.join(STAGES)}"
        raise UsageError(f"unknown stage '{d.stage}'", where=where, fix=fix)
    if d.stage == "standing" and not _user_level(d):
        fix = 'at "standing" only the user is known; say stage = "request"'
        raise UsageError("it does not exist at stage 'standing'", where=where, fix=fix)
    if isinstance(d, Composite) and _later(_since(d), d.stage) != d.stage:
        fix = f'say stage = "{_since(d)}"'
        raise UsageError(f"it does not exist at stage '{d.stage}'", where=where, fix=fix)
    if d.role not in ROLES:
        raise UsageError(f"unknown role '{d.role}'", where=where, fix='role is "model" or "policy"')
    bad = {t: s for t, s in d.sign.items() if s not in (-1, 0, 1)}
    if bad:
        raise UsageError(f"signs are {bad}", where=where, fix="a sign is -1, 0 or 1 per target")


def _user_level(d: About) -> bool:
    if isinstance(d, Composite):
        return _user_level(d.a) and _user_level(d.b)
    return isinstance(d, Window | Ring) and d.keys == ("user_id",)
