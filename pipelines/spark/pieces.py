"""How a plan's work is cut: events and decisions side by side, bucket by bucket of each entity.

In: the ledger's events and the decisions as Spark tables. Out: the cells that the kernels fill
(`buckets.Pieces`). All entities share one shuffle: a piece is an entity and a bucket of its keys,
and an event goes into one piece of each entity that counts it. Buckets are of hashes, never of
keys: one Python call for each user would be all that a job does.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Final

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf
from pyspark.sql import types as st

from data.ledger import Ledger
from features.plan import Plan
from features.ring_plan import RingPlan
from pipelines.spark.buckets import CELLS, OWN, PIECE, PLAN, POSITION, ROW, Pieces

CODE: Final = "_code_"  # before a key's name: its code in the ledger
FILLED: Final = st.StructType(
    [
        st.StructField(ROW, st.LongType()),
        st.StructField(PLAN, st.IntegerType()),
        st.StructField(CELLS, st.BinaryType()),
    ]
)


def filled(
    plan: Plan, shape: Ledger, events: DataFrame, cases: DataFrame, buckets: int, case: str
) -> DataFrame:
    """The cells of every entity's plan, for every decision: `FILLED`.

    Parameters
    ----------
    shape : the columns that the plan reads, without events.
    events : `POSITION`, `known_ts` and the columns of `shape`.
    cases : `ROW`, `as_of`, for every key `CODE` + its name, and `OWN` if there is a `case`.
    """
    kinds = {n: column.kind for n, column in shape.columns.items()}
    pieces = Pieces(plan, buckets, kinds, _words(plan, shape), case)
    left = [_cut_events(at, plan, shape, events, buckets, case) for at in range(len(plan.parts))]
    right = [_cut_cases(at, plan, cases, buckets, case) for at in range(len(plan.parts))]
    both = [reduce(DataFrame.union, tables).groupBy(PIECE) for tables in (left, right)]
    fill = pieces.fill
    return (
        both[0]
        .cogroup(both[1])
        .applyInArrow(lambda key, events, cases: fill(key, events, cases), FILLED)
    )


def keys_of(plan: Plan) -> list[str]:
    """The columns that are a key of some entity."""
    return list(dict.fromkeys(k for part in plan.parts for k in part.entity))


def _words(plan: Plan, shape: Ledger) -> dict[str, "pd.Index[Any]"]:
    """The dictionaries of the columns whose codes are compared with words."""
    sets = [events for part in plan.parts for events, _ in part.members]
    names = {"event_type", *(name for events in sets for name in events.where)}
    return {n: d for n in names if (d := shape[n].dictionary) is not None}


def _cut_events(
    at: int, plan: Plan, shape: Ledger, events: DataFrame, buckets: int, case: str
) -> DataFrame:
    """The events that some set of the plan may hold and that belong to somebody."""
    entity = plan.parts[at]
    types = shape["event_type"].encode(pd.Series(entity.types, dtype="str"))
    wanted, bucket = sf.col("event_type").isin(types[types >= 0].tolist()), sf.lit(0)
    if isinstance(entity, RingPlan):  # links reach from anybody to anybody: they stay together
        wanted = reduce(Column.__or__, [sf.col(n) >= 0 for n in entity.links.caps], wanted)
    else:
        bucket = _bucket(entity.entity, buckets)
    wanted &= _known(entity.entity)
    piece = sf.lit(at * buckets) + bucket
    columns = [n for n in shape.columns if n != "known_ts"]
    own = {*entity.columns, case}
    return events.filter(wanted).select(
        piece.alias(PIECE),
        POSITION,
        "known_ts",
        *(_or_null(n, n in own, events.schema[n].dataType) for n in columns),
    )


def _cut_cases(at: int, plan: Plan, cases: DataFrame, buckets: int, case: str) -> DataFrame:
    """Every decision; those without a key are spread, for they may be most of all."""
    entity = plan.parts[at]
    codes, bucket = [CODE + k for k in entity.entity], sf.lit(0)
    if not isinstance(entity, RingPlan):
        known = sf.when(_known(codes), _bucket(codes, buckets))
        bucket = known.otherwise(_bucket([ROW], buckets))
    return cases.select(
        (sf.lit(at * buckets) + bucket).alias(PIECE),
        ROW,
        "as_of",
        *([OWN] if case else []),
        *(_or_null(CODE + k, k in entity.entity, st.IntegerType()).alias(k) for k in keys_of(plan)),
    )


def _known(codes: Iterable[str]) -> Column:
    return reduce(Column.__and__, [sf.col(n) >= 0 for n in codes])


def _bucket(names: Sequence[str], buckets: int) -> Column:
    return sf.pmod(sf.hash(*names), sf.lit(buckets))


def _or_null(name: str, own: bool, kind: st.DataType) -> Column:
    """A column of this entity's plan; null if only others read it."""
    return (sf.col(name) if own else sf.lit(None)).cast(kind).alias(name)
