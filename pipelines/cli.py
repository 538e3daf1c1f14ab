"""`clawback`: arguments into a frozen configuration, one function called, an exit code out."""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import MISSING, fields
from importlib import import_module, metadata
from pathlib import Path
from signal import SIGPIPE
from typing import Any, Literal, NoReturn, Protocol, get_args, get_origin, get_type_hints

from data.errors import UsageError, UserError, nearest
from pipelines.commands import COMMANDS, Tell
from pipelines.config import plain_type, resolve
from pipelines.memory import keep_freed
from pipelines.stopping import Stop, listening

EXIT_CODES = """exit codes:
  0   done; retrain: promoted       6   a gate refused; audit: a leak; ope, backtest: no support
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
    keep_freed()
    with listening() as stop:
        try:
            return _run(parse(argv), stop)
        except BrokenPipeError:  # whoever read our answer, such as `head`, had enough of it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + SIGPIPE
        except Exception as error:
            if stop.code:  # a library made its own exception of the signal
                return stop.code
            if not isinstance(error, UserError):
                raise
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are ours: what, where, how to fix."""

    def error(self, message: str) -> NoReturn:
        """Refuse, naming the command that was nearly meant."""
        wrong = re.search("invalid choice: '(.*?)'", message)
        hint = nearest(wrong[1], list(COMMANDS)) if wrong else ""
        raise UsageError(message, where=self.prog, fix=hint or f"see {self.prog} --help")


def parse(argv: Sequence[str] | None) -> dict[str, Any]:
    """The arguments of one command by their names.

    Raises
    ------
    UsageError : an unknown command or flag, a flag without its value.
    """
    found, unknown = parser().parse_known_args(argv)
    if unknown:
        name = unknown[0].partition("=")[0]
        flags = ["--" + spec.name.replace("_", "-") for spec in fields(COMMANDS[found.command])]
        where = f"clawback {found.command}"
        fix = nearest(name, flags) or f"see {where} --help"
        raise UsageError(f"unknown argument {name}", where=where, fix=fix)
    return vars(found)


def parser() -> argparse.ArgumentParser:
    """The command line, made of the configuration classes."""
    top = Parser(
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
    shown = json.dumps(result.summary(), ensure_ascii=False) if as_json else result.text()
    print(shown, flush=True)
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
        kind_of = plain_type(hints[spec.name])
        choices = get_args(kind_of) if get_origin(kind_of) is Literal else ()
        metavar = f"{{{','.join(choices)}}}" if choices else kind_of.__name__.upper()
        command.add_argument(flag, metavar=metavar, help=text)


if __name__ == "__main__":
    sys.exit(main())
