"""The loops under the engine, each on a table one can read."""

import numpy as np
import pandas as pd
import pytest

from data.ledger import NULL_CODE, UNKNOWN_CODE, Column, Ledger
from features import kernels, sorting
from features.declarations import Events
from features.event_sets import bitmask, members


def codes(*values: int) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    return np.array(values, np.int32)


def test_only_pairs_that_are_asked_for_get_a_number() -> None:
    a, b = codes(0, 1, 0, NULL_CODE, UNKNOWN_CODE, UNKNOWN_CODE), codes(5, 5, 5, 2, 3, NULL_CODE)
    keys, numbers, found = np.full(16, -1, np.int64), np.zeros(16, np.int32), np.zeros(6, np.int32)
    assert sorting.learn_pairs(a, b, keys, numbers, found) == 2
    assert found.tolist() == [0, 1, 0, NULL_CODE, UNKNOWN_CODE, NULL_CODE]
    events = np.zeros(5, np.int32)
    word = np.array([1, 1, 1, 0, 1], np.uint64)
    sorting.find_pairs(codes(1, 0, 7, 1, -1), codes(5, 5, 5, 5, 5), word, keys, numbers, events)
    assert events.tolist() == [1, 0, -1, -1, -1]  # asked, asked, unheard of, in no set, null


def test_many_pairs_that_collide_are_told_apart() -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.integers(0, 50, 4_000).astype(np.int32) for _ in range(2))
    keys, numbers = np.full(8_192, -1, np.int64), np.zeros(8_192, np.int32)
    found = np.zeros(4_000, np.int32)
    count = sorting.learn_pairs(a, b, keys, numbers, found)
    pairs = pd.Series(a.astype(np.int64) * 100 + b)
    assert count == pairs.nunique()
    assert len(set(zip(pairs, found, strict=True))) == count


def test_a_set_is_its_types_and_every_condition() -> None:
    reasons = pd.Index(["late", "size"])
    ledger = Ledger(
        {
            "event_type": Column("code", codes(0, 0, 1, 0, 0), dictionary=pd.Index(["ask", "pay"])),
            "known_ts": Column("time", np.arange(5)),
            "user_id": Column("code", codes(0, 0, 0, 0, 0), dictionary=pd.Index(["u"])),
            "reason": Column("code", codes(0, 1, 0, -1, 0), dictionary=reasons),
            "score": Column("float", np.array([1.0, 2.0, 1.0, 1.0, np.nan])),
            "cents": Column("int", np.array([1, 0, 3, 4, 5]), np.array([1, 0, 1, 1, 1], bool)),
        }
    )
    late = Events("late", "ask", where={"reason": ["late", "never heard of"], "score": 1.0})
    assert members(ledger, late).tolist() == [True, False, False, False, False]
    assert members(ledger, Events("none", "unheard_of")).tolist() == [False] * 5
    ask = Events("asks", "ask")
    word = bitmask(ledger, [(ask, None), (ask, "cents"), (ask, "score"), (ask, "reason")])
    assert word.tolist() == [0b1111, 0b1101, 0, 0b0111, 0b1011]


@pytest.mark.parametrize("bit", [0, 7, 63])
@pytest.mark.parametrize("lane", range(kernels.LANES))
def test_a_running_sum_carries_its_count_in_any_bit_and_lane(bit: int, lane: int) -> None:
    word = np.array([0, 1 << bit, 0, 1 << bit], np.min_scalar_type(1 << bit))
    values, total = np.array([9, -5, 9, 7]), np.zeros((4, kernels.LANES), np.int64)
    bits = np.full(kernels.LANES, (bit + 1) % 64)  # the other lanes' sets are empty
    bits[lane] = bit
    kernels.running(word, bits, bits, 3, values, total)
    found = [(t >> 3, t & 7) for t in total[:, lane].tolist()]
    assert found == [(0, 0), (-5, 1), (-5, 1), (2, 2)]
    assert not np.delete(total, lane, axis=1).any()
    kernels.running(word, bits, bits, 0, values, total)
    assert total[:, lane].tolist() == [0, -5, -5, 2]
