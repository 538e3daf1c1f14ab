"""Which models a task asks for: one head per question, at the stage where it is asked.

The advance-refund task asks two questions at two stages: is it clawed back (`y_claw`), and is that
the buyer's fault (`y_abuse`, for abuse is what is not repaid). At the request both make the money;
at the standing abuse makes the points, and both the money of a next request. `y_loss` is a check
and a report. A task without pay-outs has one head per target.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from data.errors import UsageError
from features.spans import parse_span
from features.task import Task
from models.boosting import check_params
from models.policy import Policy, load_policy

MONEY, ABUSE, REPORT = "y_claw", "y_abuse", "y_loss"


@dataclass(frozen=True)
class Head:
    """A target and the stage whose columns its model sees."""

    target: str
    stage: str

    @property
    def name(self) -> str:
        """The name of the model, and of its folder."""
        return f"{self.target}_{self.stage}"


AT_REQUEST, BLAME = Head(MONEY, "request"), Head(ABUSE, "request")
POINTS, AT_STANDING = Head(ABUSE, "standing"), Head(MONEY, "standing")


def heads(task: Task) -> tuple[Head, ...]:
    """The models to fit, the main one first."""
    if not task.targets:
        raise UsageError("the task has no label", where=task.name, fix="add [label.<target>]")
    if has_money(task):
        return AT_REQUEST, BLAME, POINTS, AT_STANDING
    return tuple(Head(target, "request") for target in task.targets)


def has_money(task: Task) -> bool:
    """Whether the task prices advances, so that decisions follow from its scores."""
    return task.paid is not None and {MONEY, ABUSE, REPORT} <= set(task.targets)


def check_models(task: Task) -> None:
    """Refuse hyper-parameters that no model takes, before anything is read."""
    for target in task.targets:
        check_params(task.params(target), where=f"{task.name}: [model.{target}]")


def horizon(task: Task, target: str) -> timedelta:
    """How long after its start a case's label counts."""
    return parse_span(task.label[target]["horizon"])


def policy_of(task: Task, given: Path | None, task_path: str) -> Policy | None:
    """The policy of a run: the one given, the file the task names beside itself, the default.

    Raises
    ------
    UsageError : the file the task names is not there, or no policy.
    """
    if not has_money(task):
        return None
    named = task.policy.get("file")
    return load_policy(given or (Path(task_path).parent / str(named) if named else None))
