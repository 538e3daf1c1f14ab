"""The study in the small: young cases do no harm, and calling them good lowers every risk."""

import numpy as np

from tests.studies.young import expected_precision, gain, study


def test_expected_precision_is_that_of_certain_outcomes() -> None:
    assert (
        expected_precision(np.array([3.0, 2.0, 1.0]), np.array([1.0, 0.0, 1.0])) == (1 + 2 / 3) / 2
    )


def test_young_cases_help_and_calling_them_good_does_not_stay_unnoticed() -> None:
    table = study(60_000, [11, 12, 13])
    mean, lower, _ = gain(table)
    assert mean > -2 * (mean - lower) / 4.3  # t with 2 degrees: no loss beyond the markets' luck
    assert table["level_naive"].mean() < table["level_ours"].mean()
    assert table["ap_censoring"].mean() < table["ap_ours"].mean()
