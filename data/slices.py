"""A ledger folder read in slices: some columns, some event types, the events of some ids.

What a ledger larger than memory needs. One pass over the row groups keeps of each what is asked
for, in the ledger's order and every page verified; nothing else stays in memory. A pass can deal
the events into several ledgers by the ids of a key.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from data.kept import Growing, Hands, Kept, Mask, Values, dealt, taken
from data.ledger import Column, Kind, Ledger
from data.part import DTYPES, Job, kind_of, read_group, row_groups, unpacked
from data.sources import reading

RESIDUES: Final = 256  # what the codes of a key are dealt by: `code % RESIDUES`
NO_HAND: Final = -1  # of the residues that a pass leaves out


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
            with self._unchanged(), reading(str(self.path)):
                check_sizes(self.path, self.manifest, self.manifest.dictionary(name))
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
        placed: bool = False,
        seldom: Collection[str] = (),
    ) -> Ledger:
        """The events of some types.

        Parameters
        ----------
        columns : what to read; `event_type` and `known_ts` come with it.
        types : event types; all by default.
        placed : say where the events stand in the whole ledger.
        seldom : further columns, read whenever they are asked for, and not held.

        Raises
        ------
        ContractError : damaged, replaced since it was opened, or without such a column.
        """
        names = self._names(columns)
        found = self._growing(names, len(self), placed=placed)
        for (kept,) in self._chunks(names, types):
            found.add(*kept)
        ledger = self._ledger(found)
        self._check(tuple(seldom))
        if seldom:
            late = _Seldom(self, ledger.columns, (*names, *seldom), types)
            ledger = replace(ledger, columns=late)
        return ledger

    def deal(
        self,
        columns: Collection[str],
        entity: str,
        hands: Hands,
        sizes: Sequence[int],
        *,
        types: Collection[str] | None = None,
    ) -> list[Ledger]:
        """The events of some types, dealt by the ids of a key; those without an id are left out.

        Parameters
        ----------
        columns, types : as of `read`.
        entity, hands : a key column, and which ledger each residue of its codes goes to, shape
            (RESIDUES,); `NO_HAND` is left out.
        sizes : how many events each ledger gets, as `census` counts them.

        Raises
        ------
        ContractError : as of `read`.
        """
        names = self._names(columns)
        found = [self._growing(names, size) for size in sizes]
        for group in self._chunks(names, types, entity, hands, len(sizes)):
            for one, kept in zip(found, group, strict=True):
                one.add(*kept)
        return [self._ledger(one) for one in found]

    def _names(self, columns: Collection[str]) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(["event_type", "known_ts", *columns]))
        self._check(names)
        return names

    def _growing(self, names: tuple[str, ...], room: int, *, placed: bool = False) -> Growing:
        values = {n: np.empty(room, DTYPES[self.kind(n)]) for n in names}
        valid = {n: np.empty(room, np.bool_) for n in names if self._has_nulls(n)}
        return Growing(values, valid, np.empty(room, np.int64) if placed else None)

    def _ledger(self, found: Growing) -> Ledger:
        columns = {n: self._column(n, *found.column(n)) for n in found.values}
        manifest, places = self.manifest, found.places
        return Ledger(
            columns,
            manifest.currency,
            manifest.fingerprint,
            str(self.path),
            None if places is None else places[: found.size],
        )

    def streamed(self, columns: Collection[str]) -> Iterator[tuple[NDArray[Any], ...]]:
        """The values of some columns, a run of events after the other."""
        names = tuple(columns)
        self._check(names)
        for ((_, chunk),) in self._chunks(names):
            yield tuple(chunk[name][0] for name in names)

    def shape(self, columns: Collection[str]) -> Ledger:
        """These columns without an event: kinds and dictionaries."""
        self._check(tuple(columns))
        empty = {n: np.empty(0, DTYPES[self.kind(n)]) for n in columns}
        found = {n: self._column(n, empty[n], None) for n in columns}
        return Ledger(found, self.manifest.currency, self.manifest.fingerprint, str(self.path))

    def census(self, entity: str, types: Collection[str] | None = None) -> NDArray[np.int64]:
        """How many events of some types each residue of a key's codes has, shape (RESIDUES,)."""
        self._check((entity,))
        counts = np.zeros(RESIDUES, np.int64)
        for ((_, chunk),) in self._chunks((entity,), types, entity, np.zeros(RESIDUES, np.int16)):
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
        types: Collection[str] | None = None,
        entity: str | None = None,
        hands: Hands | None = None,
        many: int = 1,
    ) -> Iterator[list[Kept]]:
        """The kept rows of every row group, by hand, in order, two read at a time."""
        wanted = None if types is None else self._wanted(types)
        gone = [(column, self._mask(column, codes)) for column, codes in self.left_out]
        extra = [*(["event_type"] if types is not None else []), *([entity] if entity else [])]
        read = list(dict.fromkeys([*names, *extra, *(column for column, _ in gone)]))

        for name in read:
            if self.manifest.columns[name]["type"] in ("text", "bool"):
                self.dictionary(name)  # its words may be ranked

        def one(job: Job) -> list[Kept]:
            table = read_group(job, self.manifest, read, self.ranks)
            columns = {name: self._unpacked(table, name) for name in read}
            hand = np.zeros(table.num_rows, np.int16)
            if entity is not None and hands is not None:
                codes = columns[entity][0]
                hand = np.where(codes >= 0, hands[codes % RESIDUES], np.int16(NO_HAND))
            if wanted is not None:
                hand[~wanted[columns["event_type"][0]]] = NO_HAND
            for column, mask in gone:
                hand[mask[columns[column][0]]] = NO_HAND
            return [
                (job.start + rows, {name: taken(rows, *columns[name]) for name in names})
                for rows in dealt(hand, many)
            ]

        with self._unchanged(), reading(str(self.path)), ThreadPoolExecutor(2) as pool:
            check_sizes(self.path, self.manifest, self.manifest.parts)
            yield from pool.map(one, row_groups(self.path, self.manifest))

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Refuse a ledger that was built again; one that has grown still has all its files."""
        self._check_files()
        try:
            yield
        except ContractError:
            self._check_files()
            raise
        self._check_files()

    def _check_files(self) -> None:
        now = read_manifest(self.path).files
        if any(now.get(file) != facts for file, facts in self.manifest.files.items()):
            what = "the ledger was replaced while it was read"
            raise ContractError(what, where=str(self.path), fix="run again")

    def _wanted(self, types: Collection[str]) -> Mask:
        """Per code of an event type, whether it is wanted; code -1 reads the last entry."""
        return np.append(self.dictionary("event_type").isin(list(types)), False)

    def _mask(self, column: str, codes: NDArray[Any]) -> Mask:
        mask = np.zeros(len(self.dictionary(column)) + 1, np.bool_)
        mask[codes] = True
        return mask

    def _unpacked(self, table: pa.Table, name: str) -> Values:
        values, valid = unpacked(table.column(name), self.kind(name))
        if valid is None and self._has_nulls(name):
            valid = np.ones(len(values), np.bool_)  # no null here, but in other row groups
        return values, valid

    def _column(self, name: str, values: NDArray[Any], valid: Mask | None) -> Column:
        kind = self.kind(name)
        return Column(kind, values, valid, self.dictionary(name) if kind == "code" else None)

    def _has_nulls(self, name: str) -> bool:
        """Whether it is an integer column that says apart where it is null."""
        return self.kind(name) == "int" and bool(self.manifest.columns[name]["nulls"])


class _Seldom(Mapping[str, Column]):
    """Columns of a slice, some of which are read anew each time they are asked for."""

    def __init__(
        self,
        folder: LedgerFolder,
        held: Mapping[str, Column],
        names: tuple[str, ...],
        types: Collection[str] | None,
    ) -> None:
        self._folder, self._held, self._types = folder, held, types
        self._names = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Column:
        if name in self._held or name not in self._names:
            return self._held[name]
        return self._folder.read([name], types=self._types)[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def open_folder(path: Path) -> LedgerFolder:
    """A ledger folder, to be read in slices; what it lacks of the contract's columns is null.

    Raises
    ------
    ContractError : no ledger folder, or a damaged one.
    """
    contract = load_contract()
    return LedgerFolder(path, read_manifest(path).lacking(contract.columns, contract))
