"""From rings to arrays: equal measures shared, grouped by the way of linking.

In: the rings of a plan and the result row of each. Out: `RingPlan`s. Everything a ring says is a
difference of running sums, the mean age too: a count of members and the sum of their first times.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from features.declarations import Events, Links, Ring
from features.sorting import LIFE_US
from features.spans import LIFE, microseconds

SETS: Final = 32  # event sets of one plan: the other half of a word says "the first of this set"
CLOCK: Final = "milliseconds of known_ts"  # no column of a ledger has this name


@dataclass(frozen=True)
class RingMeasure:
    """What is summed over a cluster, and where to.

    Parameters
    ----------
    row : result row, -1 if only another measure reads it.
    bit : set of the events; from `SETS` on only everybody's first event of set `bit - SETS`.
    column : whose values are summed, `CLOCK` for the time; None counts.
    over : microseconds, `LIFE_US` without a beginning.
    counted : the measure that counts what this one is the mean time of, or -1.
    """

    row: int
    bit: int
    column: str | None
    over: int
    counted: int = -1


@dataclass(frozen=True)
class RingPlan:
    """All measures of one way of linking, of at most `SETS` event sets.

    Parameters
    ----------
    members : (event set, column that must not be null); the position is the bit.
    size_row : result row of the cluster's size, or -1.
    """

    links: Links
    members: tuple[tuple[Events, str | None], ...]
    measures: tuple[RingMeasure, ...]
    size_row: int = -1
    entity: tuple[str, ...] = ("user_id",)

    @property
    def rows(self) -> tuple[int, ...]:
        """The result rows it fills."""
        return tuple(r for r in (*(m.row for m in self.measures), self.size_row) if r >= 0)

    @property
    def types(self) -> tuple[str, ...]:
        """The event types that are counted; a link is made by any."""
        return tuple(dict.fromkeys(t for events, _ in self.members for t in events.types))

    @property
    def columns(self) -> tuple[str, ...]:
        """The ledger's columns that it reads, beside the clock."""
        read = [c for events, column in self.members for c in (*events.where, column) if c]
        return tuple(dict.fromkeys(["event_type", *self.entity, *self.links.caps, *read]))

    def alone(self) -> "RingPlan":
        """The same plan with its rows numbered from 0, in the order of `rows`."""
        place = {row: at for at, row in enumerate(self.rows)} | {-1: -1}
        measures = tuple(replace(m, row=place[m.row]) for m in self.measures)
        return replace(self, measures=measures, size_row=place[self.size_row])


def ring_plans(rows: Mapping[Ring, int]) -> tuple[RingPlan, ...]:
    """One plan for each way of linking; a further one for every `SETS` event sets."""
    groups: dict[tuple[Links, int], dict[Ring, int]] = {}
    sets: dict[Links, dict[tuple[Events, str | None], int]] = {}
    for ring, row in rows.items():
        known = sets.setdefault(ring.links, {})
        number = known.setdefault((ring.events, ring.column), len(known)) if ring.events else 0
        groups.setdefault((ring.links, number // SETS), {})[ring] = row
    return tuple(_plan(links, group.items()) for (links, _), group in groups.items())


def _plan(links: Links, group: Iterable[tuple[Ring, int]]) -> RingPlan:
    members: dict[tuple[Events, str | None], int] = {}
    measures: list[RingMeasure] = []
    size_row = -1
    for ring, row in group:
        if ring.events is None:
            size_row = row
            continue
        bit = members.setdefault((ring.events, ring.column), len(members))
        over = LIFE_US if ring.over == LIFE else microseconds(ring.over)
        if ring.aggregate == "age":
            measures.append(RingMeasure(-1, bit + SETS, None, LIFE_US))
            measures.append(RingMeasure(row, bit + SETS, CLOCK, LIFE_US, len(measures) - 1))
        else:
            first = SETS if ring.aggregate == "joined" else 0
            measures.append(RingMeasure(row, bit + first, ring.column, over))
    return RingPlan(links, tuple(members), tuple(measures), size_row)
