"""Every reason has a text for everybody, and every text a reason."""

import re

import pytest

from data.errors import UsageError
from features.reasons import AUDIENCES, LANGUAGES, reason_text, text_keys
from features.task import load_task
from models.actions import BINDING_REASONS

TASK = load_task("advance_refund")
KEYS = {d.reason for d in TASK.features}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_every_reason_in_use_has_texts_and_no_text_is_unused() -> None:
    assert set(text_keys()) == KEYS | set(BINDING_REASONS)


def test_every_feature_of_the_built_in_task_has_a_reason_and_a_source() -> None:
    assert [d.name for d in TASK.declarations if not d.source] == []
    assert [d.name for d in TASK.features if not d.reason] == []


@pytest.mark.parametrize("key", text_keys())
def test_each_key_speaks_both_languages_to_both(key: str) -> None:
    texts = {(lang, who): reason_text(key, lang, who) for lang in LANGUAGES for who in AUDIENCES}
    assert all(text == text.strip() and 5 < len(text) < 160 for text in texts.values())
    assert all(bool(CHINESE.search(t)) == (lang == "zh") for (lang, _), t in texts.items())
    assert all(t.endswith("。" if lang == "zh" else ".") for (lang, _), t in texts.items())


@pytest.mark.parametrize("key", text_keys())
def test_no_text_accuses_anybody_or_speaks_of_refusing(key: str) -> None:
    words = (
        "拒绝|驳回|欺诈|骗|恶意|滥用|违规|嫌疑|den(y|ied)|reject|fraud|abus|suspic|cheat|risk|风险"
    )
    for lang in LANGUAGES:
        for who in AUDIENCES:
            assert not re.search(words, reason_text(key, lang, who), re.IGNORECASE)


def test_a_merchant_is_never_addressed_as_the_buyer() -> None:
    assert [k for k in text_keys() if "您" in reason_text(k, "zh", "merchant")] == []
    assert [k for k in text_keys() if "买家" in reason_text(k, "zh", "buyer")] == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("member_levl",), "did you mean 'member_level'"),
        (("value", "de"), "unknown language 'de'"),
        (("value", "en", "courier"), "unknown audience 'courier'"),
    ],
)
def test_an_unknown_word_names_the_nearest(args: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        reason_text(*args)
