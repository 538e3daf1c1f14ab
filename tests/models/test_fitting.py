from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from models.fitting import _slices


def test_a_slice_is_scored_by_trees_of_rows_further_away_than_the_gap() -> None:
    rng = np.random.default_rng(0)
    us = rng.integers(0, 100, 1_000)
    data: Any = SimpleNamespace(us=us, y=rng.integers(0, 2, 1_000).astype(float))
    gap = timedelta(microseconds=7)
    settings: Any = SimpleNamespace(folds=5, share=0.5, refit=True, stratify=True, gap=gap)
    slices = _slices(data, settings)
    assert np.array_equal(np.sort(np.concatenate([held for _, held in slices])), np.arange(1_000))
    for fit, held in slices:
        low, high = us[held].min(), us[held].max()
        assert np.array_equal(fit, np.flatnonzero((us < low - 7) | (us > high + 7)))
        assert fit.size > 600  # before and after
