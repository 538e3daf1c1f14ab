"""A ledger folder read in slices: some columns, some event types, the events of some ids.

What a ledger larger than memory needs. One pass over the row groups keeps of each what is asked
for, in the ledger's order and every page verified; nothing else stays in memory.
"""

from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from data.contract import load_contract
from data.dictionaries import Codes, read_dictionary
from data.errors import ContractError, nearest
from data.folder import Manifest, check_sizes, read_manifest
from data.ledger import Column, Kind, Ledger
from data.part import DTYPES, Job, kind_of, read_group, row_groups, unpacked
from data.sources import reading

RESIDUES: Final = 256  # what the codes of a key are dealt into; a slice takes some of them

Dealt = NDArray[np.bool_]
Rows = NDArray[np.int64]
Values = tuple[NDArray[Any], Dealt | None]  # values, and where an integer is not null


@dataclass(frozen=True)
class LedgerFolder:
    """A ledger on disk, all of whose slices are of the same manifest.

    `left_out`: (column, codes) of events that no slice holds.
    """

    path: Path
    manifest: Manifest
    left_out: tuple[tuple[str, NDArray[Any]], ...] = ()
    dictionaries: dict[str, "pd.Index[Any]"] = field(default_factory=dict, repr=False)
    ranks: dict[str, Codes] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return self.manifest.rows

    def without(self, column: str, codes: NDArray[Any]) -> "LedgerFolder":
        """The folder without the events whose code of `column` is one of these."""
        return replace(self, left_out=(*self.left_out, (column, codes)))

    def kind(self, name: str) -> Kind:
        """How a column is held in memory."""
        self._check((name,))
        found: Kind = kind_of(self.manifest, name)
        return found

    def dictionary(self, name: str) -> "pd.Index[Any]":
        """The values of a coded column, read once."""
        if name not in self.dictionaries:
            check_sizes(self.path, self.manifest, self.manifest.dictionary(name))
            with reading(str(self.path)):
                values, rank = read_dictionary(self.path, self.manifest, name)
            if rank is not None:
                self.ranks[name] = rank
            self.dictionaries[name] = values
        return self.dictionaries[name]

    def read(
        self,
        columns: Collection[str],
        *,
        types: Collection[str] | None = None,
        entity: str | None = None,
        dealt: Dealt | None = None,
        placed: bool = False,
    ) -> Ledger:
        """The events of some types, and of some residues of a key's codes.

        Parameters
        ----------
        columns : what to read; `event_type` and `known_ts` come with it.
        types : event types; all by default.
        entity, dealt : a key column, and which of `code % RESIDUES` to keep, shape (RESIDUES,). An
            event without an id is left out.
        placed : say where the events stand in the whole ledger.

        Raises
        ------
        ContractError : damaged, replaced since it was opened, or without such a column.
        """
        names = tuple(dict.fromkeys(["event_type", "known_ts", *columns]))
        self._check(names)
        found: dict[str, list[Values]] = {name: [] for name in names}
        places = []
        for rows, chunk in self._chunks(names, types, entity, dealt):
            for name, values in chunk.items():
                found[name].append(values)
            if placed:
                places.append(rows)
        return Ledger(
            {name: self._column(name, found.pop(name)) for name in names},
            self.manifest.currency,
            self.manifest.fingerprint,
            str(self.path),
            np.concatenate(places) if placed else None,
        )

    def streamed(self, columns: Collection[str]) -> Iterator[tuple[NDArray[Any], ...]]:
        """The values of some columns, a run of events after the other."""
        names = tuple(columns)
        self._check(names)
        for _, chunk in self._chunks(names, None, None, None):
            yield tuple(chunk[name][0] for name in names)

    def shape(self, columns: Collection[str]) -> Ledger:
        """These columns without an event: kinds and dictionaries."""
        self._check(tuple(columns))
        found = {name: self._column(name, [self._nothing(name)]) for name in columns}
        return Ledger(found, self.manifest.currency, self.manifest.fingerprint, str(self.path))

    def _nothing(self, name: str) -> Values:
        return np.empty(0, DTYPES[kind_of(self.manifest, name)]), None

    def census(self, entity: str, types: Collection[str] | None = None) -> NDArray[np.int64]:
        """How many events of some types each residue of a key's codes has, shape (RESIDUES,)."""
        self._check((entity,))
        counts = np.zeros(RESIDUES, np.int64)
        everyone = np.ones(RESIDUES, np.bool_)
        for _, chunk in self._chunks((entity,), types, entity, everyone):
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
    ) -> Iterator[tuple[Rows, dict[str, Values]]]:
        """Places and values of the kept rows of every row group, in order, two read at a time."""
        check_sizes(self.path, self.manifest, self.manifest.parts)
        wanted = None if types is None else self._wanted(types)
        gone = [(column, self._mask(column, codes)) for column, codes in self.left_out]
        extra = [*(["event_type"] if types is not None else []), *([entity] if entity else [])]
        read = list(dict.fromkeys([*names, *extra, *(column for column, _ in gone)]))

        for name in read:
            if self.manifest.columns[name]["type"] in ("text", "bool"):
                self.dictionary(name)  # its words may be ranked

        def one(job: Job) -> tuple[Rows, dict[str, Values]]:
            table = read_group(job, self.manifest, read, self.ranks)
            keep = np.ones(table.num_rows, np.bool_)
            if wanted is not None:
                keep &= wanted[self._values(table, "event_type")]
            if entity is not None and dealt is not None:
                codes = self._values(table, entity)
                keep &= dealt[codes % RESIDUES] & (codes >= 0)
            for column, mask in gone:
                keep &= ~mask[self._values(table, column)]
            rows = np.flatnonzero(keep)
            return job.start + rows, {name: self._kept(table, name, rows) for name in names}

        with reading(str(self.path)), ThreadPoolExecutor(2) as pool:
            yield from pool.map(one, row_groups(self.path, self.manifest))

    def _wanted(self, types: Collection[str]) -> Dealt:
        """Per code of an event type, whether it is wanted; code -1 reads the last entry."""
        return np.append(self.dictionary("event_type").isin(list(types)), False)

    def _mask(self, column: str, codes: NDArray[Any]) -> Dealt:
        mask = np.zeros(len(self.dictionary(column)) + 1, np.bool_)
        mask[codes] = True
        return mask

    def _values(self, table: pa.Table, name: str) -> NDArray[Any]:
        found: NDArray[Any] = unpacked(table.column(name), self.kind(name))[0]
        return found

    def _kept(self, table: pa.Table, name: str, rows: Rows) -> Values:
        values, valid = unpacked(table.column(name), self.kind(name))
        if self.manifest.columns[name]["nulls"] and valid is None and self.kind(name) == "int":
            valid = np.ones(len(values), np.bool_)  # no null here, but in other row groups
        if len(rows) == len(values):
            return values, valid
        return values[rows], None if valid is None else valid[rows]

    def _column(self, name: str, chunks: list[Values]) -> Column:
        kind = self.kind(name)
        values = np.concatenate([values for values, _ in chunks])
        masks = [valid for _, valid in chunks if valid is not None]
        dictionary = self.dictionary(name) if kind == "code" else None
        return Column(kind, values, np.concatenate(masks) if masks else None, dictionary)


def open_folder(path: Path) -> LedgerFolder:
    """A ledger folder, to be read in slices; what it lacks of the contract's columns is null.

    Raises
    ------
    ContractError : no ledger folder, or a damaged one.
    """
    contract = load_contract()
    return LedgerFolder(path, read_manifest(path).lacking(contract.columns, contract))
