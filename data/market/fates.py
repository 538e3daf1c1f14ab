"""Fates: how a case can end, with which probability under each plan, and how it does end.

A plan is the moment money would move: at the request, at the first scan, on delivery, after
inspection. Being paid early tempts (the `incentive` of a fate), so a plan changes the
probabilities; one uniform draw per case picks the fate under all four plans (potential outcomes).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.market.requests import RETURN
from data.market.world import PLANS, REFUND_TYPES, Array, World

CAUSES = ("return_missing", "withdrawn", "audit_abuse", "appeal_upheld")
FAULTS = ("buyer", "merchant", "both", "platform", "carrier", "unknown")
_ODDS = {"return_refund": "returned", "refund_only": "only", "unshipped": "unshipped"}


@dataclass(frozen=True)
class Fates:
    """The fates' properties as arrays, in the order of how far a case gets.

    `odds` has shape (refund types, fates, buyer types).
    """

    names: tuple[str, ...]
    cause: Array  # position in CAUSES, -1 none
    fault: Array
    proven: Array
    abuse: Array
    late: Array
    reversed: Array
    scanned: Array
    delivered: Array
    appeal: Array
    sloppy: Array
    carrier: Array
    load: Array
    incentive: Array
    full: Array
    amount: Array
    odds: Array

    def code(self, name: str) -> int:
        """Position of a fate."""
        return self.names.index(name)


def fates(world: World) -> Fates:
    """The fates of a world's parameters."""
    rows = world.book["fate"]
    nobody = [0.0] * len(world.book["buyers"]["types"])

    def flag(name: str) -> Array:
        return np.array([bool(r.get(name, False)) for r in rows])

    def number(name: str, default: float) -> Array:
        return np.array([float(r.get(name, default)) for r in rows])

    return Fates(
        names=tuple(r["name"] for r in rows),
        cause=np.array([CAUSES.index(r["cause"]) if "cause" in r else -1 for r in rows]),
        fault=np.array([FAULTS.index(r["fault"]) if "fault" in r else -1 for r in rows]),
        **{name: flag(name) for name in ("proven", "abuse", "late", "reversed")},
        **{name: flag(name) for name in ("scanned", "delivered", "appeal", "sloppy", "carrier")},
        **{name: number(name, 0.0) for name in ("load", "incentive", "full")},
        amount=number("amount", 1.0),
        odds=np.array([[r.get(_ODDS[t], nobody) for r in rows] for t in REFUND_TYPES]),
    )


def probabilities(world: World, cases: pd.DataFrame, book: Fates, backlog: Array) -> Array:
    """P(fate) under each plan, shape (plans, cases, fates).

    Parameters
    ----------
    backlog : shape (cases,), the carriers' back-log at the request.
    """
    with np.errstate(divide="ignore"):
        odds = np.log(book.odds[cases["refund_type"].to_numpy(), :, cases["kind"].to_numpy()])
    odds = odds + np.outer(temptation(world, cases), book.load)
    for name in ("appeal", "sloppy"):
        factor = np.array(world.book["merchants"][name])[cases["trade"].to_numpy()]
        odds += np.outer(np.log(factor), getattr(book, name))
    odds += np.outer(np.log(backlog), book.carrier)
    plans = np.array([world.book["plans"][p] for p in PLANS])
    result = np.exp(odds + plans[:, None, None] * book.incentive)
    return np.asarray(result / result.sum(axis=2, keepdims=True))


def temptation(world: World, cases: pd.DataFrame) -> Array:
    """Log odds of abuse that the type does not explain, shape (cases,)."""
    buyers, goods = world.book["buyers"], world.book["goods"]
    category, kind = cases["category"].to_numpy(), cases["kind"].to_numpy()
    typical = np.array(goods["price"])[category]
    level: Array = buyers["opportunism_sd"] * cases["opportunism"].to_numpy()
    level = level + buyers["noise_sd"] * world.stream("noise").standard_normal(len(cases))
    level += np.log(np.array(goods["abuse"])[category])
    level += world.book["cases"]["amount_load"] * np.log(cases["amount"].to_numpy() / typical)
    saving = np.asarray(kind == buyers["types"].index("bust_out"))
    quiet = saving & ~cases["busting"].to_numpy()
    level += np.where(quiet, np.log(buyers["bust_quiet"]), np.where(saving, 0.9, 0.0))
    return np.asarray(level - 0.5 * (buyers["opportunism_sd"] ** 2 + buyers["noise_sd"] ** 2))


def outcomes(world: World, chances: Array) -> Array:
    """The fate that each case meets under each plan, shape (plans, cases)."""
    u = world.stream("fates").random((chances.shape[1],))
    cumulative = np.cumsum(chances, axis=2)[:, :, :-1]
    return np.asarray((cumulative <= u[:, None]).sum(axis=2))


def payable(cases: pd.DataFrame, book: Fates) -> Array:
    """Whether an advance is paid, given plan and fate; shape (plans, cases, fates).

    Only a return has a scan and a delivery; an instant payment waits for nothing.
    """
    back = (cases["refund_type"].to_numpy() == RETURN)[:, None]
    n = (len(cases), len(book.names))
    return np.stack(
        [np.ones(n, bool), back & book.scanned, back & book.delivered, np.zeros(n, bool)]
    )
