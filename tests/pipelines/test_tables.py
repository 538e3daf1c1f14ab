from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from pipelines.tables import append_tables, stamped, write_table


def frame() -> pd.DataFrame:
    return pd.DataFrame({"user_id": ["a", "b"], "p": [0.1, float("nan")]})


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    one = write_table(frame(), tmp_path / "one.parquet", {"model_version": "m"})
    two = write_table(frame().copy(), tmp_path / "two.parquet", {"model_version": "m"})
    assert one.read_bytes() == two.read_bytes()
    assert pq.read_metadata(one).metadata[b"model_version"] == b"m"


def test_a_csv_is_plain_text(tmp_path: Path) -> None:
    path = write_table(stamped(frame(), {"run_id": "r"}), tmp_path / "t.csv")
    assert path.read_text() == "user_id,p,run_id\na,0.1,r\nb,,r\n"


def test_texts_without_a_value_are_texts(tmp_path: Path) -> None:
    """As texts of which only some rows of the ledger have one: no table changes its types."""
    none = pd.Series(pd.Categorical([None, None], categories=pd.Index([], dtype="str")))
    unused = pd.Series(pd.Categorical([None, None], categories=pd.Index(["a"], dtype="str")))
    one, two = (pd.DataFrame({"reason": v}) for v in (none, unused))
    written = [write_table(t, tmp_path / "t.parquet").read_bytes() for t in (one, two)]
    assert written[0] == written[1]
    append_tables(iter([one, two]), tmp_path / "both.parquet")
    assert pd.read_parquet(tmp_path / "both.parquet")["reason"].isna().tolist() == [True] * 4
