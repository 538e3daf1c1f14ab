"""`clawback ope` on simulated markets, whose truth no part of it may read."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.errors import ContractError, NothingToDoError, UsageError
from data.ingest import write_ledger_table
from data.market import Market, World, simulate
from data.market.judge import judge
from data.market.world import ACTIONS
from data.store import read_ledger
from models.bootstrap import Interval
from models.policy import load_policy
from pipelines.as_of import stamp
from pipelines.bundle import Bundle
from pipelines.cli import main
from pipelines.commands import OpeConfig
from pipelines.evidence import Evidence, alone, gather, since_of
from pipelines.ope import run_ope
from pipelines.ope_text import OpeResult
from pipelines.truth import costs_of
from pipelines.valuation import valued

SINCE = "2024-06-01"
UNTIL = pd.Timestamp("2025-02-15", tz="UTC")
UNFINISHED = ["never_shipped", "withdrew_kept", "withdrew_repaid"]


def ran(bundle: Bundle, ledger: Path, policy: Path | None = None, since: str = SINCE) -> OpeResult:
    config = OpeConfig(ledger=ledger, model=str(bundle.folder), policy=policy, since=since)
    return run_ope(config)


@pytest.fixture(scope="module")
def other() -> Market:
    """A market that the model has never seen, so that any of its requests may judge."""
    return simulate(World(n_orders=60_000, seed=21))


@pytest.fixture(scope="module")
def shop(other: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("other") / "ledger"
    write_ledger_table(other.events, folder)
    return folder


@pytest.fixture(scope="module")
def result(bundle: Bundle, shop: Path) -> OpeResult:
    return ran(bundle, shop)


@pytest.fixture(scope="module")
def everything(bundle: Bundle, shop: Path) -> Evidence:
    task = bundle.task
    ledger = read_ledger(shop, task.columns_needed())
    end = stamp(int(ledger.known_us[-1]) + 1)
    policy = load_policy()
    return gather(bundle, policy, policy, ledger, pd.Timestamp(SINCE, tz="UTC"), end)


@pytest.fixture(scope="module")
def evidence(everything: Evidence) -> Evidence:
    """The requests that are old enough."""
    return everything.take(everything.old)


def worth(decisions: pd.DataFrame, market: Market) -> float:
    verdict = judge(decisions, market.truth.to_pandas(), costs_of(load_policy()))
    return verdict.net_value_cents / verdict.requests


def distance(found: Interval | None, truth: float) -> float:
    """In standard errors."""
    assert found is not None
    return abs(found.value - truth) / ((found.upper - found.lower) / 4)


def test_the_planted_value_of_policy_and_log_is_found(
    result: OpeResult, evidence: Evidence, other: Market
) -> None:
    value = result.value
    ours = worth(evidence.table[["case_id", "action"]], other)
    logged = evidence.table[["case_id"]].assign(action=evidence.paths.action[:, 0])
    theirs = worth(logged, other)
    assert result.exit_code == 0
    assert len(evidence.users) == value.requests > 3_000
    assert distance(value.dr, ours) < 4
    assert distance(value.snips, ours) < 4
    assert distance(value.logged, theirs) < 4
    assert distance(value.difference, ours - theirs) < 4
    assert ours > theirs
    assert value.difference is not None
    assert value.difference.lower > 0  # a model beats soft rules, and the log can tell
    assert value.bounds.lower < ours < value.bounds.upper


def test_a_reward_that_is_not_known_yet_is_missing_and_none_is_in_time(
    everything: Evidence, evidence: Evidence
) -> None:
    unknown = np.isnan(everything.earned.reward)
    assert unknown[~everything.old].sum() > 100
    assert everything.found.missing[unknown].all()
    assert not evidence.found.missing.any()


def test_the_planted_incentive_is_found(result: OpeResult, other: Market) -> None:
    truth = other.truth.to_pandas()
    back = truth[truth["refund_type"] == "return_refund"]
    lost = [back[f"fate_{a}"].isin(UNFINISHED).mean() for a in ("instant", "after_inspection")]
    found = result.incentive
    assert found.drawn == 1
    assert distance(found.effect, float(lost[0] - lost[1])) < 4
    assert found.bounds is not None
    assert found.bounds.lower < lost[0] - lost[1] < found.bounds.upper


def test_without_losses_an_interval_would_be_luck(result: OpeResult, evidence: Evidence) -> None:
    lost = np.flatnonzero((evidence.earned.reward < 0) & evidence.found.weight.astype(bool))
    lost = lost[~evidence.exact[lost]]
    assert result.value.losses == len(lost) > 10
    for kept in (4, 5):
        rows = np.ones(len(evidence.users), bool)
        rows[lost[kept:]] = False
        value = valued(evidence.take(rows), load_policy())
        assert value.losses == kept
        for found in (value.dr, value.snips, value.difference):
            assert found is not None
            assert np.isfinite(found.value)
            assert np.isfinite([found.lower, found.upper]).all() == (kept == 5)
        shown = replace(result, value=value)
        assert ("fewer than 5 losses" in shown.text()) == (kept == 4)
        json.dumps(shown.summary(), allow_nan=False)


def test_the_report_says_what_the_figures_hold_for(result: OpeResult) -> None:
    told, shown = json.loads(json.dumps(result.summary(), allow_nan=False)), result.text()
    assert told["value"]["dr"]["value"] == pytest.approx(
        1000 * getattr(result.value.dr, "value", 0)
    )
    assert {"all", "tier C"} <= {part["name"] for part in told["value"]["coverage"]}
    for words in ("doubly robust", "histories that were lived", "too young", "misleading"):
        assert words in shown
    assert "clean" not in shown


def one_hot(seen: pd.DataFrame) -> np.ndarray:
    """A rule without a draw: small amounts at once, others after inspection."""
    column = np.where(seen["amount_cents"] < 20_000, 0, ACTIONS.index("after_inspection"))
    return np.eye(len(ACTIONS))[column]


def test_a_log_that_never_drew_gives_bounds_a_reason_and_an_exit_code(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = simulate(World(n_orders=30_000, seed=22, policy=one_hot))
    write_ledger_table(market.events, tmp_path / "ledger")
    given = ["--ledger", str(tmp_path / "ledger"), "--model", str(bundle.folder)]
    code = main(["ope", *given, "--since", SINCE, "--json"])
    told = json.loads(capsys.readouterr().out)
    value, effect = told["value"], told["incentive"]
    assert code == 6
    assert value["dr"] is value["snips"] is value["difference"] is None
    assert value["bounds"]["low"] < value["bounds"]["high"]
    assert any("decided another way for certain" in reason for reason in value["reasons"])
    assert effect["effect"] is None
    assert effect["drawn"] == 0
    assert effect["bounds"]["low"] <= 0 <= effect["bounds"]["high"]
    assert effect["reasons"] == [
        "every decision was taken for certain (propensity 1): nothing was drawn"
    ]


def changed(
    market: Market, folder: Path, change: Callable[[pa.Array, np.ndarray], pa.Array]
) -> Path:
    """The market's ledger with other propensities."""
    table = market.events
    decided = pc.equal(table["event_type"], "advance_decided").to_numpy()
    column = change(table["act_prob"].combine_chunks(), decided)
    at = table.column_names.index("act_prob")
    write_ledger_table(table.set_column(at, "act_prob", column), folder)
    return folder


