"""The task file: one form on disk, a round trip, errors that name the place."""

from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from features.declarations import Declaration, Events, Request, Window, days, rate
from features.task import Task, dump_task, load_task

SMALL = """
name = "small"
[event_types]
extra = ["ask", "pay"]
[events.asks]
types = ["ask"]
[events.food]
types = ["ask", "pay"]
where = { category = ["food", "toys"], quantity = 3 }
[spine]
trigger = "asks"
request = ["amount_cents", "reason"]
[[feature]]
entity = "user_id"
events = "asks"
aggregate = ["count", "sum:amount_cents"]
over = ["7d", "life"]
stage = "standing"
sign = { y_bad = 1 }
reason = "refund_frequency"
source = "U2"
[[feature]]
entity = ["user_id", "merchant_id"]
events = "food"
aggregate = "streak"
breaker = "asks"
role = "policy"
[[request]]
column = "amount_cents"
[[ratio]]
over = ["1d", "90d"]
a = { request = "reason", equals = "size" }
[ratio.b.difference]
a = { entity = "user_id", events = "asks", aggregate = "mean:amount_cents" }
b = { request = "amount_cents" }
[[rate]]
a = { entity = "user_id", events = "food", aggregate = "count" }
b = { entity = "user_id", events = "asks", aggregate = "count", delay = "60d" }
over = "90d"
prior = [0.03, 20]
sign = { y_bad = -1 }
reason = "advance_history"
[label]
case = "case_id"
[label.y_bad]
events = "food"
horizon = "60d"
[model.y_bad]
num_leaves = 31
learning_rate = 0.05
[policy]
file = "policy.toml"
"""


FORGIVEN = """horizon = "60d"
forgiven = { where = { fault = "buyr" }, by = "asks", within = "7d" }"""


