"""From declarations to arrays: composites to windows, equal windows shared, grouped by entity.

In: declarations. Out: one `EntityPlan` per entity, in which a window is only two edges (which
positions) and windows that differ in nothing else share a measure (which running array).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from data.errors import UsageError
from features.declarations import Declaration, Events, Links, Request, Ring, Window
from features.event_sets import Member
from features.ring_plan import RingPlan, ring_plans
from features.sorting import LIFE_US
from features.spans import LIFE, microseconds
from features.task import events_of, leaves

Cell = tuple[Window | Ring, str]  # a bare window or ring, and what is computed of its events


@dataclass(frozen=True)
class Leaf:
    """A window as the kernels see it: result row, edges of both ends.

    A sum can bring the count of its window along, to `count_row`.
    """

    row: int
    lo: int
    hi: int
    count_row: int = -1


@dataclass(frozen=True)
class Measure:
    """What several windows share: aggregate, event set, column, breaker, set of the counts."""

    aggregate: str
    member: int
    column: str | None
    breaker: int | None
    leaves: tuple[Leaf, ...]
    counted: int | None = None

    def rows(self) -> list[int]:
        """The result rows it fills."""
        return [r for x in self.leaves for r in (x.row, x.count_row) if r >= 0]


@dataclass(frozen=True)
class EntityPlan:
    """All windows of one entity.

    Parameters
    ----------
    members : (event set, column that must not be null); the position is the bit.
    edges : distinct offsets back from as_of in microseconds; `LIFE_US` for no beginning.
    """

    entity: tuple[str, ...]
    members: tuple[Member, ...]
    edges: tuple[int, ...]
    measures: tuple[Measure, ...]

    @property
    def rows(self) -> tuple[int, ...]:
        """The result rows it fills."""
        return tuple(r for m in self.measures for r in m.rows())

    @property
    def types(self) -> tuple[str, ...]:
        """The event types that any of its windows asks for."""
        return tuple(dict.fromkeys(t for events, _ in self.members for t in events.types))

    @property
    def columns(self) -> tuple[str, ...]:
        """The ledger's columns that it reads, beside the clock."""
        wheres = [c for events, _ in self.members for c in events.where]
        read = [c for m in self.measures if (c := m.column)]
        counted = [c for _, c in self.members if c]
        return tuple(dict.fromkeys(["event_type", *self.entity, *wheres, *read, *counted]))

    def alone(self) -> "EntityPlan":
        """The same plan with its rows numbered from 0, in the order of `rows`."""
        place = {row: at for at, row in enumerate(self.rows)} | {-1: -1}
        measures = tuple(
            replace(
                m,
                leaves=tuple(
                    replace(x, row=place[x.row], count_row=place[x.count_row]) for x in m.leaves
                ),
            )
            for m in self.measures
        )
        return replace(self, measures=measures)


Part = EntityPlan | RingPlan


@dataclass(frozen=True)
class Plan:
    """The whole work: result rows and who fills them.

    Parameters
    ----------
    rows : row of every cell that the kernels fill. Row i below `len(definitions)` belongs to
        declaration i; the rows after them are operands that nobody asked for.
    """

    definitions: tuple[Declaration, ...]
    rows: dict[Cell, int]
    height: int
    entities: tuple[EntityPlan, ...]
    rings: tuple[RingPlan, ...]

    @property
    def parts(self) -> tuple["Part", ...]:
        """All that has to be filled. Rings, which take longest, come first."""
        return (*self.rings, *self.entities)


def compile_plan(definitions: Sequence[Declaration]) -> Plan:
    """The plan of a list of declarations with distinct names."""
    rows: dict[Cell, int] = {}
    for row, d in enumerate(definitions):
        if isinstance(d, Window | Ring) and d.aggregate != "mean":
            rows[cells(d)[0]] = row
    height = len(definitions)
    for cell in (c for d in definitions for w in leaves(d) for c in cells(w)):
        if cell not in rows:
            rows[cell] = height
            height += 1
    _check_names([leaf for leaf, _ in rows])
    groups: dict[tuple[str, ...], list[tuple[Window, str, int]]] = {}
    for (leaf, aggregate), row in rows.items():
        if isinstance(leaf, Window):
            groups.setdefault(leaf.keys, []).append((leaf, aggregate, row))
    entities = tuple(_entity_plan(keys, group) for keys, group in groups.items())
    rings = ring_plans({leaf: row for (leaf, _), row in rows.items() if isinstance(leaf, Ring)})
    return Plan(tuple(definitions), rows, height, entities, rings)


def cells(leaf: Window | Request | Ring) -> tuple[Cell, ...]:
    """What the kernels compute for a leaf; a mean is a sum and the count of what was summed."""
    if isinstance(leaf, Request):
        return ()
    # what is said about a window does not make it another computation
    bare = replace(leaf, sign={}, reason="", source="", stage="request", role="model")
    if isinstance(leaf, Ring) or leaf.aggregate != "mean":
        return ((bare, leaf.aggregate),)
    total = replace(bare, aggregate="sum")
    return ((total, "sum"), (total, "count"))


def _entity_plan(keys: tuple[str, ...], group: Iterable[tuple[Window, str, int]]) -> EntityPlan:
    members: dict[Member, int] = {}
    edges: dict[int, int] = {}
    shared: dict[tuple[str, int, str | None, int | None], list[Leaf]] = {}
    for w, aggregate, row in group:
        bit = members.setdefault((w.events, w.column), len(members))
        breaker = members.setdefault((w.breaker, None), len(members)) if w.breaker else None
        lo, hi = (edges.setdefault(offset, len(edges)) for offset in _offsets(w))
        column = None if aggregate == "count" else w.column
        shared.setdefault((aggregate, bit, column, breaker), []).append(Leaf(row, lo, hi))
    measures = [Measure(*key, tuple(found)) for key, found in shared.items()]
    return EntityPlan(keys, tuple(members), tuple(edges), _paired(measures))


def _paired(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """Counts travel with sums over the same windows, of whatever set: one pass gives both."""
    counts = [m for m in measures if m.aggregate == "count"]
    others = []
    for m in (m for m in measures if m.aggregate != "count"):
        if m.aggregate == "sum" and counts:
            count = counts.pop(0)
            rows = {(x.lo, x.hi): x.row for x in count.leaves}
            taken = [replace(x, count_row=rows.pop((x.lo, x.hi), -1)) for x in m.leaves]
            left = tuple(x for x in count.leaves if x.row in rows.values())
            counts += [replace(count, leaves=left)] if left else []
            others.append(replace(m, leaves=tuple(taken), counted=count.member))
        else:
            others.append(m)
    return (*others, *counts)


def _offsets(w: Window) -> tuple[int, int]:
    end = microseconds(w.delay)
    return (LIFE_US if w.over == LIFE else end + microseconds(w.over)), end


def _check_names(found: Sequence[Window | Ring]) -> None:
    """One name, one meaning: else two columns of the same name could differ."""
    said: list[tuple[str, str, Events | Links]] = [
        *(("events", "event sets", e) for leaf in found for e in events_of(leaf)),
        *(("links", "ways of linking", r.links) for r in found if isinstance(r, Ring)),
    ]
    known: dict[tuple[str, str], Events | Links] = {}
    for kind, kinds, named in said:
        if known.setdefault((kind, named.name), named) != named:
            fix = "give one of them another name"
            where = f"{kind} '{named.name}'"
            raise UsageError(f"the name means two {kinds}", where=where, fix=fix)
