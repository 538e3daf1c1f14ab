"""Values as TOML: one spelling each, so that a file's hash depends on what it says only."""

from collections.abc import Mapping
from datetime import date
from typing import Any


def toml_text(value: Any) -> str:
    """A value as TOML, nested tables inline.

    >>> toml_text({"over": ["7d"], "sign": {"y_abuse": 1}, "gift": True, "prior": [0.5, 20.0]})
    '{ over = ["7d"], sign = { y_abuse = 1 }, gift = true, prior = [0.5, 20.0] }'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return (
            '"'
            + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped)
            + '"'
        )
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        inner = ", ".join(f"{toml_key(k)} = {toml_text(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_text, value))}]"
    return repr(value)


def toml_key(key: str) -> str:
    """A key, quoted where TOML asks for it."""
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else toml_text(key)
