"""The ledger in memory: events in the order they became known, keys as integer codes.

In: a frame (`ledger_of`) or a ledger folder (`data.store.read_ledger`). Out: numpy columns that
the kernels read without copying. Checking the contract is `data.check`'s work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.types import infer_dtype

from data.errors import ContractError, nearest

Kind = Literal["code", "time", "int", "float"]

KEYS = (
    "user_id",
    "merchant_id",
    "order_id",
    "case_id",
    "item_id",
    "device_id",
    "address_id",
    "tracking_id",
    "payout_id",
    "phone_id",
    "ip_id",
    "evidence_hash",
)
NULL_CODE = -1
UNKNOWN_CODE = -2  # an id the ledger has never seen: empty history, not a null key
NULL_TIME = np.iinfo(np.int64).min
# A dictionary holds no value twice and no null. To see that for itself, pandas makes an object of
# every id and a hash table of them all: gigabytes that stay, for ten million users.
_UNCHECKED = getattr(pd.CategoricalDtype, "_from_fastpath", pd.CategoricalDtype)
KINDS = {"string": "text", "integer": "numbers", "floating": "numbers"}


@dataclass(frozen=True)
class Column:
    """One column of the ledger.

    `values` is int32 for a code (-1 null), int64 microseconds for a time (`NULL_TIME` null),
    int64 for an integer (null where `valid` is False), float64 for a float (NaN null).
    `dictionary[code]` is a code's original value.
    """

    kind: Kind
    values: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    dictionary: "pd.Index[Any] | None" = None

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Mask of the rows that have a value; what is not finite has none."""
        if self.kind == "code":
            return np.asarray(self.values >= 0)
        if self.kind == "float":
            return np.asarray(np.isfinite(self.values))
        if self.kind == "time":
            return np.asarray(self.values != NULL_TIME)
        return np.ones(len(self.values), bool) if self.valid is None else self.valid

    def take(self, rows: NDArray[Any]) -> "Column":
        """The column at these rows (positions or a mask); the dictionary stays whole."""
        valid = None if self.valid is None else self.valid[rows]
        return replace(self, values=self.values[rows], valid=valid)

    def encode(self, ids: "pd.Series[Any]") -> NDArray[np.int32]:
        """Codes of `ids`: -1 for a null, -2 for an id that this column has never held.

        Raises
        ------
        ContractError : the column has no codes; or it holds text and the ids are numbers, or the
            other way round, so that nobody would have a past.
        """
        if self.dictionary is None:
            raise ContractError(f"a {self.kind} column has no codes")
        given = ids
        if isinstance(ids.dtype, pd.CategoricalDtype):
            if ids.cat.categories is self.dictionary or ids.cat.categories.equals(self.dictionary):
                return np.asarray(ids.cat.codes, np.int32)
            given = pd.Series(ids.cat.categories, name=ids.name)
        known = self.dictionary.get_indexer(pd.Index(given)).astype(np.int32)
        known[known < 0] = UNKNOWN_CODE
        if (known == UNKNOWN_CODE).all():
            self._check_kind(given)
        if given is ids:
            known[ids.isna().to_numpy()] = NULL_CODE
            return known
        return np.asarray(np.append(known, NULL_CODE)[ids.cat.codes], np.int32)

    def _check_kind(self, ids: "pd.Series[Any]") -> None:
        """Refuse text where the column holds numbers, and numbers where it holds text."""
        both = [v for v in (ids.dropna(), self.dictionary) if v is not None and len(v)]
        kinds = [KINDS.get(infer_dtype(values)) for values in both]
        if len(both) == 2 and None not in kinds and kinds[0] != kinds[1]:
            fix = f"give the ids as {kinds[1]}, as the ledger has them"
            raise ContractError(f"the ids of '{ids.name}' are {kinds[0]}", where="cases", fix=fix)

    def distinct(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """The codes that occur, nulls left out, in the order of their values."""
        if self.dictionary is None:
            raise ContractError(f"a {self.kind} column has no codes")
        seen = np.zeros(len(self.dictionary) + 1, bool)
        seen[codes] = True  # a null marks the last place
        found = np.flatnonzero(seen[:-1]).astype(np.int32)
        values = pa.array(self.dictionary.take(found), from_pandas=True)
        return np.asarray(found[pc.array_sort_indices(values).to_numpy()])

    def decode(self, codes: NDArray[Any]) -> "pd.Series[Any]":
        """A categorical series of original values; negative codes are null."""
        dtype = _UNCHECKED(self.dictionary, False)
        return pd.Series(pd.Categorical.from_codes(np.maximum(codes, -1), dtype=dtype))


@dataclass(frozen=True)
class Ledger:
    """Events sorted by `(known_ts, event_ts, event_id)`.

    `columns` always holds `event_type`, `known_ts` and `user_id`; the rest is what was
    asked for. `fingerprint` is a SHA-256 over all the data, not only the columns read. `places`
    says where the events of a slice stand in the whole ledger.
    """

    columns: Mapping[str, Column]
    currency: str = "CNY"
    fingerprint: str = ""
    source: str = field(default="ledger", compare=False)
    places: NDArray[np.int64] | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.columns["known_ts"].values)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            raise ContractError(
                f"no column '{name}'",
                where=self.source,
                fix=nearest(name, list(self.columns)) or f"columns: {', '.join(self.columns)}",
            )
        return self.columns[name]

    @property
    def known_us(self) -> NDArray[np.int64]:
        """`known_ts` in microseconds since 1970, ascending."""
        return self.columns["known_ts"].values

    def take(self, rows: NDArray[Any]) -> "Ledger":
        """The ledger at these rows (a mask, or ascending positions)."""
        places = None if self.places is None else self.places[rows]
        columns = {k: c.take(rows) for k, c in self.columns.items()}
        return replace(self, columns=columns, places=places)

    def placed(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """Where the events at these positions stand in the whole ledger."""
        return np.asarray(rows if self.places is None else self.places[rows], np.int64)


def ledger_of(frame: pd.DataFrame, *, keys: tuple[str, ...] = (), currency: str = "CNY") -> Ledger:
    """A ledger of a frame that keeps the contract (see `data.check` for one that may not).

    Parameters
    ----------
    frame : one row an event, with at least `event_type`, `event_ts`, `known_ts`, `user_id`; times
        carry a zone. `event_id` breaks ties and is not kept.
    keys : further columns to code as keys although their type is integer.
    """
    missing = [c for c in ("event_type", "event_ts", "known_ts", "user_id") if c not in frame]
    if missing:
        raise ContractError(f"columns {missing} are missing", where="frame")
    by = ["known_ts", "event_ts"] + (["event_id"] if "event_id" in frame else [])
    frame = frame.sort_values(by, kind="stable")
    coded = set(KEYS) | set(keys)
    names = [c for c in frame.columns if c != "event_id"]
    return Ledger({str(c): _column(frame[c], c in coded) for c in names}, currency)


def _column(values: "pd.Series[Any]", key: bool) -> Column:
    dtype = values.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        utc = values.dt.tz_convert("UTC").dt.as_unit("us").dt.tz_localize(None)
        us = utc.to_numpy().view(np.int64)  # NaT is the smallest int64, as NULL_TIME is
        return Column("time", us)
    if key or not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        codes, found = pd.factorize(values, sort=True)
        if isinstance(found, pd.CategoricalIndex):  # as a dictionary it would decode by category
            found = found.astype(found.categories.dtype)
        return Column("code", codes.astype(np.int32), dictionary=pd.Index(found))
    if pd.api.types.is_float_dtype(dtype):
        return Column("float", values.to_numpy(np.float64, na_value=np.nan))
    null = values.isna().to_numpy()
    return Column("int", values.fillna(0).to_numpy(np.int64), ~null if null.any() else None)
