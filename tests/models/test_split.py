from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from models.split import latest_rows, time_split, walk_forward

DAY = 86_400_000_000
DAYS = np.arange(100, dtype=np.int64) * DAY


def test_slices_stand_in_time_with_gaps_between() -> None:
    split = time_split(DAYS, calibrate=0.2, evaluate=0.2, gap=timedelta(days=10))
    assert split.fit.tolist() == list(range(50))
    assert split.calibrate.tolist() == list(range(60, 70))
    assert split.evaluate.tolist() == list(range(80, 100))


def test_a_row_exactly_a_gap_before_the_next_slice_is_set_aside() -> None:
    fit, late = latest_rows(DAYS, 0.2, timedelta(days=10))
    assert fit.max() == 69  # day 70 is 10 days before day 80: its label lands as the slice begins
    assert late.min() == 80


def test_rows_of_one_moment_stay_together_in_any_order() -> None:
    times = np.array([1, 2, 2, 2, 2, 1])
    split = time_split(times, calibrate=0, evaluate=0.2)
    assert split.evaluate.tolist() == [1, 2, 3, 4]
    assert split.calibrate.size == 0


def test_datetimes_in_any_zone_and_microseconds_agree() -> None:
    utc = pd.Series(pd.to_datetime(DAYS, unit="us", utc=True))
    for times in (utc, utc.dt.tz_convert("Asia/Shanghai"), utc.dt.tz_localize(None), list(utc)):
        assert (time_split(times).evaluate == time_split(DAYS).evaluate).all()


def test_groups_are_on_one_side_and_both_sides_keep_some() -> None:
    users = np.array([f"u{i % 20}" for i in range(100)], dtype=object)
    users[[0, 99]] = None
    split = time_split(DAYS, groups=users, evaluate=0.3)
    early = set(users[split.fit]) | set(users[split.calibrate])
    assert early & set(users[split.evaluate]) <= {None}
    assert min(split.fit.size, split.calibrate.size, split.evaluate.size) > 0
    assert 0 in split.fit
    assert 99 in split.evaluate


def test_walk_forward_evaluates_each_span_once_after_all_it_fits_on() -> None:
    times = np.append(DAYS, 100 * DAY - 1)  # the last span ends as day 100 begins
    folds = walk_forward(times, folds=3, span=timedelta(days=10), gap=timedelta(days=5))
    assert [f.max() for f, _ in folds] == [64, 74, 84]
    assert [(late.min(), late.max()) for _, late in folds] == [(70, 79), (80, 89), (90, 100)]


def test_walk_forward_keeps_groups_apart() -> None:
    users = np.arange(100) % 7
    for fit, late in walk_forward(DAYS, folds=2, span=timedelta(days=30), groups=users):
        assert not set(users[fit]) & set(users[late])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: time_split([]), "times: no rows"),
        (lambda: time_split([1, None]), "a decision has no time"),
        (lambda: time_split(["yesterday"]), "or int64 microseconds"),
        (lambda: time_split(DAYS, gap=timedelta(days=90)), "slice fit: no rows"),
        (lambda: time_split(DAYS, y=DAYS >= 50 * DAY), "slice calibrate: only one class"),
        (
            lambda: walk_forward(DAYS[DAYS != 80 * DAY], folds=30, span=timedelta(days=1)),
            "fold 1970-03-21 to 1970-03-22: no decisions",
        ),
        (lambda: walk_forward(DAYS, folds=4, span=timedelta(days=30)), "slice fit .*: no rows"),
    ],
)
def test_a_slice_that_cannot_be_made_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        call()


def test_shares_that_leave_nothing_to_fit() -> None:
    with pytest.raises(UsageError, match="leave nothing to fit"):
        time_split(DAYS, calibrate=0.5, evaluate=0.5)
