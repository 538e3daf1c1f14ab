"""The ledger folder: what its manifest says, and whether its files are those that were written.

Same rows, same bytes: no clock time and no path is in a data file or in the fingerprint. Writing a
folder is `data.publish`' work.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data.contract import Contract
from data.errors import ContractError
from data.sources import reading

FORMAT = 3
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a ledger folder holds.

    `columns[name]` = {type, nulls, total}, `type` the contract's, `total` the sum of an integer
    column's absolute values; `event_types` are those declared beyond the contract, `key_types` of
    keys, declared or as found; `watermark` is the last `known_ts` in microseconds. `files[name]` =
    {sha256, bytes}. `fingerprint` covers the data and the currency, not the
    quarantine, whose rows name the paths they came from; `seal` covers the manifest itself.
    """

    rows: int
    currency: str
    watermark: int
    first_known: int
    columns: Mapping[str, Mapping[str, Any]]
    event_types: tuple[str, ...] = ()
    key_types: Mapping[str, str] = field(default_factory=dict)
    one_clock: tuple[str, ...] = ()
    quarantined: int = 0
    duplicates_dropped: int = 0
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fingerprint: str = ""
    format: int = FORMAT
    seal: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The data files, in order: one from the start, one of each append."""
        return tuple(sorted((f for f in self.files if f.startswith("part-")), key=_number))

    def dictionary(self, name: str) -> tuple[str, ...]:
        """The files of a coded column's values, in the order of their codes."""
        found = (f for f in self.files if f.startswith("dict/") and _column(f) == name)
        return tuple(sorted(found, key=_number))

    def lacking(self, names: Iterable[str], contract: Contract) -> "Manifest":
        """The manifest with those of some columns that the contract knows and no part has, null."""
        more = {
            name: {"type": contract.columns[name].type, "nulls": self.rows}
            for name in names
            if name not in self.columns and name in contract.columns
        }
        return replace(self, columns={**self.columns, **more}) if more else self

    def grown(self, night: "Manifest") -> "Manifest":
        """What the ledger says once a part with rows of its own is appended to it."""
        columns = {
            n: _added(self, night, n) for n in dict.fromkeys([*self.columns, *night.columns])
        }
        return replace(
            self,
            rows=self.rows + night.rows,
            watermark=night.watermark,
            columns=columns,
            event_types=tuple(dict.fromkeys((*self.event_types, *night.event_types))),
            key_types={**night.key_types, **self.key_types},
            one_clock=tuple(dict.fromkeys((*self.one_clock, *night.one_clock))),
            quarantined=self.quarantined + night.quarantined,
            duplicates_dropped=self.duplicates_dropped + night.duplicates_dropped,
        )


def _column(file: str) -> str:
    """The column of `dict/<column>-<n>.parquet`."""
    return file.removeprefix("dict/").rpartition("-")[0]


def _number(file: str) -> int:
    """Which append brought a file: the order of a JSON object's names is nobody's promise."""
    return int(file.rpartition("-")[2].removesuffix(".parquet"))


def _added(old: Manifest, night: Manifest, name: str) -> dict[str, Any]:
    """A column's facts over both; where one lacks the column, its rows are nulls."""
    entries = [dict(m.columns.get(name, {"nulls": m.rows})) for m in (old, night)]
    added = {k: sum(e.get(k, 0) for e in entries) for k in ("nulls", "total")}
    return entries[0] | entries[1] | added


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a ledger folder.

    Raises
    ------
    ContractError : missing, damaged, edited, or of another format.
    """
    where = str(folder / MANIFEST)
    with reading(where):
        if not (folder / MANIFEST).exists():
            raise ContractError("the ledger has no manifest", where=where, fix=_FIX)
        text = (folder / MANIFEST).read_bytes()
    try:
        raw = json.loads(text)
        if (found := raw.get("format", FORMAT)) != FORMAT:
            what = f"written in format {found}, this version reads format {FORMAT}"
            raise ContractError(what, where=where, fix=_FIX)
        tuples = {k: tuple(raw[k]) for k in ("event_types", "one_clock")}
        manifest = Manifest(**{**raw, **tuples})
    except (json.JSONDecodeError, UnicodeError) as e:
        raise ContractError("is no JSON", where=where, fix=_FIX) from e
    except (TypeError, KeyError, AttributeError) as e:
        raise ContractError("is no ledger's manifest", where=where, fix=_FIX) from e
    if manifest.seal != sealed(manifest).seal:
        raise ContractError("was changed after it was written", where=where, fix=_FIX)
    return manifest


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with a hash over everything else it says."""
    text = json.dumps(vars(manifest) | {"seal": ""}, sort_keys=True)
    return replace(manifest, seal=hashlib.sha256(text.encode()).hexdigest())


_FIX = "build the ledger again with `clawback map`"


def is_ledger_folder(path: Path) -> bool:
    """Whether a folder says it is a ledger, or looks like one that lost its manifest."""
    with reading(str(path)):
        lost = (path / "dict").is_dir() and (path / "part-1.parquet").is_file()
        return lost or (path / MANIFEST).is_file()


def listed_files(folder: Path) -> set[str]:
    """The files a ledger of ours lists, of any format and even if they are damaged; else none.

    Raises
    ------
    OSError : the folder cannot be read.
    """
    try:
        raw = json.loads((folder / MANIFEST).read_bytes())
    except (FileNotFoundError, ValueError):
        return set()
    ours = {"format", "fingerprint", "watermark", "first_known", "columns", "rows", "files"}
    if not isinstance(raw, dict) or not ours <= raw.keys() or not isinstance(raw["files"], dict):
        return set()
    return {MANIFEST, *raw["files"]}


def check_sizes(folder: Path, manifest: Manifest, names: tuple[str, ...]) -> None:
    """Refuse a file that is missing or has another size than the manifest says.

    Raises
    ------
    ContractError : naming the file.
    """
    for name in names:
        path = folder / name
        with reading(str(path)):
            size = path.stat().st_size if path.is_file() else None
        if size != manifest.files[name]["bytes"]:
            found = "is missing" if size is None else f"has {size} bytes, not as written"
            raise ContractError(f"file {name} {found}", where=str(folder), fix=_FIX)


def check_hashes(folder: Path, manifest: Manifest) -> None:
    """Refuse a file whose content is not what was written.

    Raises
    ------
    ContractError : naming the file.
    """
    check_sizes(folder, manifest, tuple(manifest.files))
    for name, entry in manifest.files.items():
        with reading(str(folder / name)):
            changed = sha256(folder / name) != entry["sha256"]
        if changed:
            what = f"file {name} was changed after it was written (its hash differs)"
            raise ContractError(what, where=str(folder), fix=_FIX)


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def fingerprint(files: Mapping[str, Mapping[str, Any]], currency: str) -> str:
    """One hash over the names and hashes of all data files, and the currency."""
    data = {n: f["sha256"] for n, f in sorted(files.items()) if not n.startswith("quarantine")}
    return hashlib.sha256(json.dumps([FORMAT, currency, data]).encode()).hexdigest()
