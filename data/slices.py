"""A ledger folder read in slices: some columns, some event types, the events of some ids.

What a ledger larger than memory needs. One pass over the row groups keeps of each what is asked
for, in the ledger's order and every page verified; nothing else stays in memory.
"""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.dictionaries import Codes, read_dictionary
from data.errors import ContractError, nearest
from data.folder import Manifest, check_sizes, read_manifest
from data.ledger import Column, Kind, Ledger
from data.part import Job, kind_of, plain, read_group, row_groups
from data.sources import reading

RESIDUES: Final = 256  # what the codes of a key are dealt into; a slice takes some of them

Dealt = NDArray[np.bool_]


@dataclass(frozen=True)
class LedgerFolder:
    """A ledger on disk, all of whose slices are of the same manifest."""

    path: Path
    manifest: Manifest
    dictionaries: dict[str, "pd.Index[Any]"] = field(default_factory=dict, repr=False)
    ranks: dict[str, Codes] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return self.manifest.rows

    def kind(self, name: str) -> Kind:
        """How a column is held in memory."""
        self._check((name,))
        found: Kind = kind_of(self.manifest, name)
        return found

    def dictionary(self, name: str) -> "pd.Index[Any]":
        """The values of a coded column, read once."""
        if name not in self.dictionaries:
            with reading(str(self.path)):
                values, rank = read_dictionary(self.path, self.manifest, name)
            self.dictionaries[name] = values
            if rank is not None:
                self.ranks[name] = rank
        return self.dictionaries[name]

    def read(
        self,
        columns: Collection[str],
        *,
        types: Collection[str] | None = None,
        entity: str | None = None,
        dealt: Dealt | None = None,
    ) -> Ledger:
        """The events of some types, and of some residues of a key's codes.

        Parameters
        ----------
        columns : what to read; `event_type` and `known_ts` come with it.
        types : event types; all by default.
        entity, dealt : a key column, and which of `code % RESIDUES` to keep, shape (RESIDUES,). An
            event without an id is left out.

        Raises
        ------
        ContractError : damaged, replaced since it was opened, or without such a column.
        """
        names = tuple(dict.fromkeys(["event_type", "known_ts", *columns]))
        self._check(names)
        found: dict[str, list[tuple[NDArray[Any], Dealt | None]]] = {name: [] for name in names}
        for chunk in self._chunks(names, types, entity, dealt):
            for name in names:
                found[name].append(chunk[name])
        return Ledger(
            {name: self._column(name, found.pop(name)) for name in names},
            self.manifest.currency,
            self.manifest.fingerprint,
            str(self.path),
        )

    def census(self, entity: str, types: Collection[str] | None = None) -> NDArray[np.int64]:
        """How many events of some types each residue of a key's codes has, shape (RESIDUES,)."""
        self._check((entity,))
        counts = np.zeros(RESIDUES, np.int64)
        everyone = np.ones(RESIDUES, np.bool_)
        for chunk in self._chunks((entity,), types, entity, everyone):
            counts += np.bincount(chunk[entity][0] % RESIDUES, minlength=RESIDUES)
        return counts

    def _check(self, names: tuple[str, ...]) -> None:
        present = self.manifest.columns
        for name in names:
            if name not in present:
                fix = nearest(name, list(present)) or f"columns: {', '.join(present)}"
                raise ContractError(f"no column '{name}'", where=str(self.path), fix=fix)

    def _chunks(
        self,
        names: tuple[str, ...],
        types: Collection[str] | None,
        entity: str | None,
        dealt: Dealt | None,
    ) -> Iterator[dict[str, tuple[NDArray[Any], Dealt | None]]]:
        """The kept rows of every row group, in order, two read at a time."""
        check_sizes(self.path, self.manifest, self.manifest.parts)
        wanted = None if types is None else self._wanted(types)
        extra = [c for c in ("event_type" if types is not None else None, entity) if c]
        read = list(dict.fromkeys([*names, *extra]))

        for name in read:
            if self.kind(name) == "code":
                self.dictionary(name)

        def one(job: Job) -> dict[str, tuple[NDArray[Any], Dealt | None]]:
            table = read_group(job, self.manifest, read, self.ranks)
            keep = np.ones(table.num_rows, np.bool_)
            if wanted is not None:
                keep &= wanted[plain(table.column("event_type"), "code")]
            if entity is not None and dealt is not None:
                codes = plain(table.column(entity), "code")
                keep &= dealt[codes % RESIDUES] & (codes >= 0)
            rows = None if keep.all() else np.flatnonzero(keep)
            return {name: self._values(table.column(name), name, rows) for name in names}

        with reading(str(self.path)), ThreadPoolExecutor(2) as pool:
            yield from pool.map(one, row_groups(self.path, self.manifest))

    def _wanted(self, types: Collection[str]) -> Dealt:
        """Per code of an event type, whether it is wanted; code -1 reads the last entry."""
        return np.append(self.dictionary("event_type").isin(list(types)), False)

    def _values(
        self, column: pa.ChunkedArray, name: str, rows: NDArray[np.intp] | None
    ) -> tuple[NDArray[Any], Dealt | None]:
        kind = kind_of(self.manifest, name)
        valid = None
        if kind == "int" and self.manifest.columns[name]["nulls"]:
            valid = column.is_valid().to_numpy()
        values = plain(column, kind)
        if rows is not None:
            values, valid = values[rows], None if valid is None else valid[rows]
        return values, valid

    def _column(self, name: str, chunks: list[tuple[NDArray[Any], Dealt | None]]) -> Column:
        kind = kind_of(self.manifest, name)
        values = np.concatenate([values for values, _ in chunks])
        masks = [valid for _, valid in chunks if valid is not None]
        dictionary = self.dictionary(name) if kind == "code" else None
        return Column(kind, values, np.concatenate(masks) if masks else None, dictionary)


def open_folder(path: Path) -> LedgerFolder:
    """A ledger folder, to be read in slices.

    Raises
    ------
    ContractError : no ledger folder, or a damaged one.
    """
    return LedgerFolder(path, read_manifest(path))
