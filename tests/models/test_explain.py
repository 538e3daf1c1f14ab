from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models import explain
from models.encode import encode
from models.explain import contributions, reasons
from models.risk import RiskModel

SIGNS = {"claims": 1, "age_days": -1}
KEYS = {"claims": "many_claims", "age_days": "young", "category": "category", "noise": "young"}


@pytest.fixture(scope="module")
def fitted(draw: Callable[[int, int], Any]) -> tuple[RiskModel, pd.DataFrame]:
    X, y, _ = draw(5_000, 0)
    params = {"n_estimators": 50}
    return RiskModel(monotone=SIGNS, params=params, num_threads=1).fit(X, y), X[:300]


def test_contributions_sum_to_the_raw_score(fitted: Any) -> None:
    model, X = fitted
    rest = model.raw_score(X) - contributions(model, encode(model.encoding_, X)).sum(axis=1)
    np.testing.assert_allclose(rest, rest[0], atol=1e-9)


def test_reasons_are_what_a_loop_over_rows_and_groups_finds(fitted: Any) -> None:
    model, X = fitted
    matrix = encode(model.encoding_, X)
    values = contributions(model, matrix)
    expected = []
    for i in range(len(X)):
        groups: dict[str, list[float]] = {}
        for j, name in enumerate(X.columns):
            side = (matrix[i, j] - model.centre_[j]) * SIGNS.get(name, 0) > 0
            total = groups.setdefault(KEYS[name], [0.0, 0.0])
            total[0] += values[i, j]
            total[1] += values[i, j] if side else 0.0
        found = [(t, k) for k, (t, agrees) in groups.items() if t > 0 and agrees >= t / 2]
        for rank, (total_, key) in enumerate(sorted(found, reverse=True)[:2]):
            expected.append((i, rank + 1, key, total_))
    table = reasons(model, X, KEYS, top=2)
    assert list(zip(table["row"], table["rank"], table["key"], strict=True)) == [
        e[:3] for e in expected
    ]
    np.testing.assert_allclose(table["contribution"], [e[3] for e in expected])
    assert table["agrees"].all()


def test_a_reason_stands_on_the_side_its_sign_calls_risky(fitted: Any) -> None:
    model, X = fitted
    table = reasons(model, X, {"claims": "many_claims"})
    assert len(table)
    assert (X["claims"].to_numpy()[table["row"]] > np.median(X["claims"])).all()
    turned = reasons(model, X, {"claims": "many_claims"}, signs={"claims": -1})
    assert turned.empty


def test_columns_without_a_sign_are_no_reason_unless_there_are_no_signs(fitted: Any) -> None:
    model, X = fitted
    assert reasons(model, X, {"category": "category"}).empty
    shown = reasons(model, X, {"category": "category"}, agreeing_only=False)
    assert len(shown)
    assert not shown["agrees"].any()
    free = reasons(model, X, {"category": "category"}, signs={})
    assert free["agrees"].all()
    assert (X["category"].to_numpy()[free["row"]] == "phones").all()


def test_blocks_change_nothing(fitted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, X = fitted
    whole = reasons(model, X, KEYS)
    monkeypatch.setattr(explain, "BLOCK", 7)
    pd.testing.assert_frame_equal(reasons(model, X, KEYS), whole)


def test_no_rows_and_no_keys_give_an_empty_table(fitted: Any) -> None:
    model, X = fitted
    for table in (reasons(model, X[:0], KEYS), reasons(model, X, {})):
        assert table.empty
        assert list(table) == ["row", "rank", "key", "contribution", "agrees"]
