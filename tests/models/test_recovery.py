"""Recovery by age and loss given claw-back, on tables small enough to check by hand."""

import numpy as np
import pandas as pd
import pytest

from models.recovery import EVERY, UNNAMED, loss_given_clawback, recovery_curve


def clawed(n: int = 8) -> pd.DataFrame:
    """Eight claw-backs of 100, 200, ... by two causes; the last two are young."""
    owed = 100.0 * np.arange(1, n + 1)
    week = owed * np.array([1, 0, 0.5, 0, 1, 0, 0.5, 0])
    month = np.where(np.arange(n) < 6, np.maximum(week, owed / 2), np.nan)
    return pd.DataFrame(
        {
            "opened_cause": pd.Categorical(["withdrawn"] * 3 + ["audit_abuse"] * 5),
            "user_id": range(n), "owed_cents": owed,
            "recovered_7d_cents": week, "recovered_30d_cents": month,
            "loss_cents": np.where(np.arange(n) < 6, owed - month, np.nan),
        }
    )  # fmt: skip


def test_the_curve_is_money_that_came_of_what_is_old_enough() -> None:
    table = recovery_curve(clawed(), [7, 30])
    week = 100 + 150 + 500 + 350
    assert table.loc[EVERY, "7d"] == week / 3600
    assert table.loc[EVERY, "30d"] == (100 + 100 + 150 + 200 + 500 + 300) / 2100
    assert table.loc["audit_abuse", "7d"] == (500 + 350) / 3000
    assert np.isnan(table["7d"]["withdrawn"])  # three claw-backs say nothing
    assert table["claw_backs"].to_dict() == {"audit_abuse": 5, "withdrawn": 3, EVERY: 8}


def test_loss_given_clawback_is_the_rest() -> None:
    table = loss_given_clawback(clawed())
    row = table.loc[EVERY]
    assert row["matured"] == 6
    assert row["lgd"] == pytest.approx(1 - 1350 / 2100)
    assert row["lower"] < row["lgd"] < row["upper"]
    assert np.isnan(table["lgd"]["withdrawn"])


def test_one_users_claw_backs_give_no_interval() -> None:
    table = loss_given_clawback(clawed().assign(user_id=7))
    assert table.loc[EVERY, "lgd"] == pytest.approx(1 - 1350 / 2100)
    assert np.isnan(table.loc[EVERY, ["lower", "upper"]].to_numpy(np.float64)).all()


def test_claw_backs_without_a_cause_are_told_apart() -> None:
    some = clawed()
    named = pd.Series(["withdrawn"] * 8).where(some.index < 2)
    for cause in (named, pd.Categorical(named)):
        told = some.assign(opened_cause=cause)
        assert recovery_curve(told, [7])["claw_backs"].to_dict() == {
            UNNAMED: 6, "withdrawn": 2, EVERY: 8
        }  # fmt: skip
        assert loss_given_clawback(told).loc[UNNAMED, "matured"] == 4
