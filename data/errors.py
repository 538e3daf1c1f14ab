"""Errors a user can cause: what happened, where, and how to fix it.

Every error of ours that input can provoke is a `UserError`; the command line prints it as two
lines without a traceback and exits with the class's code (table in README, "Exit codes").
"""

from difflib import get_close_matches
from typing import ClassVar


class UserError(Exception):
    """What, where, fix; the base of every error that input can cause."""

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what, where, fix)
        self.what, self.where, self.fix = what, where, fix

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\nfix: {self.fix}" if self.fix else head


class UsageError(UserError):
    """A flag, setting or declaration that cannot be meant."""


class ContractError(UserError, ValueError):
    """A table or array breaks what the function asks of it."""

    exit_code = 3


class StorageError(UserError):
    """A file or folder that cannot be written."""

    exit_code = 3


class QuarantineLimitError(UserError):
    """More rows than `max_quarantine` broke the contract."""

    exit_code = 4


class ModelError(UserError):
    """A model, artifact or registry that cannot be used."""

    exit_code = 5


class GateError(UserError):
    """A gate refused to go on."""

    exit_code = 6


class BusyError(UserError):
    """Another job holds the lock; try again."""

    exit_code = 75


class NothingToDoError(UserError):
    """There is no row to work on."""

    exit_code = 99


def nearest(name: str, known: "list[str]") -> str:
    """A hint naming the closest known word, or the empty string.

    >>> nearest("user", ["user_id", "case_id"])
    "did you mean 'user_id'?"
    """
    match = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean '{match[0]}'?" if match else ""
