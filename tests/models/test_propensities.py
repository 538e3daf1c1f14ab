import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ContractError
from models.propensities import checked_propensity, support_p_value, weights


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.0001, np.inf])
def test_what_cannot_have_been_drawn_is_refused(wrong: float) -> None:
    with pytest.raises(ContractError, match=r"1 logged propensities cannot be .first: row 1"):
        checked_propensity([0.5, wrong, np.nan])


STAGE = st.tuples(st.sampled_from([0.25, 0.5, 1.0, np.nan]), st.booleans())


@given(st.lists(st.tuples(STAGE, STAGE, STAGE), min_size=1, max_size=8))
def test_weights_multiply_until_the_two_part(rows: list[tuple[tuple[float, bool], ...]]) -> None:
    prob, same = (np.array([[stage[k] for stage in row] for row in rows]) for k in (0, 1))
    found = weights(prob, same.astype(bool))
    for i, row in enumerate(rows):
        weight, missing, impossible = 1.0, False, False
        for p, follows in row:
            missing |= bool(np.isnan(p))
            if not follows:
                weight, impossible = 0.0, p == 1.0
                break
            weight /= p
        assert bool(found.missing[i]) == missing
        assert bool(found.impossible[i]) == impossible
        assert found.weight[i] == (0.0 if missing else weight)


def test_full_support_is_doubted_as_rarely_as_promised() -> None:
    rng, n = np.random.default_rng(0), 3000
    for p in (0.03, 0.3):
        doubted = sum(support_p_value((rng.random(400) < p) / p, 1 / p) < 0.05 for _ in range(n))
        assert doubted / n < 0.05


def test_a_quarter_without_support_is_seen() -> None:
    rng = np.random.default_rng(0)
    w = np.where(rng.random(4000) < 0.2, 5.0, 0.0) * (np.arange(4000) % 4 > 0)
    assert support_p_value(w, 5.0) < 0.001
    assert support_p_value(np.zeros(100), 5.0) < 0.001
    assert support_p_value(np.zeros(3), 5.0) > 0.5
