"""Names, texts and conditions as SQL."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """`sql` is true where a row breaks the rule; null and false are fine."""

    column: str
    fault: str
    text: str
    sql: str

    @property
    def name(self) -> str:
        """The rule's name, unique in a contract."""
        return f"{self.column}.{self.fault}"


def quoted(name: str) -> str:
    """An SQL identifier.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def typed(name: str) -> str:
    """The SQL name of a column's typed value."""
    return quoted(name + "$")


def literal(text: str) -> str:
    """An SQL text."""
    return "'" + text.replace("'", "''") + "'"
