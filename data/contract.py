"""The ledger's contract as data: which columns and event types there are and what they may hold.

In: `contract.toml`, and what a mapping or a task declares beyond it. Out: a `Contract`. Turning it
into checks is `data.rules`' work.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from data.errors import ContractError, UsageError, nearest

TYPES = ("key", "text", "int", "float", "bool", "time")
KEY_TYPES = ("int", "text")
CLOCKS = ("event_ts", "known_ts")


@dataclass(frozen=True)
class ColumnSpec:
    """One column: its type, and what a value may be.

    `values` are the words of a coded column (empty: any); `low` and `high` are inclusive.
    """

    name: str
    type: str
    required: bool = False
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Contract:
    """What a row of the ledger must keep.

    `required_on[column]` are the event types that cannot do without the column; `key_types` fixes
    a key's type to int or text (without an entry the source decides); times lie in
    [`first`, `end`).
    """

    columns: Mapping[str, ColumnSpec]
    event_types: tuple[str, ...]
    required_on: Mapping[str, tuple[str, ...]]
    first: date
    end: date
    key_types: Mapping[str, str] = field(default_factory=dict)

    @property
    def required(self) -> tuple[str, ...]:
        """Columns every ledger has."""
        return tuple(c.name for c in self.columns.values() if c.required)

    def adding(
        self,
        *,
        columns: Mapping[str, str] | None = None,
        event_types: Iterable[str] = (),
        key_types: Mapping[str, str] | None = None,
        where: str = "",
    ) -> "Contract":
        """The contract with a task's or a mapping's own declarations, which stand in `where`.

        Raises
        ------
        UsageError : an unknown type, or a column that exists with another one.
        """
        known = dict(self.columns)
        for name, kind in (columns or {}).items():
            _check_type(name, kind, TYPES, "type", f"{where} [columns]".strip())
            if known.setdefault(name, ColumnSpec(name, kind)).type != kind:
                raise UsageError(
                    f"column '{name}' is declared {kind}, the contract has {known[name].type}",
                    where=f"{where} [columns]".strip(),
                    fix="choose another name for a column of your own",
                )
        for name, kind in (key_types or {}).items():
            _check_type(name, kind, KEY_TYPES, "key type", f"{where} [keys]".strip())
            if name not in known or known[name].type != "key":
                keys = [c.name for c in known.values() if c.type == "key"]
                at = f"{where} [keys]".strip()
                raise UsageError(f"'{name}' is no key", where=at, fix=nearest(name, keys))
        return replace(
            self,
            columns=known,
            event_types=tuple(dict.fromkeys((*self.event_types, *event_types))),
            key_types={**self.key_types, **(key_types or {})},
        )

    def require(self, names: Iterable[str], *, where: str) -> None:
        """Refuse a table whose columns the contract does not know, or that lacks an obligatory one.

        Raises
        ------
        ContractError : naming the nearest column.
        """
        names = list(names)
        unknown = [n for n in names if n not in self.columns]
        missing = [n for n in self.required if n not in names]
        for name in missing:
            hint = nearest(name, unknown)
            raise ContractError(
                f"column '{name}' is missing",
                where=where,
                fix=hint.replace("did you mean", "rename it from").rstrip("?")
                if hint
                else f"map a column to it; found: {', '.join(names) or 'none'}",
            )
        for name in unknown:
            hint = nearest(name, list(self.columns))
            raise ContractError(
                f"column '{name}' is not in the contract",
                where=where,
                fix=f"{hint} " * bool(hint) + "declare a column of your own under [columns]",
            )


@cache
def load_contract() -> Contract:
    """The built-in contract, read once."""
    raw: dict[str, Any] = tomllib.loads(files("data").joinpath("contract.toml").read_text("utf-8"))
    return Contract(
        columns={name: _spec(name, c) for name, c in raw["columns"].items()},
        event_types=tuple(t for group in raw["event_types"].values() for t in group),
        required_on={k: tuple(v) for k, v in raw["required_on"].items()},
        first=date.fromisoformat(raw["clock"]["first"]),
        end=date.fromisoformat(raw["clock"]["last"]) + timedelta(days=1),
    )


def _spec(name: str, raw: dict[str, Any]) -> ColumnSpec:
    return ColumnSpec(name, **{**raw, "values": tuple(raw.get("values", ()))})


def _check_type(name: str, kind: str, allowed: tuple[str, ...], what: str, where: str) -> None:
    if kind not in allowed:
        raise UsageError(
            f"{what} '{kind}' of column '{name}' is unknown",
            where=where,
            fix=nearest(kind, list(allowed)) or f"one of {', '.join(allowed)}",
        )
