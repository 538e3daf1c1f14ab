"""A clean shop passes the audit; every kind of leak that is planted in it is found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import NothingToDoError, UserError
from data.market import World, simulate
from pipelines.audit import AuditResult, run_audit
from pipelines.cli import main
from pipelines.commands import AuditConfig
from pipelines.findings import of_aucs

DAY = pd.Timedelta(days=1)


def shop(seed: int, orders: int = 12_000) -> pd.DataFrame:
    events = pd.DataFrame(simulate(World(n_orders=orders, seed=seed)).events.to_pandas())
    coded = [c for c in events if isinstance(events[c].dtype, pd.CategoricalDtype)]
    return events.astype(dict.fromkeys(coded, "object"))


def audited(events: pd.DataFrame, folder: Path, before: pd.DataFrame | None = None) -> AuditResult:
    events.to_parquet(folder / "now.parquet", index=False)
    old = None
    if before is not None:
        old = folder / "before.parquet"
        before.to_parquet(old, index=False)
    return run_audit(AuditConfig(ledger=folder / "now.parquet", before=old, sample=100))


def told(result: AuditResult) -> set[tuple[str, str]]:
    return {(f.kind, f.where.split(",")[0].split(" (")[0]) for f in result.found}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_clean_shop_passes(seed: int, tmp_path: Path) -> None:
    events = shop(seed)
    end = events["known_ts"].max()
    result = audited(events, tmp_path, before=events[events["known_ts"] < end - 30 * DAY])
    assert not result.found, result.text()
    assert result.exit_code == 0
    assert "no leak was found" in result.text()
    cells = [line for line in result.looked_at if " cells " in line]
    assert {line.split("stage ")[1].split(" ")[0].rstrip(":") for line in cells} == {
        "request",
        "tracking",
        "first_scan",
        "delivered",
    }
    assert len(cells) == 8  # on cut ledgers, and against the older version
    assert all(line.endswith(": 0 differ") for line in cells)


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    """A shop with a leak of every kind that one ledger can show."""
    e = shop(4, 20_000)
    end, kind = e["known_ts"].max(), e["event_type"]
    asked = kind == "refund_requested"
    clawed = e["case_id"].isin(e.loc[kind == "clawback_opened", "case_id"])
    e.loc[asked & clawed, "evidence_count"] = 9  # the outcome written into the request
    e.loc[asked & clawed, "reason"] = "clawed_back"
    e.loc[asked & (e["known_ts"] < end - 20 * DAY), "fault"] = "unknown"
    e.loc[kind == "arbitration_ruled", "known_ts"] = e["event_ts"]
    e.loc[(kind == "first_scan") & (e["event_ts"] < end - 250 * DAY), "known_ts"] = e["event_ts"]
    dates = kind == "return_delivered"
    e.loc[dates, "event_ts"] = e.loc[dates, "event_ts"].dt.floor("D")
    e.loc[dates, "known_ts"] = e.loc[dates, "event_ts"]
    loaded = end - 400 * DAY
    e.loc[(kind == "order_shipped") & (e["known_ts"] < loaded), "known_ts"] = loaded
    early = e.index[kind == "clawback_opened"][:5]
    first = e[asked].groupby("case_id")["known_ts"].min()
    for clock in ("event_ts", "known_ts"):
        e.loc[early, clock] = e.loc[early, "case_id"].map(first) - pd.Timedelta(hours=1)
    return audited(e, tmp_path_factory.mktemp("leaky"))


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("knows the label", "column request_evidence_count"),
        ("knows the label", "column request_reason"),
        ("filled after the fact", "refund_requested column fault"),
        ("clock", "arbitration_ruled"),
        ("clock", "first_scan"),
        ("clock", "return_delivered"),
        ("clock", "order_shipped"),
        ("known too early", "event set clawbacks"),
    ],
)
def test_a_leak_of_each_kind_is_found(leaky: AuditResult, kind: str, where: str) -> None:
    assert (kind, where) in told(leaky), leaky.text()
    assert leaky.exit_code == 6


def test_each_finding_says_what_where_and_how_to_fix(leaky: AuditResult) -> None:
    lines = leaky.text().splitlines()
    assert lines[0].endswith(f"{len(leaky.found)} findings")
    assert sum(line.startswith("   where: ") for line in lines) == len(leaky.found)
    assert sum(line.startswith("   fix: ") for line in lines) == len(leaky.found)
    json.dumps(leaky.summary())


def test_a_page_of_very_many_findings_says_where_the_rest_is(leaky: AuditResult) -> None:
    many = replace(leaky, found=leaky.found[:1] * 1_234)
    assert "and 1,204 more: --json lists all" in many.text().splitlines()
    assert len(many.summary()["findings"]) == 1_234


def test_what_an_older_ledger_knew_must_still_be_there(tmp_path: Path) -> None:
    events = shop(5)
    end = events["known_ts"].max()
    before = events[events["known_ts"] < end - 30 * DAY]
    now, kind = events.copy(), events["event_type"]
    old_rows = now["known_ts"] < end - 60 * DAY
    asked = now.index[old_rows & (kind == "refund_requested")]
    now.loc[asked[:40], "reason"] = "other"
    now.loc[asked[:40], "fault"] = "buyer"
    paid = now.index[old_rows & (kind == "order_paid")]
    dated = now.loc[paid[:500]].assign(event_id="later-" + now.loc[paid[:500], "event_id"])
    gone = now.index[old_rows & (kind == "clawback_opened")][:5]
    result = audited(pd.concat([now.drop(gone), dated]), tmp_path, before)
    found = {
        (f.evidence["kind"], f.evidence["event_type"], f.evidence["column"]): f.evidence["rows"]
        for f in result.found
        if f.kind == "changed after the fact"
    }
    altered = int((events.loc[asked[:40], "reason"] != "other").sum())
    assert found == {
        ("back_dated", "order_paid", ""): 500,
        ("removed", "clawback_opened", ""): 5,
        ("filled", "refund_requested", "fault"): 40,
        ("altered", "refund_requested", "reason"): altered,
    }
    travelled = [f for f in result.found if f.kind == "time travel"]
    assert any("user_orders_count_life" in f.where for f in travelled)
    assert all(
        {"now", "then", "as_of", "case_id"} <= f.evidence["first"][0].keys() for f in travelled
    )


TASK = """
name = "loans"
[columns]
grade = "int"
[event_types]
extra = ["loan_asked", "loan_defaulted"]
[events.asked]
types = ["loan_asked"]
[events.defaults]
types = ["loan_defaulted"]
[spine]
trigger = "asked"
request = ["amount_cents", "grade"]
[label.y_default]
events = "defaults"
horizon = "30d"
[[feature]]
entity = "user_id"
events = "defaults"
aggregate = ["count"]
over = ["life"]
"""


@pytest.mark.parametrize("leak", [False, True])
def test_a_ledger_of_another_kind_is_audited_too(
    leak: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    n = 2_000
    asked = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.uniform(0, 300, n), "D")
    bad = rng.random(n) < 0.1
    loans = pd.DataFrame(
        {
            "event_id": [f"a{i}" for i in range(n)],
            "event_type": "loan_asked",
            "event_ts": asked.as_unit("us"),
            "user_id": rng.integers(0, 700, n),
            "case_id": np.arange(n),
            "amount_cents": rng.integers(1, 10**6, n),
            "grade": np.where(leak & bad, 6, rng.integers(1, 6, n)),
        }
    )
    ends = loans[bad].assign(
        event_id=[f"d{i}" for i in range(bad.sum())],
        event_type="loan_defaulted",
        event_ts=loans.loc[bad, "event_ts"] + 9 * DAY,
        grade=np.nan,
    )
    table = pd.concat([loans, ends]).assign(grade=lambda t: t["grade"].astype("Int64"))
    table["known_ts"] = table["event_ts"] + pd.to_timedelta(rng.uniform(0, 1, len(table)), "D")
    table["known_ts"] = table["known_ts"].dt.as_unit("us")
    table.to_parquet(tmp_path / "loans.parquet", index=False)
    (tmp_path / "loans.toml").write_text(TASK)
    code = main(
        ["audit", str(tmp_path / "loans.parquet"), "--task", str(tmp_path / "loans.toml"), "--json"]
    )
    said = json.loads(capsys.readouterr().out)
    assert code == (6 if leak else 0), said
    assert [f["evidence"]["column"] for f in said["findings"]] == ["request_grade"] * leak
    assert any("y_default" in line for line in said["looked_at"])


def test_a_ledger_without_a_decision_is_told(tmp_path: Path) -> None:
    events = shop(6)
    with pytest.raises(NothingToDoError, match="refund_requests"):
        audited(events[events["event_type"] != "refund_requested"], tmp_path)
    with pytest.raises(UserError, match="absent"):
        run_audit(AuditConfig(ledger=tmp_path / "absent"))


def test_an_older_version_without_a_column_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    events = shop(6)
    before = events[events["known_ts"] < events["known_ts"].max() - 30 * DAY]
    result = audited(events, tmp_path, before.drop(columns="evidence_count"))
    assert [f.where.split(" (")[0] for f in result.found] == [
        "refund_requested column evidence_count"
    ]
    assert any("has no evidence_count" in line for line in result.looked_at)


def test_a_ledger_lacks_columns_of_the_contract(tmp_path: Path) -> None:
    """They are null now and then: nothing differs, and nothing is left uncompared."""
    events = shop(6).drop(columns=["evidence_hash", "device_id", "merchant_rating"])
    before = events[events["known_ts"] < events["known_ts"].max() - 30 * DAY]
    result = audited(events, tmp_path, before)
    assert not result.found, result.text()
    assert sum(" cells of " in line for line in result.looked_at) == 4


def test_a_page_names_a_few_of_many_columns_that_prove_nothing() -> None:
    row = {"auc": 0.95, "lower": 0.3, "upper": 1.0, "bad": 1, "good": 60, "score": "its value"}
    table = pd.DataFrame([{"column": f"c{n}", **row} for n in range(40)])
    found, lines = of_aucs("y_abuse", table, 61, 0.9)
    assert found == []
    assert [sum(word in line for line in lines) for word in ("too few", "of 37 more")] == [3, 1]
