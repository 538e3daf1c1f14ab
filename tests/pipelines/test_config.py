from pathlib import Path

import pytest

from data.errors import UsageError
from pipelines.commands import COMMANDS, ScoreConfig
from pipelines.config import identity, resolve


def score(
    flags: dict[str, str | None] | None = None,
    environ: dict[str, str] | None = None,
    toml: str | None = None,
    tmp_path: Path = Path(),
) -> ScoreConfig:
    file = None
    if toml is not None:
        file = tmp_path / "clawback.toml"
        file.write_text(toml)
    config: ScoreConfig = resolve("score", COMMANDS, flags or {}, environ or {}, file)
    return config


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    toml = 'ledger = "file"\nseed = 3\n[score]\nseed = 4\nexperiment = "file"'
    environ = {"CLAWBACK_LEDGER": "environment", "CLAWBACK_SEED": "5"}
    got = score({"ledger": "flag", "as_of": None}, environ, toml, tmp_path)
    assert (got.ledger, got.seed, got.experiment) == (Path("flag"), 5, "file")
    assert (got.model, got.as_of, got.allow_stale) == ("champion", None, False)


def test_a_commands_table_beats_the_top_of_the_file(tmp_path: Path) -> None:
    assert score(toml='ledger = "a"\n[score]\nledger = "b"', tmp_path=tmp_path).ledger == Path("b")


def test_a_setting_of_another_command_is_no_error(tmp_path: Path) -> None:
    assert score(toml='ledger = "a"\nreplicates = 10', tmp_path=tmp_path).ledger == Path("a")


@pytest.mark.parametrize(
    ("toml", "hint"),
    [
        ("ledgr = 'a'", "'ledger'"),
        ("[score]\nalow_stale = true", "'allow_stale'"),
        ("[scores]\nseed = 1", "'score'"),
        ("ledger = ", "correct the file"),
        ("ledger = 'a'\nseed = 1.5", "give seed as one"),
        ("ledger = 'a'\nallow_stale = 'perhaps'", "give allow_stale as one"),
        ("ledger = 'a'\nreasons = 'hold'", "'held'"),
        ("ledger = true", "give ledger as one"),
        ("ledger = 'a'\nexperiment = true", "give experiment as one"),
        ("ledger = 'a'\nseed = -1", "from 0 to"),
        ("ledger = 'a'\nseed = 99999999999999999999", "from 0 to"),
        ("seed = 1", "--ledger"),
    ],
)
def test_a_mistake_names_what_was_meant(tmp_path: Path, toml: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        score(toml=toml, tmp_path=tmp_path)
    assert hint in error.value.fix


@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        ("train", "evaluate_share", "0"),
        ("train", "evaluate_share", "1.5"),
        ("train", "evaluate_share", "nan"),
        ("retrain", "evaluate_share", "-0.2"),
        ("train", "seed", "-1"),
        ("score", "seed", "99999999999999999999"),
        ("tune", "trials", "0"),
        ("tune", "folds", "0"),
        ("retrain", "replicates", "0"),
        ("map", "max_quarantine", "1.5"),
        ("simulate", "orders", "0"),
    ],
)
def test_a_number_out_of_range_is_refused(command: str, name: str, value: str) -> None:
    given = {"ledger": "a", "out": "b", "mapping": "c", name: value}
    with pytest.raises(UsageError, match=f"flag: {name} = .* is out of range"):
        resolve(command, COMMANDS, given, {})


def test_a_truth_is_no_number(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("max_quarantine = true")
    with pytest.raises(UsageError, match=r"own\.toml: max_quarantine = True is not a number"):
        resolve("map", COMMANDS, {"mapping": "a", "out": "b"}, {}, file)


def test_an_unknown_variable_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="CLAWBACK_ARTEFACTS"):
        score(environ={"CLAWBACK_ARTEFACTS": "x", "CLAWBACK_LEDGER": "y"})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        resolve("score", COMMANDS, {}, {}, tmp_path / "none.toml")


def test_identity_leaves_out_what_cannot_change_the_result() -> None:
    config = score({"ledger": "a"})
    assert "artifacts" not in identity(config, leave_out={"artifacts"})
    assert identity(config)["seed"] == "0"
