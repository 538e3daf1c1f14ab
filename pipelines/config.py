"""Settings of a command: flag > `CLAWBACK_*` > clawback.toml > default.

A command's settings are the fields of a frozen dataclass (`pipelines.commands`), so a setting is
written once: its name gives `--as-of`, `CLAWBACK_AS_OF` and `as_of = ...`. In clawback.toml a key
on top holds for every command that has it, a key in the table `[score]` for `score` alone.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from data.errors import UsageError, nearest

T = TypeVar("T")
PREFIX = "CLAWBACK_"
WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; `inside`: without these two themselves."""

    low: float
    high: float
    inside: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number is in it; NaN is in none."""
        if self.inside:
            return self.low < value < self.high
        return self.low <= value <= self.high

    def __str__(self) -> str:
        low, high = f"{self.low:,.10g}", f"{self.high:,.10g}"
        return f"above {low} and below {high}" if self.inside else f"from {low} to {high}"


def setting(
    text: str, default: Any = MISSING, *, positional: bool = False, within: Range | None = None
) -> Any:
    """One field of a command's configuration; without a default it must be given."""
    metadata = {"help": text, "positional": positional, "within": within}
    return field(default=default, metadata=metadata)


def resolve(
    command: str,
    commands: Mapping[str, type[Any]],
    flags: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Path | None = None,
) -> Any:
    """The configuration of `command`, each setting from the first source that has it.

    Parameters
    ----------
    commands : every command's configuration class, to tell a typo from another command's setting.
    flags : settings given on the command line; None means not given.
    file : the settings file; without one, `clawback.toml` in the working folder if it exists.

    Raises
    ------
    UsageError : an unknown key, a value of the wrong type, or a missing setting.
    """
    kind = commands[command]
    sources = [
        ("flag", {k: v for k, v in flags.items() if v is not None}),
        ("environment", _from_environment(environ, commands)),
        (str(file or "clawback.toml"), _from_file(file, command, commands)),
    ]
    values = {}
    for spec in fields(kind):
        for source, given in sources:
            if spec.name in given:
                values[spec.name] = convert(kind, spec.name, given[spec.name], source)
                _check_range(spec, values[spec.name], source)
                break
        else:
            if spec.default is MISSING:
                raise UsageError(f"setting '{spec.name}' is missing", fix=_how_to_give(spec))
    return kind(**values)


def convert(kind: type[Any], name: str, value: Any, where: str) -> Any:
    """`value` as the type of the field `name`; text is parsed."""
    base = plain_type(get_type_hints(kind)[name])
    if get_origin(base) is Literal:
        return _choice(name, value, get_args(base), where)
    try:
        if base is bool:
            return value if isinstance(value, bool) else WORDS[str(value).lower()]
        if isinstance(value, bool) or (base is int and isinstance(value, float)):
            raise ValueError
        return base(value) if base in (int, float, Path) else str(value)
    except (KeyError, ValueError, TypeError, OverflowError):
        raise UsageError(
            f"{name} = {value!r} is not {_ARTICLE[base]}", where=where, fix=f"give {name} as one"
        ) from None


def _check_range(spec: "Field[Any]", value: Any, where: str) -> None:
    within = spec.metadata["within"]
    if within is not None and not within.holds(value):
        fix = f"give a number {within}"
        raise UsageError(f"{spec.name} = {value} is out of range", where=where, fix=fix)


_ARTICLE = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    str: "a text",
}


def plain_type(hint: Any) -> Any:
    """The type behind `X | None`."""
    if get_origin(hint) in (Union, UnionType):
        return next(a for a in get_args(hint) if a is not NoneType)
    return hint


def _choice(name: str, value: Any, choices: tuple[Any, ...], where: str) -> Any:
    if value not in choices:
        raise UsageError(
            f"{name} = {value!r} is not a choice",
            where=where,
            fix=nearest(str(value), list(choices)) or f"choices: {', '.join(choices)}",
        )
    return value


def _how_to_give(spec: "Field[Any]") -> str:
    flag = spec.name.upper() if spec.metadata["positional"] else "--" + spec.name.replace("_", "-")
    return f"give {flag}, {PREFIX}{spec.name.upper()}, or '{spec.name}' in clawback.toml"


def _known(commands: Mapping[str, type[Any]]) -> set[str]:
    return {spec.name for kind in commands.values() for spec in fields(kind)}


def _from_environment(
    environ: Mapping[str, str], commands: Mapping[str, type[Any]]
) -> dict[str, str]:
    given = {k[len(PREFIX) :].lower(): v for k, v in environ.items() if k.startswith(PREFIX)}
    _refuse_unknown(given, _known(commands), "environment", lambda k: PREFIX + k.upper())
    return given


def _from_file(
    file: Path | None, command: str, commands: Mapping[str, type[Any]]
) -> dict[str, Any]:
    path = file or Path("clawback.toml")
    if file is None and not path.exists():
        return {}
    try:
        with path.open("rb") as source:
            content = tomllib.load(source)
    except OSError as error:
        raise UsageError(str(error.strerror), where=str(path), fix="see --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not TOML: {error}", where=str(path), fix="correct the file") from None
    shared = {k: v for k, v in content.items() if not isinstance(v, dict)}
    tables = {k: v for k, v in content.items() if isinstance(v, dict)}
    _refuse_unknown(shared, _known(commands), str(path))
    _refuse_unknown(tables, set(commands), str(path), lambda k: f"[{k}]")
    for name, table in tables.items():
        own = {spec.name for spec in fields(commands[name])}
        _refuse_unknown(table, own, f"{path} [{name}]")
    return {**shared, **tables.get(command, {})}


def _refuse_unknown(
    given: Mapping[str, Any], known: set[str], where: str, spell: Any = lambda k: k
) -> None:
    for key in given:
        if key not in known:
            hint = nearest(key, sorted(known)) or f"known: {', '.join(sorted(known))}"
            raise UsageError(f"unknown setting {spell(key)}", where=where, fix=hint)


def identity(config: Any, leave_out: Collection[str] = ()) -> dict[str, str]:
    """The settings as text, without those that cannot change the result."""
    return {
        spec.name: str(getattr(config, spec.name))
        for spec in fields(config)
        if spec.name not in leave_out
    }
