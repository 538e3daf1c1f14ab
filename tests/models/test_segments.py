import json

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError
from models.segments import as_json, from_json, look_up, shrunk_means


def _rates(seed: int, spread: float, sizes: list[int]) -> tuple[pd.DataFrame, np.ndarray]:
    """Segments with true rates around 0.3, and 0/1 values drawn from them."""
    rng = np.random.default_rng(seed)
    true = np.clip(0.3 + spread * rng.normal(size=len(sizes)), 0.01, 0.99)
    segment = np.repeat(np.arange(len(sizes)), sizes)
    frame = pd.DataFrame({"segment": segment, "true": true[segment]})
    return frame, (rng.random(segment.size) < true[segment]).astype(float)


def test_shrunk_means_are_nearer_the_truth_than_either_extreme() -> None:
    error = np.zeros(3)
    for seed in range(20):
        frame, values = _rates(seed, 0.1, [5, 10, 20, 40, 80] * 8)
        shrunk = look_up(shrunk_means(values, frame, ["segment"]), frame)
        plain = pd.Series(values).groupby(frame["segment"]).transform("mean")
        first = ~frame["segment"].duplicated().to_numpy()
        true = frame["true"].to_numpy()
        for k, guess in enumerate((shrunk, plain.to_numpy(), np.full(true.size, values.mean()))):
            error[k] += np.mean((guess - true)[first] ** 2)
    assert error[0] < 0.8 * error[1]
    assert error[0] < 0.8 * error[2]


def test_segments_that_do_not_differ_answer_with_the_mean_of_all() -> None:
    frame = pd.DataFrame({"s": ["a", "b"] * 50})
    values = np.tile([0.0, 0, 1, 1], 25)
    assert set(shrunk_means(values, frame, ["s"]).values.values()) == {0.5}


def test_large_segments_keep_their_own_mean() -> None:
    frame, values = _rates(0, 0.2, [20_000] * 5)
    shrunk = look_up(shrunk_means(values, frame, ["segment"]), frame)
    plain = pd.Series(values).groupby(frame["segment"]).transform("mean")
    np.testing.assert_allclose(shrunk, plain, atol=1e-3)


def test_weights_choose_and_nulls_do_not_count() -> None:
    frame = pd.DataFrame({"s": ["a", "a", "b", "b"]})
    values = np.array([1.0, np.nan, 0.0, 5.0])
    means = shrunk_means(values, frame, ["s"], np.array([3.0, 9.0, 1.0, 0.0]))
    assert means.overall == pytest.approx(0.75)


def test_null_and_unseen_segments() -> None:
    frame = pd.DataFrame({"s": [None] * 500 + ["a"] * 500, "t": pd.Categorical(["x", "y"] * 500)})
    means = shrunk_means(np.repeat([1.0, 0.0], 500) + 0.1 * (frame.index % 2), frame, ["s", "t"])
    found = look_up(means, pd.DataFrame({"s": [None, "a", "new"], "t": ["x", "y", "x"]}))
    np.testing.assert_allclose(found, [1.0, 0.1, 0.55], atol=0.01)


def test_no_segments_and_no_rows() -> None:
    frame = pd.DataFrame(index=range(4))
    means = shrunk_means(np.arange(4.0), frame, [])
    assert look_up(means, frame).tolist() == [1.5] * 4
    nothing = shrunk_means(np.empty(0), pd.DataFrame({"s": []}), ["s"])
    assert np.isnan(look_up(nothing, pd.DataFrame({"s": ["a"]}))).all()
    assert look_up(means, frame[:0]).size == 0


def test_json_keeps_every_bit() -> None:
    frame, values = _rates(0, 0.1, [7, 11, 13])
    means = shrunk_means(values, frame, ["segment"])
    assert from_json(json.loads(json.dumps(as_json(means)))) == means
    nothing = shrunk_means(np.empty(0), frame[:0], ["segment"])
    assert np.isnan(from_json(json.loads(json.dumps(as_json(nothing)))).overall)


def test_a_missing_segment_column_names_the_nearest() -> None:
    means = shrunk_means(np.ones(2), pd.DataFrame({"category": ["a", "b"]}), ["category"])
    with pytest.raises(ContractError, match="did you mean 'categori'"):
        look_up(means, pd.DataFrame({"categori": ["a"]}))
