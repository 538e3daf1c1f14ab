import json

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError
from models.scan import apply_scan, as_json, fit_scan, scan_of_json

DEADLINE = 168.0


def _cases(n: int = 20_000, seed: int = 0) -> pd.DataFrame:
    """A third each paid at the request, planned for the first scan, and held to the end.

    Unpaid buyers send the parcel with 0.8 (pickup) or 0.5 (self_ship); paid ones half as often.
    """
    rng = np.random.default_rng(seed)
    method = rng.choice(["pickup", "self_ship"], n)
    plan = rng.choice(["request", "first_scan", "held"], n)
    sent = np.where(method == "pickup", 0.8, 0.5) * np.where(plan == "request", 0.5, 1.0)
    scan = np.where(rng.random(n) < sent, rng.uniform(10, 100, n), np.nan)
    scan[rng.random(n) < 0.05] = 500.0  # too late
    paid = plan.astype(object)
    paid[plan == "held"] = None
    paid[(plan == "first_scan") & ~(scan <= DEADLINE)] = None
    base = rng.lognormal(8, 0.7, n).round()
    lost = rng.random(n) < np.where(method == "pickup", 0.02, 0.05)
    return pd.DataFrame(
        {
            "return_method": method,
            "paid_stage": paid,
            "scan_hours": scan,
            "refund_hours": np.where(scan <= DEADLINE, scan + 200, 300.0),
            "base_loss_cents": base,
            "base_clawcost_cents": base,
            "loss_cents": np.where(lost, base, 0.0),
            "clawcost_cents": np.where(lost, 500.0, 0.0),
        }
    )


def test_the_chance_of_a_scan_is_that_of_unpaid_buyers() -> None:
    cases = _cases()
    model = fit_scan(cases, ["return_method"], DEADLINE)
    found = apply_scan(model, cases.drop_duplicates("return_method"))
    truth = cases["return_method"].map({"pickup": 0.8, "self_ship": 0.5}) * 0.95
    first = ~cases["return_method"].duplicated()
    np.testing.assert_allclose(found["q_scan"], truth[first], atol=0.02)
    # Neither all cases nor only the never-paid ones tell it: the paid are lazier, and those who
    # were paid at their scan are the ones that were scanned.
    assert (cases["scan_hours"] <= DEADLINE).mean() < truth.mean() - 0.05
    never = cases["paid_stage"].isna()
    assert (cases["scan_hours"][never] <= DEADLINE).mean() < truth.mean() - 0.05


def test_costs_are_those_of_cases_paid_at_a_scan() -> None:
    cases = _cases()
    found = apply_scan(fit_scan(cases, ["return_method"], DEADLINE), cases)
    paid = (cases["paid_stage"] == "first_scan").to_numpy()
    for said, seen in (
        ("loss_scan_cents", "loss_cents"),
        ("clawcost_scan_cents", "clawcost_cents"),
    ):
        assert found[said][paid].sum() == pytest.approx(cases[seen][paid].sum(), rel=0.02)


def test_the_many_paid_at_once_say_how_segments_differ_the_few_paid_at_a_scan_how_high() -> None:
    rng = np.random.default_rng(3)
    n = 40_000
    cases = _cases(n).assign(reason=rng.choice(["worn", "late"], n))
    few = (cases["paid_stage"] == "first_scan").to_numpy() & (np.arange(n) % 200 != 0)
    cases = cases[~few].reset_index(drop=True)
    half = np.where(cases["paid_stage"] == "request", 1.0, 0.5)  # held buyers are more careful
    lost = rng.random(len(cases)) < half * np.where(cases["reason"] == "worn", 0.20, 0.05)
    cases["loss_cents"] = np.where(lost, cases["base_loss_cents"], 0.0)
    at_scan = cases[cases["paid_stage"] == "first_scan"]
    model = fit_scan(cases, ["return_method"], DEADLINE, ["reason"])
    found = apply_scan(model, cases)["loss_scan_cents"] / cases["base_loss_cents"]
    share = found.groupby(cases["reason"]).mean()
    spread = 3 / np.sqrt(0.05 * (cases["paid_stage"] == "request").sum() / 4)
    assert share["worn"] / share["late"] == pytest.approx(4, rel=spread)
    told = apply_scan(model, at_scan)["loss_scan_cents"].sum()
    assert told == pytest.approx(at_scan["loss_cents"].sum())


def test_hours_are_counted_against_the_normal_track() -> None:
    found = apply_scan(fit_scan(_cases(), [], DEADLINE), _cases(5))
    np.testing.assert_allclose(found["hours_scan"], 200)
    np.testing.assert_allclose(found["hours_to_scan"], 55, atol=1)
    assert found["hours_instant"].between(255, 300).all()


def test_few_cases_of_a_segment_say_little() -> None:
    cases = _cases()
    rare = cases[:2].assign(return_method="store", paid_stage=None, scan_hours=np.nan)
    cases = pd.concat([cases, rare], ignore_index=True)
    model = fit_scan(cases, ["return_method"], DEADLINE)
    q = apply_scan(model, cases)["q_scan"]
    overall = model.scanned.overall
    assert abs(q[len(q) - 1] - overall) < 0.4 * overall  # the plain mean is 0


def test_nobody_paid_at_a_scan_gives_no_price() -> None:
    cases = _cases(500)
    cases = cases[cases["paid_stage"] != "first_scan"]
    model = fit_scan(cases, ["return_method"], DEADLINE)
    assert apply_scan(model, cases)["loss_scan_cents"].isna().all()
    assert scan_of_json(json.loads(json.dumps(as_json(model)))).scanned == model.scanned


def test_json_keeps_every_bit() -> None:
    model = fit_scan(_cases(500), ["return_method"], DEADLINE)
    assert scan_of_json(json.loads(json.dumps(as_json(model)))) == model


def test_a_table_that_cannot_say() -> None:
    cases = _cases(50)
    with pytest.raises(ContractError, match="did you mean 'scan_hour'"):
        fit_scan(cases.rename(columns={"scan_hours": "scan_hour"}), [], DEADLINE)
    with pytest.raises(ContractError, match="no case was held"):
        fit_scan(cases.assign(paid_stage="request"), [], DEADLINE)
