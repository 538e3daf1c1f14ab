from pathlib import Path

import pytest

from data.errors import UsageError
from features.task import load_task
from pipelines.plan import check_models, policy_of


def task_with(folder: Path, policy: str) -> str:
    path = folder / "task.toml"
    path.write_text(f'extends = "advance_refund"\n{policy}')
    return str(path)


def test_the_policy_is_the_one_given_else_the_tasks_else_the_default(tmp_path: Path) -> None:
    for name in ("mine", "other"):
        (tmp_path / f"{name}.toml").write_text(f'id = "{name}"')
    named = task_with(tmp_path, '[policy]\nfile = "mine.toml"')
    found = [policy_of(load_task(named), given, named) for given in (tmp_path / "other.toml", None)]
    plain = task_with(tmp_path, "")
    found.append(policy_of(load_task(plain), None, plain))
    assert [policy and policy.id for policy in found] == ["other", "mine", "default"]


def test_a_policy_the_task_names_must_be_there(tmp_path: Path) -> None:
    path = task_with(tmp_path, '[policy]\nfile = "nope.toml"')
    with pytest.raises(UsageError, match=r"nope\.toml: cannot be read"):
        policy_of(load_task(path), None, path)


def test_a_typo_in_the_policy_section_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'file'"):
        load_task(task_with(tmp_path, '[policy]\nfil = "mine.toml"'))


def test_a_parameter_out_of_range_is_named_with_its_section(tmp_path: Path) -> None:
    task = load_task(task_with(tmp_path, "[model.y_claw]\nnum_leaves = -3"))
    with pytest.raises(UsageError, match=r"\[model.y_claw\]: num_leaves = -3"):
        check_models(task)