def written(folder: Path, text: str, name: str = "small.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def small(tmp_path: Path) -> Task:
    return load_task(written(tmp_path, SMALL))


def test_lists_expand_and_names_follow(small: Task) -> None:
    assert [d.name for d in small.declarations] == [
        "user_asks_count_7d",
        "user_asks_count_life",
        "user_asks_sum_amount_cents_7d",
        "user_asks_sum_amount_cents_life",
        "user_merchant_food_streak_asks_life",
        "request_amount_cents",
        "request_reason_is_size_per_user_asks_mean_amount_cents_1d_less_request_amount_cents",
        "request_reason_is_size_per_user_asks_mean_amount_cents_90d_less_request_amount_cents",
        "user_food_count_90d_rate_user_asks_count_90d_lag60d",
    ]
    assert [d.name for d in small.policy_columns] == ["user_merchant_food_streak_asks_life"]
    assert len(small.features) == 8


def test_questions_about_a_task(small: Task) -> None:
    assert small.signs("y_bad", ["user_asks_count_7d"]) == {"user_asks_count_7d": 1}
    assert len(small.signs("y_bad")) == 5
    assert small.reason_keys()["user_asks_count_7d"] == "refund_frequency"
    assert len(small.at_stage("standing")) == 4
    assert small.at_stage("request") == small.features
    assert small.params("y_bad") == {"num_leaves": 31, "learning_rate": 0.05}
    assert small.params("y_other") == {}
    assert small.targets == ("y_bad",)
    assert small.entity_columns() == ("user_id", "merchant_id")
    assert small.columns_needed() >= {
        "user_id", "merchant_id", "case_id", "amount_cents", "reason", "category", "quantity",
    }  # fmt: skip


def test_the_canonical_form_is_the_same_task(small: Task, tmp_path: Path) -> None:
    text = dump_task(small)
    again = load_task(written(tmp_path, text, "again.toml"))
    assert again == small
    assert dump_task(again) == text
    assert again.version == small.version


def test_the_built_in_task_survives_its_canonical_form(tmp_path: Path) -> None:
    task = load_task()
    again = load_task(written(tmp_path, dump_task(task)))
    assert again == task
    assert 240 <= len(task.features) <= 310


@given(data=st.data())
def test_any_declarations_survive_the_file(
    data: st.DataObject, worlds: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sets = {e.name: e for e in worlds.SETS}
    drawn = tuple(data.draw(worlds.declarations()))
    types = tuple(sorted({t for e in worlds.SETS for t in e.types}))
    request = ("amount_cents", "reason")
    task = Task("drawn", sets, drawn, trigger="asks", request=request, event_types=types)
    path = written(tmp_path_factory.mktemp("drawn"), dump_task(task))
    assert load_task(path) == task


def test_a_change_of_any_meaning_changes_the_version(small: Task, tmp_path: Path) -> None:
    changes = [("0.03", "0.04"), ('"7d"', '"8d"'), ("y_bad = 1", "y_bad = -1"), ("31", "32")]
    texts = {SMALL.replace(old, new) for old, new in changes}
    versions = {load_task(written(tmp_path, text)).version for text in texts}
    assert len(versions | {small.version}) == len(changes) + 1
    commented = load_task(written(tmp_path, "# a comment\n" + SMALL))
    assert commented.version == small.version


def test_adding_brings_the_event_sets_along(small: Task) -> None:
    scans = Events("scans", "first_scan")
    asks = small.event_sets["asks"]
    mine: list[Declaration] = [
        Window("user_id", scans, "count", over=days(7)),
        rate(Window("user_id", scans, "count"), Window("user_id", asks, "count"), (0.5, 2)),
    ]
    more = small.adding(mine)
    assert more.event_sets["scans"] == scans
    assert len(more.features) == len(small.features) + 2
    assert len(small.features) == 8
    with pytest.raises(UsageError, match="means two things"):
        small.adding([Window("user_id", Events("asks", "other"), "age")])
    with pytest.raises(UsageError, match="declared twice"):
        small.adding([Request("amount_cents")])


def test_a_file_extends_another_and_the_later_word_counts(tmp_path: Path) -> None:
    written(tmp_path, SMALL)
    own = """
extends = "small.toml"
[events.pays]
types = ["pay"]
[[feature]]
entity = "user_id"
events = "pays"
aggregate = "age"
[[feature]]
entity = "user_id"
events = "asks"
aggregate = "count"
over = "7d"
reason = "member_level"
[model.y_bad]
num_leaves = 7
"""
    task = load_task(written(tmp_path, own, "own.toml"))
    assert task.name == "own"
    assert task.reason_keys()["user_asks_count_7d"] == "member_level"
    assert "user_pays_age_life" in {d.name for d in task.features}
    assert len(task.features) == 9
    assert task.params("y_bad") == {"num_leaves": 7}
    assert load_task(written(tmp_path, 'extends = "advance_refund"', "x.toml")).name == "x"
    with pytest.raises(UsageError, match="extends itself"):
        load_task(written(tmp_path, 'extends = "loop.toml"', "loop.toml"))


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            '"asks"\naggregate = ["count',
            '"aks"\naggregate = ["count',
            r"\[\[feature\]\] number 1.*'asks'",
        ),
        ('over = ["7d", "life"]', 'ovr = ["7d"]', "unknown key 'ovr'.*\n.*did you mean 'over'"),
        ('over = ["7d", "life"]', 'over = ["7 days"]', "'7 days' is no length of time"),
        ('over = ["7d", "life"]', 'over = ["0d"]', "the window is not positive"),
        ('over = ["7d", "life"]', 'over = ["-7d"]', "the window is not positive"),
        ('over = ["7d", "life"]', 'over = ["7d"]\ndelay = "-1d"', "the delay is negative"),
        ('over = ["7d", "life"]', 'over = ["7d", "7d"]', "declared twice"),
        ('"sum:amount_cents"', '"summ:amount_cents"', "did you mean 'sum'"),
        ("y_bad = 1", "y_bda = 1", "unknown target 'y_bda'"),
        ("prior = [0.03, 20]", "prior = [0.03]", "the prior is"),
        ("prior = [0.03, 20]", "", "the key 'prior' is missing"),
        ('trigger = "asks"', 'trigger = "assk"', "did you mean 'asks'"),
        ('trigger = "asks"', "", "the key 'trigger' is missing"),
        ('events = "food"\nhorizon', 'events = "fod"\nhorizon', "did you mean 'food'"),
        ('column = "amount_cents"', 'column = "amount"', "did you mean 'amount_cents'"),
        ("[[request]]", "[[requests]]", "unknown key 'requests'.*\n.*'request'"),
        ("[[rate]]", "[[rate", "cannot be read"),
        ("[[rate]]", "[rate]", r"double the brackets: \[\[rate\]\]"),
        ('types = ["ask"]', "", "name at least one event type"),
        ('types = ["ask"]', "types = [3]", "name at least one event type"),
        ('where = { category = ["food", "toys"], quantity = 3 }', "where = 3", "its where is 3"),
        ("[events.food]", "[events]\nfood = 3\n[events.toys]", "not a table"),
        ('entity = "user_id"', "entity = 3", "wrong type"),
        ('types = ["ask"]', 'types = ["order_payed"]', "did you mean 'order_paid'"),
        ('"ask", "pay"]\nwhere', '"aks", "pay"]\nwhere', r"\[events.food\].*'aks'.*'ask'"),
        ("quantity = 3", 'fault = "byuer"', "fault is never 'byuer'.*did you mean 'buyer'"),
        ("quantity = 3", "reason = 5", "reason = 5, but the column holds text"),
        ("quantity = 3", "amount_cents = true", "amount_cents = True, but the column holds int"),
        ("quantity = 3", "deadline_ts = 5", "deadline_ts is a time"),
        ("quantity = 3", "reason = []", "reason is one of none"),
        ('aggregate = ["count", "sum:amount_cents"]', "aggregate = []", "stands for no feature"),
        ('over = ["7d", "life"]', "over = []", "stands for no feature"),
        ('"refund_frequency"', '"refund_frequncy"', "did you mean 'refund_frequency'"),
        ("[model.y_bad]", "[model.y_bda]", "unknown target 'y_bda'.*did you mean 'y_bad'"),
        ('horizon = "60d"', FORGIVEN, "forgiven: fault is never 'buyr'"),
        ('b = { request = "amount', 'b = { requst = "amount', "unknown key 'requst'"),
    ],
)
def test_a_fault_in_the_file_is_named_with_its_place(
    old: str, new: str, what: str, tmp_path: Path
) -> None:
    assert old in SMALL
    path = written(tmp_path, SMALL.replace(old, new, 1))
    with pytest.raises(UsageError, match=f"(?s){what}"):
        load_task(path)


def test_a_task_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'advance_refund'"):
        load_task("advance_refunds")
