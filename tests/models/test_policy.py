from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from data.errors import UsageError
from models.actions import ACTIONS, BINDING_REASONS, RULE_REASONS
from models.policy import CAUSES, dump_policy, load_policy
from models.policy_sections import Rule, Tier

RULE = 'id = "x"\n[[rule]]\ncolumn = "a"\noperator = "is_null"\nreason = "deposit"\n'


def written(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path: Path, text: str) -> Any:
    with pytest.raises(UsageError) as caught:
        load_policy(written(tmp_path, text))
    assert str(tmp_path) in caught.value.where
    assert caught.value.fix
    return str(caught.value)


def test_the_default_policy_prices_every_cause_above_zero() -> None:
    costs = load_policy().clawback_cost_cents
    assert set(costs) == set(CAUSES)
    assert min(costs.values()) > 0


def test_no_action_denies_a_refund() -> None:
    assert set(ACTIONS) == {
        "instant",
        "at_first_scan",
        "after_delivery",
        "after_inspection",
        "review",
    }


def test_reasons_are_listed_once_and_hold_the_rules_reasons() -> None:
    assert len(set(BINDING_REASONS)) == len(BINDING_REASONS)
    assert set(RULE_REASONS) <= set(BINDING_REASONS)


def test_a_policy_survives_the_round_trip(tmp_path: Path) -> None:
    rule = Rule(
        "user_id",
        "in",
        "hold_list",
        ('u"1\\', "u2\x7f\n"),
        force="after_inspection",
        until=date(2027, 1, 31),
    )
    policy = replace(load_policy(), rule=(rule,), tier=(), kill_switch=True)
    assert load_policy(written(tmp_path, dump_policy(policy))) == policy
    assert dump_policy(load_policy(written(tmp_path, dump_policy(policy)))) == dump_policy(policy)


def test_the_version_depends_on_the_content_and_not_on_the_spelling(tmp_path: Path) -> None:
    one = load_policy(written(tmp_path, 'id = "x"\n[value]\nhour_cents = 3\ncapital_per_day=1e-4'))
    two = load_policy(
        written(tmp_path, '# why\nvalue.capital_per_day = 0.0001\nvalue.hour_cents = 3.0\nid = "x"')
    )
    assert one.version == two.version
    assert len(one.version) == 12
    assert int(one.version, 16) >= 0


@pytest.mark.parametrize(
    "text",
    [
        "kill_switch = true",
        "[value]\nhour_cents = 2.5",
        "[clawback_cost_cents]\nwithdrawn = 801",
        "[exploration]\nseed = 2",
        "rule = []",
        "[caps.merchant]\ncount = 3",
    ],
)
def test_any_change_is_another_version(tmp_path: Path, text: str) -> None:
    same = load_policy(written(tmp_path, 'id = "default"'))
    assert same.version == load_policy().version
    assert load_policy(written(tmp_path, f'id = "default"\n{text}')).version != same.version


def test_what_a_file_leaves_out_is_the_defaults(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, 'id = "x"\n[clawback_cost_cents]\nwithdrawn = 1'))
    assert policy.clawback_cost_cents == dict(load_policy().clawback_cost_cents) | {"withdrawn": 1}
    assert policy.tier == load_policy().tier


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('id = "x"\n[value]\nhour_cent = 3', "did you mean 'hour_cents'"),
        ('id = "x"\nkillswitch = true', "did you mean 'kill_switch'"),
        ('id = "x"\n[[rule]]\ncolum = "a"', "did you mean 'column'"),
        ('id = "x"\n[[tier]]\nname = "A"\nmin_points = 600', "'tier[0].base_cents' is missing"),
        ('id = "x"\n[clawback_cost_cents]\nwithdrawal = 3', "did you mean 'withdrawn'"),
        ('id = "x"\nkill_switch = 1', "give true or false"),
        ('id = "x"\n[exploration]\nseed = 1.5', "give a whole number"),
        ('id = "x"\n[value]\nhour_cents = "3"', "give a number"),
        ("id = 3", "give a text in quotes"),
        ('id = "x"\ncaps = 3', "give a table"),
        ('id = "x"\nrule = 3', "give tables, [[...]]"),
        ('id = "x"\n[caps.day]\ncount = -1', "caps.day.count = -1"),
        ('id = "x"\n[caps.merchant]\namount_cents = -1', "caps.merchant.amount_cents = -1"),
        (f"{RULE}until = 'soon'\nallow = []", "give a date without quotes"),
        (f"{RULE}allow = 'instant'", "give a list"),
        (f"{RULE}force = 3", "give a text in quotes"),
        ('id = "x"\n[exploration]\nshare = 0.9', "outside 0 to 0.5"),
        ('id = "x"\n[value]\nhour_cents = nan', "outside"),
        ('id = "x"\n[value]\ncapital_per_day = -0.1', "outside"),
        ('id = ""', "no id"),
        ("kill_switch = true", "no id"),
        ("id = ", "is not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    assert says in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"reason": "depozit", "force": "review"}, "did you mean 'deposit'"),
        ({"operator": "is_nul", "force": "review"}, "did you mean 'is_null'"),
        ({"force": "deny"}, "'deny' is unknown"),
        ({"allow": ("review",)}, "'review' is unknown"),
        ({"value": "3", "force": "review"}, "give a number"),
        ({"operator": "in", "value": 3, "force": "review"}, "give a list"),
        ({"operator": "in", "value": (), "force": "review"}, "'in' with nothing"),
        ({"operator": "not_in", "value": (), "force": "review"}, "'not_in' with nothing"),
        ({"value": (), "force": "review"}, "'gt' with nothing"),
        ({"operator": "is_null", "force": "review"}, "leave value out"),
        ({}, "exactly one"),
        ({"allow": (), "force": "review"}, "exactly one"),
        ({"force": "instant"}, "has no end"),
        ({"reason": "hold_list", "force": "after_inspection"}, "has no end"),
        ({"reason": "hold_list", "allow": ()}, "has no end"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: Any, says: str) -> None:
    good = {"column": "a", "operator": "gt", "value": 3, "reason": "deposit"}
    with pytest.raises(UsageError) as caught:
        Rule(**(good | rule))
    assert says in str(caught.value)


def test_a_time_is_no_date(tmp_path: Path) -> None:
    rule = 'column = "a"\noperator = "is_null"\nreason = "deposit"\nallow = []'
    text = f'id = "x"\n[[rule]]\n{rule}\nuntil = 2027-01-01T00:00:00'
    assert "rule[0].until" in refused(tmp_path, text)


def test_tiers_stand_in_order_and_once() -> None:
    high, low = Tier("A", 640.0, 2), Tier("B", 600.0, 1)
    with pytest.raises(UsageError, match="not in order"):
        replace(load_policy(), tier=(low, high))
    with pytest.raises(UsageError, match="one name"):
        replace(load_policy(), tier=(high, replace(low, name="A")))


def test_a_policy_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_policy(tmp_path / "nowhere.toml")
    (tmp_path / "gbk.toml").write_bytes('id = "默认"'.encode("gbk"))
    with pytest.raises(UsageError, match="not TOML"):
        load_policy(tmp_path / "gbk.toml")
