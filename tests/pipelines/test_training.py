from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, ModelError
from data.ledger import Ledger
from features.task import dump_task, load_task
from pipelines.bundle import Bundle, read_bundle, write_bundle
from pipelines.lessons import lessons
from pipelines.plan import AT_REQUEST, has_money, heads
from pipelines.risk_heads import REQUEST_HEADS, fit_risk, request_risks, unseen_risks
from pipelines.training import Trial, stage_decisions, try_recipe, turned


def quiet(_line: str) -> None:
    pass


def test_the_judged_model_was_fitted_on_nothing_later(trial: Trial, ledger: Ledger) -> None:
    stages = stage_decisions(trial.task, ledger, trial.start, trial.recipe.as_of)
    early = lessons(trial.task, ledger, stages, trial.judged_from)["request"]
    rows = early.usable(trial.task, "y_claw")
    label_ts = early.labels["y_claw_label_ts"][rows]
    assert rows.sum() > 500
    assert label_ts.max() < trial.judged_from
    evaluated = trial.taught["request"].decisions.cases["as_of"][trial.rows[AT_REQUEST.name]]
    assert evaluated.min() >= trial.judged_from


def test_only_cases_paid_at_the_request_teach_their_risk(trial: Trial) -> None:
    lesson = trial.taught["request"]
    rows = lesson.usable(trial.task, "y_claw")
    assert set(lesson.labels["paid_stage"][rows]) == {"request"}
    assert lesson.labels["paid_stage"].isna().any()


def test_rows_speak_for_the_requests_that_were_not_paid(trial: Trial) -> None:
    lesson = trial.taught["request"]
    logged = lesson.labels["act_prob"].to_numpy()
    weight = lesson.weight()
    assert weight.max() <= 10
    common = logged > 0.1
    assert np.allclose(weight[common], 1 / logged[common])


def test_unseen_risks_replace_the_rows_that_taught(trial: Trial, ledger: Ledger) -> None:
    stages = stage_decisions(trial.task, ledger, trial.start, trial.recipe.as_of)
    early = lessons(trial.task, ledger, stages, trial.judged_from)["request"]
    seen = request_risks(trial.models.risk, early.decisions.X)
    unseen = unseen_risks(trial.task, early, trial.models.risk)
    for name, head in REQUEST_HEADS.items():
        taught = early.usable(trial.task, head.target)
        held_out = trial.models.risk[head.name].held_out_proba_
        assert 0 < taught.sum() < len(taught)
        assert np.array_equal(unseen[name][taught], held_out)
        assert np.array_equal(unseen[name][~taught], seen[name][~taught])


def test_figures_of_every_head_money_and_exploration(trial: Trial) -> None:
    names = {name.partition(".")[0] for name in trial.metrics}
    assert names == {h.name for h in heads(trial.task)} | {"money", "exploration"}
    assert 0 < trial.metrics["y_claw_request.calibration_error"] < 0.2
    assert 0 <= trial.metrics["exploration.outside_support"] < 0.2


def test_priors_come_from_before_the_training_rows(trial: Trial, quick_task: str) -> None:
    declared = load_task(quick_task)
    assert trial.task.version != declared.version
    assert [d.name for d in trial.task.features] == [d.name for d in declared.features]


def test_disjoint_users_are_not_judged_twice(trial: Trial, ledger: Ledger) -> None:
    apart = try_recipe(replace(trial.recipe, disjoint_users=True), ledger, quiet)
    together = trial.rows[AT_REQUEST.name].sum()
    assert 0 < apart.rows[AT_REQUEST.name].sum() < together


def test_the_same_recipe_gives_the_same_bytes(
    trial: Trial, bundle: Bundle, ledger: Ledger, tmp_path: Path
) -> None:
    again = try_recipe(trial.recipe, ledger, quiet)
    version = write_bundle(tmp_path, again.task, again.recipe.policy, again.models, {"seed": 0})
    assert version == bundle.version