def without(share: float) -> Callable[[pa.Array, np.ndarray], pa.Array]:
    def change(values: pa.Array, decided: np.ndarray) -> pa.Array:
        lost = np.random.default_rng(0).random(len(values)) < share
        return pa.array(values.to_numpy(zero_copy_only=False), mask=lost | ~decided)

    return change


def test_a_few_missing_propensities_are_counted_and_many_are_refused(
    bundle: Bundle, other: Market, result: OpeResult, tmp_path: Path
) -> None:
    few = ran(bundle, changed(other, tmp_path / "few", without(0.005))).value
    assert few.exit_code == 0
    assert 0 < few.missing < 0.01 * few.requests
    assert few.dr is not None
    assert result.value.dr is not None
    assert abs(few.dr.value - result.value.dr.value) < (few.dr.upper - few.dr.lower) / 4
    many = ran(bundle, changed(other, tmp_path / "many", without(0.05))).value
    assert many.exit_code == 6
    assert many.dr is None
    assert "have no logged propensity or no known outcome" in many.reasons[0]
    assert many.bounds.high - many.bounds.low > few.bounds.high - few.bounds.low


def test_a_propensity_of_0_cannot_be(bundle: Bundle, other: Market, tmp_path: Path) -> None:
    def change(values: pa.Array, decided: np.ndarray) -> pa.Array:
        numbers = values.to_numpy(zero_copy_only=False)
        return pa.array(np.where(numbers > 0.5, 0.0, numbers), mask=~decided)

    with pytest.raises(ContractError, match="logged propensities cannot be"):
        ran(bundle, changed(other, tmp_path / "zero", change))


