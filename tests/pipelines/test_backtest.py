"""A past decided again: no look ahead, the planted order of policies, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from data.ledger import Ledger
from data.market.judge import everybody, judge
from features.labels import labels
from features.task import load_task
from models.clustered import clustered_mean
from models.policy import load_policy
from pipelines import backtest
from pipelines.backtest import BacktestResult, run_backtest
from pipelines.commands import BacktestConfig, SimulateConfig
from pipelines.counting import TOTAL, Count, Terms, by_log, count
from pipelines.decisions import training_start
from pipelines.modelling import Models
from pipelines.plan import policy_of
from pipelines.realised import logged_weights, realised
from pipelines.replay import ALL, NOBODY, ORACLE, OURS, SCORECARD, Month, last_months, models_of
from pipelines.simulate import run_simulate
from pipelines.training import stage_decisions
from pipelines.truth import costs_of

DECEMBER = Month(pd.Timestamp("2024-12-01", tz="UTC"), pd.Timestamp("2025-01-01", tz="UTC"))


def quiet(_line: str) -> None:
    pass


@pytest.fixture(scope="module")
def swift_task(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("task") / "swift.toml"
    model = "n_estimators = 15\nnum_leaves = 6\nlearning_rate = 0.08\nmax_bin = 31\n"
    heads = "".join(f"[model.{target}]\n{model}" for target in ("y_claw", "y_abuse"))
    path.write_text(f'name = "swift"\nextends = "advance_refund"\n{heads}')
    return str(path)


@pytest.fixture(scope="module")
def config(
    ledger_path: Path,
    swift_task: str,
    truth: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> BacktestConfig:
    artifacts = tmp_path_factory.mktemp("backtest")
    truth.to_parquet(artifacts / "truth.parquet")
    return BacktestConfig(
        ledger=ledger_path,
        task=swift_task,
        artifacts=artifacts,
        months=2,
        truth=artifacts / "truth.parquet",
    )


@pytest.fixture(scope="module")
def judged(config: BacktestConfig) -> BacktestResult:
    return run_backtest(config, quiet)


def total(result: BacktestResult) -> dict[str, Count]:
    return {c.policy: c for c in result.counts if c.month == TOTAL}


def test_who_knows_more_is_worth_more(judged: BacktestResult) -> None:
    worth = {name: c.net.value for name, c in total(judged).items()}
    assert worth[ORACLE] > worth[OURS] > max(worth[ALL], worth[NOBODY])
    assert worth[NOBODY] == 0
    told = total(judged)
    assert told[ORACLE].less.lower > 0 > told[ALL].less.upper
    # As many at once as ours, month by month.
    for c in judged.counts:
        if c.policy == SCORECARD:
            ours = next(x for x in judged.counts if (x.policy, x.month) == (OURS, c.month))
            assert c.instant == ours.instant


def test_the_scorecard_pays_the_safest_of_each_month(judged: BacktestResult) -> None:
    for _, rows in judged.decisions.groupby("month"):
        paid = rows[f"action: {SCORECARD}"] == "instant"
        assert rows.loc[paid, "p_scorecard"].max() <= rows.loc[~paid, "p_scorecard"].min()


def test_the_money_is_the_judges(judged: BacktestResult, truth: pd.DataFrame) -> None:
    costs = costs_of(load_policy())
    rows = judged.decisions
    cases = truth[truth["case_id"].isin(rows["case_id"].astype("int64"))]
    everyone = judge(everybody(cases, "instant"), truth, costs)
    assert total(judged)[ALL].net.value == pytest.approx(everyone.net_value_cents)
    assert total(judged)[ALL].loss.value == pytest.approx(everyone.loss_cents)
    ours = rows[["case_id"]].assign(action=rows[f"action: {OURS}"])
    by_hand = judge(ours, truth, costs).net_value_cents
    assert total(judged)[OURS].net.value == pytest.approx(by_hand)
    months = [c.net.value for c in judged.counts if c.policy == OURS and c.month != TOTAL]
    assert sum(months) == pytest.approx(by_hand)


def test_what_is_written_is_what_is_told(judged: BacktestResult) -> None:
    told = json.loads((judged.folder / "backtest.json").read_text())
    assert told["counted_by"] == "the truth"
    assert len(told["counts"]) == 6 * 3
    assert (judged.folder / "backtest.png").stat().st_size > 5_000
    text = judged.text()
    for name in (*judged.months, TOTAL, OURS, ORACLE):
        assert name in text
    rows = pd.read_parquet(judged.folder / "decisions.parquet")
    assert len(rows) == len(judged.decisions)


def test_the_log_alone_tells_the_same_within_its_intervals(
    config: BacktestConfig, judged: BacktestResult
) -> None:
    logged = total(run_backtest(replace(config, truth=None), quiet))
    assert set(logged) == set(total(judged)) - {ORACLE}
    found, true = logged[ALL].net, total(judged)[ALL].net.value
    width = found.upper - found.lower
    assert found.lower - width / 4 < true < found.upper + width / 4
    assert 0.3 < logged[ALL].matched < 0.7
    assert logged[NOBODY].net.value == logged[NOBODY].net.upper == 0
    assert np.isnan(logged[NOBODY].matched)
    for c in logged.values():
        assert np.isnan(c.net.lower) == (c.losses < 5 and c.policy != NOBODY)


def fitted(ledger: Ledger, name: str, end: pd.Timestamp) -> Models:
    task, policy = load_task(name), policy_of(load_task(name), None, name)
    assert policy is not None
    start = training_start(ledger, None, DECEMBER.begin)
    stages = stage_decisions(task, ledger, start, end)
    return models_of(task, ledger, stages, policy, DECEMBER, 0, quiet)[0]


def test_a_months_models_do_not_change_when_what_came_later_is_removed(
    ledger: Ledger, swift_task: str
) -> None:
    known = ledger.take(ledger.known_us < DECEMBER.begin.value // 1000)
    assert len(known) < 0.8 * len(ledger)
    now = fitted(ledger, swift_task, DECEMBER.end)
    then = fitted(known, swift_task, DECEMBER.begin)
    for name, model in now.risk.items():
        other = then.risk[name]
        assert model.booster_.model_to_string() == other.booster_.model_to_string(), name
        assert model.calibrator_ == other.calibrator_
    assert repr(now.money) == repr(then.money)


def test_the_last_whole_months() -> None:
    found = last_months(pd.Timestamp("2025-03-17 12:00", tz="UTC"), 3)
    assert [m.name for m in found] == ["2024-12", "2025-01", "2025-02"]
    assert found[-1].end == pd.Timestamp("2025-03-01", tz="UTC")


def _table(users: list[str], months: list[str], **actions: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"user_id": users, "month": months})
    return table.assign(**{f"action: {k}": v for k, v in actions.items()})


def test_money_of_the_log_by_hand() -> None:
    table = _table(["a", "a", "b", "c"], ["m1"] * 4, ours=["instant"] * 3 + ["after_inspection"])
    n = np.array([[1.0], [1.0], [1.0], [0.0]])
    weight = np.array([[2.0], [0.0], [1.0], [0.0]])  # the second was not paid by the log
    net = weight * np.array([[100.0], [0.0], [-50.0], [0.0]])
    terms = {"ours": Terms(n, weight, net, 0 * net)}
    found = count(table, terms, ["m1", "m2"])
    assert [c.month for c in found] == ["m1", TOTAL]
    assert found[0].net.value == pytest.approx(3 * (200 - 50) / 3)
    assert found[0].matched == pytest.approx(2 / 3)
    rate = (200 - 50) / 3
    moves = rate + np.array([200 - 2 * rate, 0.0, -50 - rate])  # of the wanted; n = weight = 3
    told = clustered_mean([*moves, 0.0], ["a", "a", "b", "c"])
    few = count(table, {"ours": replace(terms["ours"], sampled=True)}, ["m1"])[0].net
    assert np.isnan(few.upper)
    assert found[0].net.upper == pytest.approx(4 * told.upper)
    assert found[0].net.lower == pytest.approx(4 * told.lower)


def test_what_a_logged_case_was_worth_by_hand() -> None:
    priced = pd.DataFrame({"hours_instant": [100.0, 100.0, 600.0, 100.0], "hours_scan": [40.0] * 4})
    labels = pd.DataFrame(
        {
            "paid_stage": ["request", "first_scan", "request", None],
            "paid_cents": [10_000.0, 20_000.0, 30_000.0, np.nan],
            "y_claw": [0.0, 0.0, 1.0, np.nan],
            "y_abuse": [0.0, 0.0, 1.0, np.nan],
            "y_loss_matured": [True, False, True, False],
            "loss_cents": [0.0, np.nan, 12_000.0, np.nan],
            "cause": [None, None, "audit_abuse", None],
        }
    )
    told = realised(priced, labels, load_policy())  # 4.2 cents an hour, 1e-4 of the money a day
    net = [
        420.0 - 10_000 * 1e-4 * 100 / 24,
        168.0 - 20_000 * 1e-4 * 40 / 24,
        0.0 - 12_000 - 1_500 - 30_000 * 1e-4 * 600 / 24,
        0.0,
    ]
    np.testing.assert_allclose(told["net_cents"], net)
    assert told["known"].tolist() == [True, False, True, True]
    assert told["loss_cents"].tolist() == [0.0, 0.0, 12_000.0, 0.0]


def test_a_log_without_the_action_or_its_propensity_has_no_weight() -> None:
    labels = pd.DataFrame(
        {
            "logged_action": pd.Categorical(
                ["instant", "instant", "after_inspection", None, "instant"]
            ),
            "act_prob": [0.5, np.nan, 0.9, np.nan, 1.0],
        }
    )
    found = logged_weights(pd.Series(["instant"] * 5), labels)
    assert found.weight.tolist() == [2.0, 0.0, 0.0, 0.0, 1.0]
    with pytest.raises(ContractError, match="cannot be"):  # what was taken was possible
        logged_weights(pd.Series(["instant"] * 5), labels.assign(act_prob=0.0))


def test_advances_that_the_log_never_made_are_worth_nobody_knows_what() -> None:
    table = _table(["a", "b"], ["m1", "m1"], ours=["instant", "instant"])
    none = np.zeros((2, 1))
    found = count(table, {"ours": Terms(none + 1, none, none, none)}, ["m1"])
    assert np.isnan(found[0].net.value)
    assert np.isnan(found[0].net.lower)
    assert json.dumps(found[0].summary()["net_cents"]) == "[null, null, null]"


def test_what_the_log_could_not_do_otherwise_has_no_worth() -> None:
    users, action = [f"u{i}" for i in range(400)], pd.Series(["instant"] * 400)
    table = _table(users, ["m1"] * 200 + ["m2"] * 200, ours=list(action))
    logged = pd.Series(np.where(np.arange(400) % 2, "instant", "after_inspection"))
    money = pd.DataFrame({"net_cents": 10.0, "loss_cents": 1.0, "known": True}, index=action.index)
    prob = pd.Series(0.5, index=action.index)
    for row, never, missing in ((4, 1.0, 1), (4, 0.5, 3), (5, 1.0, 1), (4, 0.5, 1)):
        told = prob.where(prob.index != row, never).where(prob.index >= missing)
        known = pd.DataFrame({"logged_action": logged, "act_prob": told})
        terms = {"ours": by_log(action, money, known)}
        found = {c.month: c for c in count(table, terms, ["m1", "m2"])}
        assert np.isfinite(found["m2"].net.value)
        # one of 200 may lack its propensity, not three; one other action for certain is too many
        fine = missing == 1 and (never < 1 or row % 2 == 1)
        assert np.isfinite(found["m1"].net.value) == fine


def test_a_log_without_chance_is_refused_after_the_table(
    config: BacktestConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = labels
    sure = {"act_prob": 1.0}
    monkeypatch.setattr(backtest, "labels", lambda *given: told(*given).assign(**sure))
    found = run_backtest(replace(config, truth=None, seed=1), quiet)
    assert found.exit_code == 6
    assert np.isnan(total(found)[OURS].net.value)
    assert total(found)[NOBODY].net.value == 0
    assert "no support in the log" in found.text()


def test_few_large_losses_are_within_the_logs_intervals() -> None:
    rng, n, inside = np.random.default_rng(3), 1_500, []
    for _ in range(100):
        users, paid = rng.integers(0, 900, n), rng.random(n) < 0.6
        amount, lost = np.exp(rng.normal(9.4, 1.0, n)), rng.random(n) < 0.03
        money = 600 - lost * amount
        expected = float((paid * (600 - 0.03 * amount)).sum())
        weight = paid * (rng.random(n) < 0.5) * 2.0
        seen = (1.0 * paid, weight, weight * money, weight * lost * amount)
        counted, weighed, net, loss = (np.asarray(a, np.float64)[:, None] for a in seen)
        terms = {"ours": Terms(counted, weighed, net, loss, sampled=True)}
        action = list(np.where(paid, "instant", "after_inspection"))
        table = _table(list(users), ["m1"] * n, ours=action)
        told = count(table, terms, ["m1"])[-1]
        if told.losses >= 5:
            inside.append(told.net.lower <= expected <= told.net.upper)
    assert len(inside) > 90
    assert np.mean(inside) > 0.95 - 2 * np.sqrt(0.95 * 0.05 / 100)  # drawn users: 0.86


def test_luck_is_no_certainty() -> None:
    users = [f"u{i}" for i in range(40)]
    table = _table(users, ["m1"] * 40, ours=["instant"] * 40, other=["instant"] * 40)
    one = np.ones((40, 1))
    lossy = np.zeros((40, 1))
    lossy[:5] = 100.0
    few = Terms(one, one, 10 - lossy, lossy * (np.arange(40) < 4)[:, None], sampled=True)
    many = Terms(one, one, 10 - lossy, lossy, sampled=True)
    true = Terms(one, one, 10 - lossy, 0 * lossy)
    found = count(table, {"ours": many, "other": few}, ["m1"])
    told = {(c.policy, c.month): c for c in found}
    assert told["ours", "m1"].net.lower < told["ours", "m1"].net.value
    assert np.isnan(told["other", "m1"].net.lower)
    assert told["other", "m1"].net.value == told["ours", "m1"].net.value
    assert (told["ours", TOTAL].losses, told["other", TOTAL].losses) == (5, 4)
    assert np.isfinite(told["other", "m1"].less.upper)  # of both together five are known
    none = Terms(0 * one, 0 * one, 0 * one, 0 * one, sampled=True)
    table = table.assign(**{"action: none": "after_inspection"})
    for ours, known in ((few, False), (many, True)):  # nothing less ours is as uncertain as ours
        found = count(table, {"ours": ours, "none": none}, ["m1"])
        assert np.isfinite([c.less.lower for c in found if c.policy == "none"]).all() == known
    assert np.isfinite(count(table, {"ours": true}, ["m1"])[0].net.lower)


def test_a_month_of_one_user_has_a_value_and_no_bounds() -> None:
    table = _table(["a", "a", "a", "b"], ["m1", "m1", "m2", "m2"], ours=["instant"] * 4)
    one = np.ones((4, 1))
    net = np.array([[1.0], [2.0], [3.0], [4.0]])
    alone, both = count(table, {"ours": Terms(one, one, net, 0 * one)}, ["m1", "m2"])[:2]
    assert (alone.net.value, both.net.value) == (3, 7)
    assert np.isnan([alone.net.lower, alone.net.upper]).all()
    assert both.net.lower < both.net.value < both.net.upper


def test_no_bound_of_a_loss_is_below_nothing() -> None:
    table = _table([f"u{i}" for i in range(40)], ["m1"] * 40, ours=["instant"] * 40)
    one, loss = np.ones((40, 1)), np.zeros((40, 1))
    loss[:5, 0] = [1, 1, 1, 1, 1000]
    found = count(table, {"ours": Terms(one, one, -loss, loss, sampled=True)}, ["m1"])[0]
    assert found.net.upper > 0  # bounds of the same money, with the sign that losses cannot have
    assert found.loss.lower == 0


def test_a_month_without_decisions_is_named_and_the_others_stand(
    judged: BacktestResult, config: BacktestConfig
) -> None:
    empty = replace(judged, months=("2024-11", *judged.months))
    assert "2024-11  no decisions" in empty.text()


def _refused(config: BacktestConfig) -> list[tuple[BacktestConfig, str]]:
    return [
        (replace(config, months=11), r"month 2024-0\d.*(?s:.)*needed to calibrate on"),
        (replace(config, as_of="2024-05-01"), "matured|no request|needed"),
    ]


@pytest.mark.parametrize("which", [0, 1])
def test_too_little_history_is_refused_with_what_is_needed(
    config: BacktestConfig, which: int
) -> None:
    given, message = _refused(config)[which]
    with pytest.raises(ContractError, match=message):
        run_backtest(given, quiet)


def test_a_truth_that_is_none(config: BacktestConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no truth(?s:.)*simulate --truth"):
        run_backtest(replace(config, truth=tmp_path / "nothing.parquet"), quiet)
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ContractError, match="no truth of a simulation"):
        run_backtest(replace(config, truth=tmp_path / "other.parquet"), quiet)


def test_the_truth_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    config = SimulateConfig(out=tmp_path / "ledger", orders=2_000, truth=tmp_path / "t.parquet")
    told = run_simulate(config)
    assert told.summary()["truth"] == str(tmp_path / "t.parquet")
    assert "loss_cents_instant" in pd.read_parquet(tmp_path / "t.parquet")