def test_a_bundle_comes_back_as_it_was(trial: Trial, bundle: Bundle) -> None:
    part = trial.taught["request"].decisions.take(np.arange(200))
    for head in heads(trial.task):
        one, other = (m.risk[head.name] for m in (trial.models, bundle.models))
        assert np.array_equal(one.predict_proba(part.X), other.predict_proba(part.X))
    assert dump_task(bundle.task) == dump_task(trial.task)
    assert bundle.policy == trial.recipe.policy
    assert bundle.models.money is not None
    assert trial.models.money is not None
    assert bundle.models.money.causes == trial.models.money.causes


def test_a_model_edited_by_hand_is_refused(bundle: Bundle, trial: Trial, tmp_path: Path) -> None:
    write_bundle(tmp_path, trial.task, trial.recipe.policy, trial.models, {})
    money = tmp_path / "money.json"
    money.write_text(money.read_text().replace("0", "1", 1))
    with pytest.raises(ModelError, match="SHA-256") as error:
        read_bundle(tmp_path)
    assert error.value.exit_code == 5


@pytest.mark.parametrize("as_of", ["2024-01-20", "2024-03-10"])
def test_too_short_a_history_is_an_error(trial: Trial, ledger: Ledger, as_of: str) -> None:
    short = replace(trial.recipe, as_of=pd.Timestamp(as_of, tz="UTC"))
    with pytest.raises(ContractError, match="history"):
        try_recipe(short, ledger, quiet)


def test_one_class_is_an_error(trial: Trial, ledger: Ledger) -> None:
    types = ledger["event_type"]
    clawed = types.encode(pd.Series(["clawback_opened"]))[0]
    harmless = ledger.take(types.values != clawed)
    with pytest.raises(
        ContractError, match=r"0 of \d+ matured cases of y_claw are bad; 10 of each"
    ):
        try_recipe(trial.recipe, harmless, quiet)


def test_a_task_without_money_has_one_head_per_target(quick_task: str) -> None:
    task = load_task(quick_task)
    label = {k: v for k, v in task.label.items() if k in ("case", "y_claw")}
    plain = replace(task, label=label, paid=None, declarations=(), models={})
    assert not has_money(plain)
    assert [head.name for head in heads(plain)] == ["y_claw_request"]


def test_young_cases_teach_without_being_called_good(trial: Trial) -> None:
    """Their weight as bad is what is still to come of them: the mean stays that of the matured."""
    lesson = trial.taught["request"]
    old, young = lesson.usable(trial.task, "y_claw"), lesson.open(trial.task, "y_claw")
    assert young.sum() > 0
    assert not (old & young).any()
    models = [fit_risk(trial.task, lesson, AT_REQUEST, 0, young=flag) for flag in (False, True)]
    rows = lesson.decisions.X[young]
    plain, taught = (float(m.predict_proba(rows)[:, 1].mean()) for m in models)
    so_far = float(lesson.so_far["y_claw"][young].notna().mean())
    error = np.sqrt(plain * (1 - plain) / young.sum())
    assert not np.array_equal(models[0].raw_score(rows), models[1].raw_score(rows))
    assert so_far < taught  # as good as called what is known so far
    assert abs(taught - plain) < 4 * error
    assert len(models[1].held_out_proba_) == old.sum()


def test_labels_that_turned_since_they_were_learnt_are_counted(
    trial: Trial, ledger: Ledger
) -> None:
    stages = stage_decisions(trial.task, ledger, trial.start, trial.recipe.as_of)
    early = lessons(trial.task, ledger, stages, trial.judged_from)
    name, lesson = "y_abuse_request.labels_changed", early["request"]
    learnt = np.flatnonzero(lesson.usable(trial.task, "y_abuse"))
    value = lesson.labels["y_abuse"].to_numpy(np.float64).copy()
    value[learnt[:3]] = 1 - value[learnt[:3]]
    was = {**early, "request": replace(lesson, labels=lesson.labels.assign(y_abuse=value))}
    before, after = (
        turned(trial.task, e, trial.taught, trial.judged_from)[name] for e in (early, was)
    )
    assert trial.metrics[name] == before
    assert after == before + 3
