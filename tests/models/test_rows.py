import random as randomness

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.encode import Matrix
from models.rows import content_keys, distinct_rows, take, take_in_place

SMALL = st.sampled_from([0.0, -0.0, 1.0, np.nan])
MATRICES = arrays(np.float32, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=SMALL)


@given(MATRICES, st.randoms(use_true_random=False))
def test_keys_follow_the_content_of_a_row_and_nothing_else(
    matrix: Matrix, random: randomness.Random
) -> None:
    order = list(range(len(matrix)))
    random.shuffle(order)
    keys = content_keys(np.asfortranarray(matrix))
    assert (content_keys(np.asfortranarray(matrix[order])) == keys[order]).all()
    for i in range(len(matrix)):
        for j in range(i):
            assert (keys[i] == keys[j]) == np.array_equal(matrix[i], matrix[j], equal_nan=True)


@given(MATRICES)
def test_equal_rows_become_one_with_the_sum_of_their_weights(matrix: Matrix) -> None:
    matrix = np.asfortranarray(matrix)
    weight = np.arange(len(matrix), dtype=float) + 1
    found = distinct_rows(matrix, weight)
    rows, total = found.rows, found.weight
    assert sorted(found.cell) == list(range(len(rows)))
    assert len(rows) == len({tuple(map(str, r + 0)) for r in matrix})
    assert total.sum() == weight.sum()
    for row, sum_ in zip(rows, total, strict=True):
        same = [i for i, r in enumerate(matrix) if np.array_equal(r, matrix[row], equal_nan=True)]
        assert sum_ == weight[same].sum()


def test_a_difference_elsewhere_keeps_rows_apart_and_weight_0_is_out() -> None:
    matrix = np.zeros((4, 2), np.float32, order="F")
    found = distinct_rows(matrix, np.array([1.0, 1, 1, 0]), np.array([0.0, 1, 1, 5]))
    assert sorted(found.weight.tolist()) == [1, 2]
    assert set(found.rows) <= {0, 1, 2}
    assert found.cell.tolist() == [0, 0]  # equal features, whatever the target


def test_any_two_nans_are_equal() -> None:
    nans = np.array([0x7FC00000, 0xFFC00000, 0x7FC00001], np.uint32).view(np.float32)
    assert len(set(content_keys(np.asfortranarray(nans[:, None])))) == 1


def test_another_seed_gives_another_order() -> None:
    matrix = np.asfortranarray(np.arange(50, dtype=np.float32)[:, None])
    orders = [distinct_rows(matrix, np.ones(50), seed=s).rows.tolist() for s in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@given(MATRICES, st.data())
def test_taking_rows_in_place_is_taking_rows(matrix: Matrix, data: st.DataObject) -> None:
    some = st.lists(st.integers(0, len(matrix) - 1), max_size=len(matrix))
    rows = np.array(data.draw(some), dtype=np.int64)
    source = np.asfortranarray(matrix)
    expected = matrix[rows]
    np.testing.assert_array_equal(take(source, rows), expected)
    taken = take_in_place(source, rows)
    np.testing.assert_array_equal(taken, expected)
    assert taken.flags.f_contiguous
    assert rows.size == 0 or np.shares_memory(taken, source)