def test_without_decisions_there_is_nothing_to_do(
    bundle: Bundle, other: Market, tmp_path: Path
) -> None:
    kept = other.events.filter(pc.not_equal(other.events["event_type"], "advance_decided"))
    write_ledger_table(kept, tmp_path / "ledger")
    with pytest.raises(NothingToDoError, match="has a logged decision"):
        ran(bundle, tmp_path / "ledger")


def test_a_policy_that_reads_a_column_the_log_lacks(
    bundle: Bundle, shop: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "own.toml"
    policy.write_text(
        'id = "own"\n[[rule]]\ncolumn = "colour"\noperator = "in"\nvalue = ["red"]\n'
        'allow = ["instant"]\nreason = "category"\n'
    )
    with pytest.raises(ContractError, match="no column 'colour'"):
        ran(bundle, shop, policy)


def test_young_requests_are_not_judged(bundle: Bundle, shop: Path) -> None:
    with pytest.raises(NothingToDoError, match="judged when they are 135 days old"):
        ran(bundle, shop, since="2025-05-01")


def test_a_policy_that_advances_nobody_is_worth_0_for_certain(
    bundle: Bundle, shop: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "own.toml"
    policy.write_text('id = "own"\nkill_switch = true\n')
    value = ran(bundle, shop, policy).value
    assert value.dr == value.snips == Interval(0.0, 0.0, 0.0)
    assert (value.advanced, value.exit_code) == (0, 0)


def test_another_price_in_the_file_changes_the_decisions_and_not_the_yardstick(
    bundle: Bundle, shop: Path, result: OpeResult, tmp_path: Path
) -> None:
    policy = tmp_path / "own.toml"
    policy.write_text('id = "bolder"\n[value]\nhour_cents = 42.0\n')
    bolder = ran(bundle, shop, policy).value
    assert bolder.logged == result.value.logged
    assert bolder.advanced > result.value.advanced
    config = OpeConfig(ledger=shop, model=str(bundle.folder), since=SINCE, prices=policy)
    dear = run_ope(config)
    assert dear.value.advanced == result.value.advanced
    assert dear.value.logged.value > 2 * abs(result.value.logged.value)
    assert "prices of policy bolder" in dear.text()


def test_what_requests_share_is_off_and_what_is_their_own_is_not() -> None:
    policy = load_policy()
    freed = alone(policy)
    assert freed.exploration.share == 0
    assert min(t.base_cents for t in freed.tier) > 10**9 < freed.caps.day.loss_cents
    assert [t.min_points for t in freed.tier] == [t.min_points for t in policy.tier]
    assert (freed.rule, freed.value, freed.id) == (policy.rule, policy.value, policy.id)


def test_the_model_may_not_know_what_became_of_the_requests(bundle: Bundle) -> None:
    knowing = replace(bundle, facts={"fitted_until": "2024-12-01 00:00:00+00:00"})
    first = pd.Timestamp("2024-12-01", tz="UTC")
    assert since_of(None, knowing) == first
    assert since_of(first + pd.Timedelta(days=9), knowing) == first + pd.Timedelta(days=9)
    with pytest.raises(UsageError, match="up to which the model was fitted"):
        since_of(first - pd.Timedelta(days=1), knowing)
    with pytest.raises(UsageError, match="does not say what it knows"):
        since_of(None, bundle)
