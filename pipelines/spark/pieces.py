"""How a plan's work is cut: events and decisions side by side, bucket by bucket of each entity.

In: the ledger's events and the decisions as Spark tables. Out: the cells that the kernels fill
(`buckets.Pieces`). All entities share one shuffle: a piece is an entity and a bucket of its keys,
and an event goes into one piece of each entity that counts it. Buckets are of hashes, never of
keys: one Python call for each user would be all that a job does.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf
from pyspark.sql import types as st

from data.ledger import Ledger
from features.plan import EntityPlan, Plan
from pipelines.spark.buckets import CELLS, PIECE, PLAN, POSITION, ROW, Pieces, columns_of

CODE: Final = "_code_"  # before a key's name: its code in the ledger
FILLED: Final = st.StructType(
    [
        st.StructField(ROW, st.LongType()),
        st.StructField(PLAN, st.IntegerType()),
        st.StructField(CELLS, st.BinaryType()),
    ]
)


def filled(
    plan: Plan, ledger: Ledger, events: DataFrame, cases: DataFrame, buckets: int
) -> DataFrame:
    """The cells of every entity's plan, for every decision: `FILLED`.

    Parameters
    ----------
    events : `POSITION`, `known_ts` and `columns_read`. cases : `ROW`, `as_of`, the keys, and
        `CODE` + key.
    """
    words = {n: pa.array(ledger[n].dictionary, from_pandas=True) for n in _worded(plan)}
    kinds = {n: ledger[n].kind for n in ("known_ts", *columns_read(plan))}
    pieces = Pieces(plan, buckets, kinds, words)
    left = [
        _cut_events(at, entity, plan, ledger, events, buckets)
        for at, entity in enumerate(plan.entities)
    ]
    right = [
        _cut_cases(at, entity, plan, words, cases, buckets)
        for at, entity in enumerate(plan.entities)
    ]
    both = (reduce(DataFrame.union, tables).groupBy(PIECE) for tables in (left, right))
    fill = pieces.fill
    return (
        next(both)
        .cogroup(next(both))
        .applyInArrow(lambda key, events, cases: fill(key, events, cases), FILLED)
    )


def columns_read(plan: Plan) -> list[str]:
    """The columns of the ledger that a plan reads, beside the clock."""
    return sorted({n for entity in plan.entities for n in columns_of(entity)})


def keys_of(plan: Plan) -> list[str]:
    """The columns that are a key of some entity."""
    return sorted({k for entity in plan.entities for k in entity.entity})


def _cut_events(
    at: int, entity: EntityPlan, plan: Plan, ledger: Ledger, events: DataFrame, buckets: int
) -> DataFrame:
    """The events that some set of the plan may hold and that belong to somebody."""
    types = {t for member, _ in entity.members for t in member.types}
    words = ledger["event_type"].dictionary
    codes = [code for code, word in enumerate(() if words is None else words) if word in types]
    wanted = sf.col("event_type").isin(codes) & _known(entity.entity)
    piece = sf.lit(at * buckets) + _bucket(entity.entity, buckets)
    own = {n: sf.col(n) for n in columns_of(entity)}
    return events.filter(wanted).select(
        piece.alias(PIECE),
        POSITION,
        "known_ts",
        *_aligned(own, {n: events.schema[n].dataType for n in columns_read(plan)}),
    )


def _cut_cases(
    at: int,
    entity: EntityPlan,
    plan: Plan,
    words: Mapping[str, pa.Array],
    cases: DataFrame,
    buckets: int,
) -> DataFrame:
    """Every decision; those without a key are spread, for they may be most of all."""
    codes = [CODE + k for k in entity.entity]
    bucket = sf.when(_known(codes), _bucket(codes, buckets)).otherwise(_bucket([ROW], buckets))
    names = {k: k if k in words else CODE + k for k in keys_of(plan)}
    own = {k: sf.col(names[k]) for k in entity.entity}
    return cases.select(
        (sf.lit(at * buckets) + bucket).alias(PIECE),
        ROW,
        "as_of",
        *_aligned(own, {k: cases.schema[n].dataType for k, n in names.items()}),
    )


def _worded(plan: Plan) -> set[str]:
    """The columns whose values are compared with words."""
    sets = [events for entity in plan.entities for events, _ in entity.members]
    return {"event_type", *(name for events in sets for name in events.where)}


def _known(names: Iterable[str]) -> Column:
    return reduce(Column.__and__, [sf.col(n).isNotNull() for n in names])


def _bucket(names: Sequence[str], buckets: int) -> Column:
    return sf.pmod(sf.hash(*names), sf.lit(buckets))


def _aligned(own: Mapping[str, Column], kinds: Mapping[str, st.DataType]) -> list[Column]:
    """The same columns for every entity's plan, null where its own plan does not read them."""
    return [own.get(n, sf.lit(None)).cast(kind).alias(n) for n, kind in kinds.items()]
