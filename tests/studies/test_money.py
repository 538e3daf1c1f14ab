"""A small version of the study: expected losses come true, pooled over markets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.studies.money import money_study


@pytest.mark.slow
def test_expected_losses_come_true_and_naive_ones_do_not(tmp_path: Path) -> None:
    rows = pd.concat([money_study(tmp_path, 200_000, seed) for seed in (1, 2, 3)])
    expected, true = rows["expected_cents"].sum(), rows["true_cents"].sum()
    # About as many abusers teach the risk of what is paid as are met later; amounts have a
    # coefficient of variation of about 1, which doubles the variance of their sum.
    error = np.sqrt(2 / rows["abusers"].sum())
    assert abs(np.log(expected / true)) < np.log(1.1) + 2 * error
    # One loss rate for everybody, as a ledger's mean says it, misses what the policy chooses.
    assert rows["naive_cents"].sum() / true > 1.1 + 4 * error
