import tomllib
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from data.toml_text import toml_key, toml_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    TEXTS,
    st.dates(date(1000, 1, 1)),
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v) | st.dictionaries(TEXTS, v), max_leaves=10)


@given(TEXTS, VALUES)
def test_what_is_written_is_read_again(key: str, value: object) -> None:
    assert tomllib.loads(f"{toml_key(key)} = {toml_text(value)}") == {key: value}


def test_signs_beyond_the_basic_plane_stay_one_sign() -> None:
    text = "退款 \U0001f4e6"
    assert tomllib.loads(f"a = {toml_text(text)}") == {"a": text}
