"""The judge: what decisions were worth, told by the truth that no pipeline may read.

Decisions and truth in, money out. Everything is an expectation over the truth's probabilities (the
same draw of luck for every policy), except who counts as a good buyer.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import ContractError
from data.market.fates import CAUSES
from data.market.world import ACTIONS, Array

HELD = ("after_inspection", "review")


@dataclass(frozen=True)
class Costs:
    """What the platform's policy says an hour, a claw-back and capital are worth."""

    hour_cents: float
    hours_cap: float
    capital_per_day: float
    clawback_cost_cents: Mapping[str, float]


@dataclass(frozen=True)
class Verdict:
    """The worth of one set of decisions.

    `net_value_cents` = value of hours saved for good buyers - loss - cost of claw-backs - capital.
    `false_hold_rate`: share of good buyers' requests that wait for inspection.
    """

    requests: int
    net_value_cents: float
    loss_cents: float
    clawback_cost_cents: float
    capital_cents: float
    advanced_cents: float
    hours_saved_good: float
    false_hold_rate: float
    instant_share: float


def judge(decisions: pd.DataFrame, truth: pd.DataFrame, costs: Costs) -> Verdict:
    """Judge `case_id` and `action` of a decision table by the truth."""
    found, action = _joined(decisions, truth)
    row, good = np.arange(len(found)), found["good"].to_numpy(np.bool_)
    money = {name: table[row, action] for name, table in _money(found, costs).items()}
    held = np.isin(action, [ACTIONS.index(a) for a in HELD])
    return Verdict(
        requests=len(found),
        net_value_cents=float(_net(money).sum()),
        loss_cents=float(money["loss"].sum()),
        clawback_cost_cents=float(money["clawback"].sum()),
        capital_cents=float(money["capital"].sum()),
        advanced_cents=float(money["advanced"].sum()),
        hours_saved_good=float(money["hours"].sum()),
        false_hold_rate=float(held[good].mean()) if good.any() else float("nan"),
        instant_share=float((action == ACTIONS.index("instant")).mean()) if len(row) else 0.0,
    )


def case_money(decisions: pd.DataFrame, truth: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """What each decision was worth: `net_cents` and `loss_cents`, rows as in `decisions`."""
    found, action = _joined(decisions, truth)
    row = np.arange(len(found))
    money = {name: table[row, action] for name, table in _money(found, costs).items()}
    return pd.DataFrame(
        {"net_cents": _net(money), "loss_cents": money["loss"]}, index=decisions.index
    )


def everybody(truth: pd.DataFrame, action: str) -> pd.DataFrame:
    """The decisions of a policy that always takes one action: `instant` pays in advance to all."""
    _codes(pd.Series([action]))
    return pd.DataFrame({"case_id": truth["case_id"].to_numpy(), "action": action})


def oracle(truth: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """The decisions of somebody who knows the truth's probabilities, and nothing of the luck."""
    net = _net(_money(truth, costs))
    best = np.array(ACTIONS)[np.argmax(np.round(net, 6), axis=1)]
    return pd.DataFrame({"case_id": truth["case_id"].to_numpy(), "action": best})


def expected_against_true(decisions: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Expected loss of a decision table beside the true one.

    Returns
    -------
    One row an action that was taken, and `all`: `expected_cents`, `true_cents`, `ratio` (NaN where
    the truth is 0), `money_share` (the action's share of all requested money).
    """
    found, action = _joined(decisions, truth)
    loss = np.column_stack([found[f"loss_cents_{a}"] for a in ACTIONS])
    table = pd.DataFrame(
        {
            "action": np.array(ACTIONS)[action],
            "expected_cents": decisions["expected_loss_cents"].to_numpy(np.float64),
            "true_cents": loss[np.arange(len(found)), action],
            "money_share": found["amount_cents"].to_numpy(np.float64),
        }
    )
    sums = table.groupby("action").sum()
    sums.loc["all"] = sums.sum()
    money, true = sums["money_share"].to_numpy(), sums["true_cents"].to_numpy()
    ratio = sums["expected_cents"].to_numpy() / np.where(true > 0, true, np.nan)
    return sums.assign(money_share=money / money[-1], ratio=ratio)


def _joined(decisions: pd.DataFrame, truth: pd.DataFrame) -> tuple[pd.DataFrame, Array]:
    """The truth's rows of the decisions, in their order, and the actions' positions."""
    case = decisions["case_id"].astype("int64").to_numpy()
    at = pd.Index(truth["case_id"]).get_indexer(pd.Index(case))
    if (at < 0).any():
        lost = case[at < 0]
        raise ContractError(
            f"{len(lost)} decided cases are not in the truth (first: {lost[0]})",
            where="judge",
            fix="judge decisions of the same simulated market",
        )
    return truth.iloc[at].reset_index(drop=True), _codes(decisions["action"])


def _codes(actions: "pd.Series[str]") -> Array:
    code = pd.Index(ACTIONS).get_indexer(pd.Index(actions.astype("str")))
    if (code < 0).any():
        wrong = sorted(set(actions.astype("str")[code < 0]))
        raise ContractError(
            f"unknown actions {wrong}", where="judge", fix=f"actions: {', '.join(ACTIONS)}"
        )
    return code


def _money(truth: pd.DataFrame, costs: Costs) -> dict[str, Array]:
    """Expected money and hours of each case under each action, arrays (cases, actions)."""
    paid, abuse, loss, hours = (
        np.column_stack([truth[f"{name}_{a}"] for a in ACTIONS]).astype(np.float64)
        for name in ("p_paid", "p_abuse", "loss_cents", "hours")
    )
    normal = truth["hours_after_inspection"].to_numpy(np.float64)
    saved = np.maximum(normal[:, None] - hours, 0)
    amount = truth["amount_cents"].to_numpy(np.float64)[:, None]
    good = (paid - abuse) * saved
    return {
        "hours": good,
        "speed": (paid - abuse) * np.minimum(saved, costs.hours_cap) * costs.hour_cents,
        "loss": loss,
        "clawback": sum(
            np.column_stack([truth[f"p_{cause}_{a}"] for a in ACTIONS]) * cost
            for cause, cost in _checked(costs).items()
        )
        + np.zeros_like(loss),
        "capital": paid * amount * costs.capital_per_day * saved / 24,
        "advanced": paid * amount,
    }


def _net(money: Mapping[str, Array]) -> Array:
    return money["speed"] - money["loss"] - money["clawback"] - money["capital"]


def _checked(costs: Costs) -> Mapping[str, float]:
    unknown = sorted(set(costs.clawback_cost_cents) - set(CAUSES))
    if unknown:
        raise ContractError(f"unknown causes {unknown}", where="judge", fix=", ".join(CAUSES))
    return costs.clawback_cost_cents
