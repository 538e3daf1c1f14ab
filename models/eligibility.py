"""Eligibility: the policy's rules applied to a table of requests, before any value is looked at.

In: a table with the rules' columns and `as_of`. Out: per row and action, whether it remains
possible and which rule closed it first. The normal track is always possible.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.errors import ContractError, nearest
from models.actions import ACTIONS, INSTANT, SCAN
from models.policy_sections import Rule

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Eligibility:
    """What the rules leave of each row's actions.

    `allowed[i, a]` for the codes of `models.actions` up to `INSTANT`; `closed_by[i, a]` is the
    position of the rule that closed the action, -1 for none. `forced[i]` is the code of the action
    a rule forces, -1 for none, and `forced_by[i]` that rule's position.
    """

    allowed: Mask
    closed_by: NDArray[np.int16]
    forced: NDArray[np.int8]
    forced_by: NDArray[np.int16]

    @property
    def blocked_by(self) -> NDArray[np.int16]:
        """Position of the first rule that closed or forced anything on the row; -1 for none."""
        rules = np.column_stack([self.closed_by, self.forced_by]).astype(np.int16)
        first = np.where(rules < 0, np.iinfo(np.int16).max, rules).min(axis=1)
        return np.where((rules < 0).all(axis=1), -1, first).astype(np.int16)


def eligibility(table: pd.DataFrame, rules: tuple[Rule, ...]) -> Eligibility:
    """Apply the rules in order; a forced row is not read by the rules below.

    Parameters
    ----------
    table : one row a request, with `as_of` in UTC and the columns the rules name. A rule is in
        force on a row if `as_of` lies before its `until`, at midnight UTC. A null value matches
        `is_null` and nothing else.

    Raises
    ------
    ContractError : a rule names a column the table lacks (and is not `optional`), or compares
        text with a number.
    """
    n = len(table)
    allowed = np.ones((n, INSTANT + 1), np.bool_)
    closed_by = np.full((n, INSTANT + 1), -1, np.int16)
    forced = np.full(n, -1, np.int8)
    forced_by = np.full(n, -1, np.int16)
    for position, rule in enumerate(rules):
        hit = _matches(table, rule) & (forced < 0)
        if rule.force is not None:
            forced[hit] = ACTIONS.index(rule.force)
            forced_by[hit] = position
        for action in (SCAN, INSTANT):
            if ACTIONS[action] not in (rule.allow if rule.allow is not None else (rule.force,)):
                closed_by[hit & allowed[:, action], action] = position
                allowed[hit, action] = False
    return Eligibility(allowed, closed_by, forced, forced_by)


def _matches(table: pd.DataFrame, rule: Rule) -> Mask:
    if rule.column not in table:
        if rule.optional:
            return np.zeros(len(table), np.bool_)
        raise ContractError(
            f"no column '{rule.column}', which the policy's rule '{rule.reason}' reads",
            where="scored",
            fix=nearest(rule.column, list(map(str, table.columns)))
            or "carry the column along, or give the rule optional = true",
        )
    values = table[rule.column]
    hit = _compare(values, rule)
    if rule.until is not None:
        hit &= (table["as_of"] < pd.Timestamp(rule.until, tz="UTC")).to_numpy()
    return hit


def _compare(values: "pd.Series[bool]", rule: Rule) -> Mask:
    null = values.isna().to_numpy(np.bool_)
    if rule.operator == "is_null":
        return null
    if isinstance(rule.value, tuple):
        _same_kind(values, rule)
        inside = values.isin(list(rule.value)).to_numpy(np.bool_)
        return (inside if rule.operator == "in" else ~inside) & ~null
    try:
        numbers = values.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise _mismatch(rule, "a number", "text") from error
    compare = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}
    return compare[rule.operator](numbers, float(rule.value)) & ~null


def _same_kind(values: "pd.Series[bool]", rule: Rule) -> None:
    """A list of ids in the wrong type would match nobody in silence, and hold nobody."""
    known = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else values
    numeric = pd.api.types.is_numeric_dtype(known.dtype)
    wanted = (
        {not isinstance(v, str) for v in rule.value} if isinstance(rule.value, tuple) else set()
    )
    if len(known) and not values.isna().all() and wanted - {numeric}:
        raise _mismatch(rule, *(("text", "numbers") if numeric else ("a number", "text")))


def _mismatch(rule: Rule, given: str, held: str) -> ContractError:
    return ContractError(
        f"rule '{rule.reason}' compares column '{rule.column}' with {given}, but it holds {held}",
        where="policy",
        fix="write the rule's value in the column's own type",
    )
