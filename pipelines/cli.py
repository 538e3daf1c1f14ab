"""`clawback`: arguments into a frozen configuration, one function called, an exit code out."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import MISSING, fields
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal, Protocol, get_args, get_origin, get_type_hints

from data.errors import UserError
from pipelines.commands import COMMANDS, Tell
from pipelines.config import plain_type, resolve
from pipelines.stopping import Stop, listening

EXIT_CODES = """exit codes:
  0   done; retrain: promoted       6   a gate refused
  2   usage or configuration        10  retrain kept the champion
  3   broken data, unwritable file  75  busy, try again
  4   too many rows in quarantine   99  nothing to do
  5   model or registry             130, 143 stopped by SIGINT, SIGTERM

Settings: flag > CLAWBACK_<SETTING> > clawback.toml > default. Times are UTC."""


class Result(Protocol):
    """What a command returns."""

    exit_code: int

    def summary(self) -> dict[str, Any]:
        """Say it for a machine: plain JSON values."""
        ...

    def text(self) -> str:
        """Say it for a person."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is returned, and nothing but `SystemExit` raised."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads sleep: jobs share cores
    with listening() as stop:
        try:
            return _run(vars(parser().parse_args(argv)), stop)
        except Exception as error:
            if stop.code:  # a library made its own exception of the signal
                return stop.code
            if not isinstance(error, UserError):
                raise
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code


def parser() -> argparse.ArgumentParser:
    """The command line, made of the configuration classes."""
    top = argparse.ArgumentParser(
        "clawback",
        description="Which advance refunds to pay instantly, and which later.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = f"clawback {metadata.version('clawback')}"
    top.add_argument("--version", action="version", version=version)
    below = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, kind in COMMANDS.items():
        text = (kind.__doc__ or "").strip()
        command = below.add_parser(name, help=text, description=text, epilog=EXIT_CODES)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        _add_settings(command, kind)
        command.add_argument("--json", action="store_true", help="print a JSON summary")
        command.add_argument("-v", "--verbose", action="store_true", help="show progress always")
        command.add_argument("--config", type=Path, help="settings file [clawback.toml]")
    return top


def progress(verbose: bool, stop: Stop) -> Tell:
    """What a job calls at each step: it ends a job that was told to stop, and shows the line.

    Lines go to stderr, if somebody may be watching.
    """
    shown = verbose or sys.stderr.isatty()
    start = time.monotonic()

    def tell(line: str) -> None:
        stop.check()
        if shown:
            print(f"[{time.monotonic() - start:6.1f} s] {line}", file=sys.stderr, flush=True)

    return tell


def _run(arguments: dict[str, Any], stop: Stop) -> int:
    command = arguments.pop("command")
    as_json, verbose = arguments.pop("json"), arguments.pop("verbose")
    config = resolve(command, COMMANDS, arguments, os.environ, arguments.pop("config"))
    run = getattr(import_module(f"pipelines.{command}"), f"run_{command}")
    result: Result = run(config, progress(verbose, stop))
    stop.check()
    print(json.dumps(result.summary(), ensure_ascii=False) if as_json else result.text())
    return result.exit_code


def _add_settings(command: argparse.ArgumentParser, kind: type[Any]) -> None:
    hints = get_type_hints(kind)
    for spec in fields(kind):
        shown = "" if spec.default in (MISSING, None, False) else f" [{spec.default}]"
        text = spec.metadata["help"] + shown
        if spec.metadata["positional"]:
            command.add_argument(spec.name, nargs="?", help=text)
            continue
        flag = "--" + spec.name.replace("_", "-")
        if plain_type(hints[spec.name]) is bool:
            command.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
            continue
        choices = get_args(hints[spec.name]) if get_origin(hints[spec.name]) is Literal else None
        metavar = None if choices else plain_type(hints[spec.name]).__name__.upper()
        command.add_argument(flag, choices=choices, metavar=metavar, help=text)


if __name__ == "__main__":
    sys.exit(main())
