"""A frame comes back from Spark's types as it went."""

import pandas as pd
import pyarrow as pa
import pytest

from pipelines.spark.transit import dtypes_of, received, sent


@pytest.fixture
def frame() -> pd.DataFrame:
    words = pd.CategoricalDtype(["a", "b", "never"])
    return pd.DataFrame(
        {
            "text": pd.Series(["a", None, "b"], dtype="str"),
            "word": pd.Series(["b", None, "a"], dtype=words),
            "code": pd.Series(pd.Categorical.from_codes([0, -1, 1], pd.Index([7, 2**60 + 1]))),
            "truth": pd.Series([True, False, None]).astype("category"),
            "whole": pd.Series([1, 2, 2**60 + 1]),
            "maybe": pd.Series([1, None, 2**60 + 1], dtype="Int64"),
            "float": pd.Series([0.1, float("nan"), -0.0]),
            "flag": pd.Series([True, False, True]),
            "when": pd.to_datetime(pd.Series(["2026-01-01", None, "2026-01-02"]), utc=True)
            .dt.as_unit("us"),
        }
    )  # fmt: skip


def test_every_dtype_comes_back(frame: pd.DataFrame) -> None:
    for some in (frame, frame.iloc[:0], frame.iloc[1:2].reset_index(drop=True)):
        pd.testing.assert_frame_equal(received(sent(some), dict(frame.dtypes)), some)


def test_a_block_without_a_value_can_be_sent_on(frame: pd.DataFrame) -> None:
    nothing = received(sent(frame.iloc[1:2]), dtypes_of(frame))
    assert sent(nothing).equals(sent(frame.iloc[1:2]))


def test_what_is_sent_has_no_categories(frame: pd.DataFrame) -> None:
    assert not any(pa.types.is_dictionary(f.type) for f in sent(frame).schema)
    found = received(sent(frame), dtypes_of(frame))
    for name in ("word", "code", "truth"):
        assert isinstance(found[name].dtype, pd.CategoricalDtype)
        assert found[name].astype(object).equals(frame[name].astype(object))
