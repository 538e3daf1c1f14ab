import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from data.errors import BusyError
from data.lock import locked
from pipelines import cli
from pipelines.bundle import Bundle
from pipelines.cli import main
from pipelines.commands import COMMANDS
from pipelines.stopping import Stop


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("CLAWBACK_")]:
        monkeypatch.delenv(name)


def complaint(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The two lines of an error."""
    found = capsys.readouterr()
    assert found.out == ""
    lines = found.err.splitlines()
    assert len(lines) == 2, found.err
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("fix: ")
    return lines[0], lines[1]


def test_help_names_every_command_and_exit_code() -> None:
    program = [str(Path(sys.executable).parent / "clawback"), "--help"]
    text = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert all(name in text for name in COMMANDS)
    assert all(code in text for code in (" 2 ", " 3 ", " 4 ", " 5 ", " 6 ", " 10 ", " 75 ", " 99 "))


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from pipelines.cli import parser; parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "numpy", "pyarrow", "lightgbm", "mlflow", "sklearn", "numba", "matplotlib"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_module_and_a_help(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "exit codes:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "error", "fix"),
    [
        (
            ["score", "--ledger", "x", "--reasons", "some"],
            "reasons = 'some' is not a choice",
            "did you mean 'none'?",
        ),
        (
            ["score", "--ledger", "x", "--format", "parket"],
            "format = 'parket'",
            "did you mean 'parquet'?",
        ),
        (["features", "--stage", "requests"], "stage = 'requests'", "did you mean 'request'?"),
        (["train", "--ledgr", "x"], "unknown argument --ledgr", "did you mean '--ledger'?"),
        (["train", "--ledgr=x"], "unknown argument --ledgr", "did you mean '--ledger'?"),
        (["check", "a.csv", "b.csv"], "unknown argument b.csv", "clawback check --help"),
        (["scor"], "invalid choice: 'scor'", "did you mean 'score'?"),
        (["train", "--ledger"], "expected one argument", "clawback train --help"),
        ([], "COMMAND", "clawback --help"),
    ],
)
def test_usage_is_exit_2_with_a_fix(
    arguments: list[str], error: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = complaint(capsys)
    assert error in told[0]
    assert fix in told[1]


def test_simulate_check_and_features_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--out", "shop", "--orders", "400", "--seed", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] > 400
    assert main(["check", "shop"]) == 0
    assert "keep the contract" in capsys.readouterr().out
    assert main(["features", "--ledger", "shop", "--out", "x.parquet", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] > 10
    assert Path("x.parquet").exists()


def test_features_can_be_listed_without_a_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "--list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = [entry["name"] for entry in told["catalogue"]]
    assert "user_refund_requests_count_90d" in names
    assert set(told["columns"]) <= set(names)
    assert main(["features", "--list", "--stage", "standing"]) == 0
    shown = capsys.readouterr().out
    assert "  user_refund_requests_count_90d\n" in shown
    assert "request_amount_cents" not in shown


@pytest.mark.parametrize(("name", "begin"), [("c.html", "<!doctype html>"), ("c.md", "# ")])
def test_a_catalogue_is_a_page_of_its_own(
    name: str, begin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["features", "--list", "--out", name]) == 0
    text = Path(name).read_text()
    assert main(["features", "--list", "--format", name[2:]]) == 0
    assert capsys.readouterr().out.endswith(text)
    assert text.startswith(begin)
    assert not any(word in text for word in ("<script", "http://", "https://", "src="))


def test_a_catalogue_needs_a_name_that_says_its_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["features", "--list", "--out", "c.pdf"]) == 2
    assert "says no format" in complaint(capsys)[0]


@pytest.mark.parametrize("stage", ["tracking", "first_scan", "delivered"])
def test_features_are_computed_at_a_later_stage(
    stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--out", "shop", "--orders", "400", "--seed", "1"]) == 0
    assert main(["features", "--ledger", "shop", "--stage", stage, "--out", "x.parquet"]) == 0
    table = pd.read_parquet("x.parquet")
    assert set(table["stage"]) == {stage}
    assert table["case_refund_requests_age_life"].notna().all()
    assert "decisions" in capsys.readouterr().out


def test_a_ledger_grows_by_the_night(capsys: pytest.CaptureFixture[str]) -> None:
    fields = "".join(f"{c} = '{c}'\n" for c in ("event_id", "event_ts", "known_ts", "user_id"))
    Path("shop.toml").write_text(
        "[source.s]\npath = 'night.csv'\n[[event]]\nsource = 's'\ntype = 'order_paid'\n"
        f"[event.fields]\n{fields}"
    )
    rows = [f"e{n},2026-01-0{n}T00:00:00Z,2026-01-0{n}T00:00:00Z,u{n}\n" for n in (1, 2, 3)]
    command = ["map", "shop.toml", "--out", "grown", "--append", "--json"]
    for night, code, told in ((rows[:1], 0, (1, 0)), (rows, 0, (2, 1)), (rows[1:], 99, ())):
        Path("night.csv").write_text("".join(["event_id,event_ts,known_ts,user_id\n", *night]))
        assert main(command) == code
        if told:
            found = json.loads(capsys.readouterr().out)
            assert (found["rows"], found["held"]) == told
    assert "no row is new: 2 of 2 stand in the ledger" in capsys.readouterr().err
    assert main(["check", "grown"]) == 0
    with locked(Path(".grown.lock")):
        assert main(command) == 75


def test_a_broken_row_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    head = "event_id,event_type,event_ts,known_ts,user_id,amount_cents\n"
    row = "e1,order_paid,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,u1,-5\n"
    Path("ledger.csv").write_text(head + row)
    assert main(["check", "ledger.csv", "--reasons", "why.csv"]) == 3
    assert "break a rule" in capsys.readouterr().out
    assert len(Path("why.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["check", "none.csv"], 3, "none.csv"),
        (["check"], 2, "setting 'path' is missing"),
        (["map", "none.toml", "--out", "x"], 2, "none.toml"),
        (["map", "typo.toml", "--out", "x"], 2, "typo.toml"),
        (["features", "--ledger", "shop", "--task", "advance_refunds"], 2, "no such task"),
        (["train", "--ledger", "nowhere"], 3, "nowhere"),
        (["train", "--ledger", "empty.csv"], 3, "empty.csv"),
        (["score", "--ledger", "nowhere", "--model", "champion"], 5, "no model 'champion'"),
        (["retrain", "--ledger", "nowhere"], 5, "no champion"),
        (["tune", "--ledger", "nowhere"], 2, "built in"),
        (["simulate", "--out", "x", "--orders", "many"], 2, "not a whole number"),
    ],
)
def test_bad_input_is_two_lines_and_a_code(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("typo.toml").write_text("[sources.a]\npaht = 'a.csv'\n")
    Path("empty.csv").write_text("event_id,event_type,event_ts,known_ts,user_id\n")
    assert main(arguments) == code
    error, _fix = complaint(capsys)
    assert words in error


@pytest.mark.parametrize(
    ("as_of", "code", "words"),
    [
        ("2020-01-01", 2, "before the first event"),
        ("2027-01-01", 3, "two days after the last event"),
        ("tomorrow", 2, "no time"),
    ],
)
def test_an_as_of_outside_of_the_data_is_an_error(
    as_of: str,
    code: int,
    words: str,
    ledger_path: Path,
    bundle: Bundle,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = ["--model", str(bundle.folder)]
    assert main(["score", "--ledger", str(ledger_path), *model, "--as-of", as_of]) == code
    assert words in complaint(capsys)[0]


def test_a_model_edited_by_hand_is_exit_5(
    ledger_path: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    copy = shutil.copytree(bundle.folder, tmp_path / "model")
    booster = copy / "y_claw_request" / "booster.txt"
    booster.write_text(booster.read_text().replace("leaf_value=", "leaf_value=0.1 ", 1))
    assert main(["score", "--ledger", str(ledger_path), "--model", str(copy)]) == 5
    assert "SHA-256" in complaint(capsys)[0]


def test_a_full_disk_leaves_the_former_result(
    ledger_path: Path, bundle: Bundle, tmp_path: Path
) -> None:
    code = f"""
import resource, sys
from pipelines.cli import main
score = ["score", "--ledger", {str(ledger_path)!r}, "--model", {str(bundle.folder)!r}]
assert main([*score, "--as-of", "2025-04-02"]) == 0  # also compiles what may write a cache
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
sys.exit(main([*score, "--as-of", "2025-04-03"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stderr.splitlines()[0].startswith("error: ")
    assert "Traceback" not in done.stderr
    runs = [path.name for path in (tmp_path / "artifacts" / "runs").iterdir()]
    assert len(runs) == 1
    assert (tmp_path / "artifacts" / "current").resolve().name == runs[0]


def test_a_setting_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLAWBACK_LEDGR", "x")
    assert main(["train"]) == 2
    assert "CLAWBACK_LEDGR" in complaint(capsys)[0]


def test_progress_goes_to_stderr_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    cli.progress(verbose=False, stop=Stop())("line")
    assert capsys.readouterr().err == ""
    cli.progress(verbose=True, stop=Stop())("line")
    assert capsys.readouterr().err.endswith("line\n")


def test_busy_is_exit_75() -> None:
    assert BusyError.exit_code == 75
