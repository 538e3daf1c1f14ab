"""Texts for reason keys: what a buyer or a merchant is told about a decision.

In: a key (of a feature's `reason`, or of what bound a decision), a language, an audience. Out: one
sentence. The texts stand in `reasons.toml`; which reasons apply is the models' and pipelines' work.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

from data.errors import UsageError, nearest

LANGUAGES: Final = ("zh", "en")
AUDIENCES: Final = ("buyer", "merchant")
Texts = dict[str, dict[str, dict[str, str]]]


def reason_text(key: str, lang: str = "zh", audience: str = "buyer") -> str:
    """The sentence for one reason.

    Raises
    ------
    UsageError : an unknown key, language or audience, naming the nearest known one.

    Examples
    --------
    >>> reason_text("member_level", "en")
    'We considered your membership level.'
    """
    texts = _texts()
    for what, word, known in (
        ("reason", key, tuple(texts)),
        ("language", lang, LANGUAGES),
        ("audience", audience, AUDIENCES),
    ):
        if word not in known:
            fix = nearest(word, list(known)) or f"one of: {', '.join(known)}"
            raise UsageError(f"unknown {what} '{word}'", where="reasons", fix=fix)
    return texts[key][audience][lang]


def text_keys() -> tuple[str, ...]:
    """Every key that has texts, in the file's order."""
    return tuple(_texts())


@cache
def _texts() -> Texts:
    return tomllib.loads(files("features").joinpath("reasons.toml").read_text(encoding="utf-8"))
