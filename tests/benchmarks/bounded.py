"""The 80 columns of `workload` in 8 GiB: what `measure` runs."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from tests.benchmarks.workload import definitions

MEMORY: Final = 8 << 30


def sliced(folder: Path) -> list[Any]:
    """From Parquet to finished columns, a block of decisions at a time; the sum of all cells."""
    import pyarrow.parquet as pq

    from data.slices import open_folder
    from features.parts import feature_blocks

    cases = pq.read_table(folder / "decisions.parquet").to_pandas()
    cases = cases.rename(columns={"known_ts": "as_of"})
    ledger, total = open_folder(folder / "ledger"), 0.0
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        blocks = feature_blocks(definitions(), ledger, cases, memory=MEMORY, scratch=Path(scratch))
        for _, X in blocks:
            total += float(X.to_numpy().sum())
    return [np.array([total])]


WAYS: Final[dict[str, Callable[[Path], list[Any]]]] = {"sliced": sliced}
