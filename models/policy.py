"""The policy: every number and rule a decision depends on, besides the scores.

`load_policy` reads a TOML file over the default policy (`policy.toml`, which explains each number),
`dump_policy` writes the canonical form, and `Policy.version` is the hash of that form, so that two
files which say the same thing are one version.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data.errors import UsageError
from models.policy_sections import (
    Caps,
    DefaultUser,
    Exploration,
    Growth,
    Rule,
    Tier,
    Validity,
    Value,
    one_of,
    within,
)
from models.toml_form import build, to_toml

DEFAULT_FILE = Path(__file__).with_name("policy.toml")
CAUSES = ("return_missing", "withdrawn", "audit_abuse", "appeal_upheld")


@dataclass(frozen=True)
class Policy:
    """A whole policy; `version` names its content."""

    id: str
    kill_switch: bool
    value: Value
    clawback_cost_cents: Mapping[str, int]
    validity: Validity
    rule: tuple[Rule, ...]
    growth: Growth
    tier: tuple[Tier, ...]
    caps: Caps
    exploration: Exploration
    default_user: DefaultUser

    def __post_init__(self) -> None:
        if not self.id:
            raise UsageError("the policy has no id", where="policy", fix='give it: id = "autumn"')
        for cause, cents in self.clawback_cost_cents.items():
            one_of("clawback_cost_cents", cause, CAUSES)
            within("clawback_cost_cents", 0, 1e12, **{cause: cents})
        points = [t.min_points for t in self.tier]
        names = {t.name for t in self.tier}
        if sorted(points, reverse=True) != points or len(set(points)) < len(points):
            raise UsageError(
                "the tiers are not in order", where="policy", fix="highest points first"
            )
        if len(names) < len(self.tier):
            raise UsageError("two tiers have one name", where="policy", fix="name each once")

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 of the canonical form."""
        return hashlib.sha256(dump_policy(self).encode()).hexdigest()[:12]


def dump_policy(policy: Policy) -> str:
    """The canonical TOML of a policy; `load_policy` of it gives the policy back."""
    return to_toml(asdict(policy))


def load_policy(path: str | Path | None = None) -> Policy:
    """Read a policy file over the default policy; without a path, the default policy itself.

    Tables are merged key by key, lists (`[[rule]]`, `[[tier]]`) replace the default's.

    Raises
    ------
    UsageError : the file cannot be read, is not TOML, names an unknown key, or holds a value of the
        wrong type or out of its range.
    """
    table = _read(DEFAULT_FILE)
    if path is None:
        return build(Policy, table, str(DEFAULT_FILE.name))
    own = _read(Path(path))
    if "id" not in own:
        raise UsageError("the policy has no id", where=str(path), fix='add: id = "a-name"')
    try:
        return build(Policy, _merged(table, own), str(path))
    except UsageError as error:
        raise UsageError(error.what, where=str(path), fix=error.fix) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            fix="check the path and its rights",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"is not TOML: {error}",
            where=str(path),
            fix="correct that line; models/policy.toml shows the form",
        ) from error


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if both else value
    return merged
