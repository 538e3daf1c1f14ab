from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.errors import ContractError, ModelError
from models.encode import encode, learn_encoding, unseen


def test_categories_get_codes_in_sorted_order_and_nulls_stay_null() -> None:
    X = pd.DataFrame({"n": [1, 2, 3], "c": ["b", None, "a"]})
    encoding = learn_encoding(X)
    assert encoding.categories == {"c": ("a", "b")}
    assert encoding.categorical == (1,)
    np.testing.assert_array_equal(encode(encoding, X), [[1, 1], [2, np.nan], [3, 0]])


def test_unseen_values_are_nan_and_counted_apart_from_nulls() -> None:
    encoding = learn_encoding(pd.DataFrame({"c": ["a", "b"]}))
    for column in (["z", None, "a", "y"], pd.Categorical(["z", None, "a", "y"])):
        X = pd.DataFrame({"c": column})
        assert unseen(encoding, X) == {"c": 2}
        np.testing.assert_array_equal(encode(encoding, X)[:, 0], [np.nan, np.nan, 0, np.nan])


def test_every_kind_of_number_is_taken_and_a_null_is_nan() -> None:
    X = pd.DataFrame(
        {
            "int": pd.array([1, None], "Int64"),
            "float": pd.array([0.5, None], "Float64"),
            "bool": pd.array([True, None], "boolean"),
            "object": pd.Series([1.5, None], dtype=object),
            "plain": [True, False],
            "empty": pd.Series([None, None], dtype=object),
        }
    )
    matrix = encode(learn_encoding(X), X)
    nan = np.nan
    np.testing.assert_array_equal(matrix, [[1, 0.5, 1, 1.5, 1, nan], [nan, nan, nan, nan, 0, nan]])
    assert matrix.dtype == np.float32
    assert matrix.flags.f_contiguous


def test_an_array_keeps_its_order() -> None:
    X = np.arange(10_000.0).reshape(5_000, 2)
    np.testing.assert_array_equal(encode(learn_encoding(X), X), X)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.to_datetime(["2025-01-01"]), "is datetime64"),
        (pd.Series([[1]], dtype=object), "is mixed"),
        (pd.Series([1e39]), "infinity or a value too large"),
        (pd.Series([-np.inf]), "infinity"),
    ],
)
def test_a_column_that_no_model_takes(column: Any, message: str) -> None:
    X = pd.DataFrame({"x": column})
    with pytest.raises(ContractError, match=f"'x'.*{message}"):
        encode(learn_encoding(X), X)


def test_two_columns_of_one_name() -> None:
    with pytest.raises(ContractError, match="two columns are named 'x'"):
        learn_encoding(pd.DataFrame([[1, 2]], columns=["x", "x"]))


def test_text_where_a_number_was() -> None:
    encoding = learn_encoding(pd.DataFrame({"x": [1]}))
    with pytest.raises(ContractError, match="'x' is text here"):
        encode(encoding, pd.DataFrame({"x": ["1"]}))


def test_a_missing_column_names_the_nearest_and_the_count() -> None:
    encoding = learn_encoding(pd.DataFrame({"amount": [1], "reason": ["a"]}))
    with pytest.raises(ModelError, match=r"'amount' is missing \(1 of 2") as caught:
        encode(encoding, pd.DataFrame({"amuont": [1], "reason": ["a"]}))
    assert caught.value.fix == "did you mean 'amuont'?"
    assert caught.value.exit_code == 5


def test_arrow_columns_are_those_of_numpy() -> None:
    X = pd.DataFrame({"flag": [True, None, False], "word": ["a", None, "b"], "none": [None] * 3})
    plain = X.assign(flag=X["flag"].astype("boolean"))
    words = pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))
    arrow = X.convert_dtypes(dtype_backend="pyarrow").astype({"word": words})
    assert {str(t) for t in arrow.dtypes} == {"bool[pyarrow]", str(words), "null[pyarrow]"}
    assert learn_encoding(arrow) == learn_encoding(plain)
    for encoding in (learn_encoding(arrow), learn_encoding(plain)):
        np.testing.assert_array_equal(encode(encoding, arrow), encode(encoding, plain))


def test_a_code_is_known_again_once_a_null_has_made_it_a_float() -> None:
    encoding = learn_encoding(pd.DataFrame({"code": pd.Categorical([6, 7, 8])}))
    for column in (pd.Categorical([7.0, None, 6.0]), [7.0, None, 6.0], ["7", None, "6"]):
        told = encode(encoding, pd.DataFrame({"code": column}))[:, 0]
        np.testing.assert_array_equal(told, [1, np.nan, 0])
    halves = learn_encoding(pd.DataFrame({"code": pd.Categorical([6.0, 6.5])}))
    assert halves.categories == {"code": ("6", "6.5")}


def test_numbers_where_words_were_learnt_are_refused() -> None:
    encoding = learn_encoding(pd.DataFrame({"zip": ["007", "042"]}))
    with pytest.raises(ContractError, match="'zip' is numbers here and was text"):
        encode(encoding, pd.DataFrame({"zip": [7, 42]}))
    assert np.isnan(encode(encoding, pd.DataFrame({"zip": [np.nan]}))).all()


def test_two_columns_of_one_name_are_refused_when_scored_too() -> None:
    X = pd.DataFrame({"a": [1.0]})
    with pytest.raises(ContractError, match="two columns are named 'a'"):
        encode(learn_encoding(X), pd.concat([X, X], axis=1))


def test_what_to_do_about_a_column_depends_on_what_it_is() -> None:
    for column, fix in ((pd.to_datetime(["2025-01-01"]), "age"), ([[1]], "astype")):
        with pytest.raises(ContractError) as told:
            learn_encoding(pd.DataFrame({"x": column}))
        assert fix in told.value.fix
