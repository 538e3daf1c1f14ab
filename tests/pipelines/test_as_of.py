import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from data.ledger import Ledger, ledger_of
from pipelines.as_of import moment


def ledger(days: int = 2) -> Ledger:
    times = pd.date_range("2026-01-01 06:00", periods=days, freq="D", tz="UTC")
    return ledger_of(
        pd.DataFrame(
            {"event_type": "order_paid", "event_ts": times, "known_ts": times, "user_id": 1}
        )
    )


def test_without_a_time_everything_is_known() -> None:
    assert moment(None, ledger()) == pd.Timestamp("2026-01-02 06:00:00.000001", tz="UTC")


@pytest.mark.parametrize("given", ["2026-01-03", "2026-01-03T08:00+08:00", "2026-01-03 00:00"])
def test_a_time_is_utc_unless_it_says_otherwise(given: str) -> None:
    assert moment(given, ledger()) == pd.Timestamp("2026-01-03", tz="UTC")


def test_before_the_first_event_is_an_error() -> None:
    with pytest.raises(UsageError, match="before the first event"):
        moment("2026-01-01 06:00", ledger())


def test_two_days_after_the_last_event_are_the_limit() -> None:
    assert moment("2026-01-04 06:00", ledger())
    with pytest.raises(ContractError, match="--allow-stale"):
        moment("2026-01-04 06:00:01", ledger())
    assert moment("2027-01-01", ledger(), allow_stale=True)


def test_an_empty_ledger_is_an_error() -> None:
    with pytest.raises(ContractError, match="no event"):
        moment(None, ledger(0))


def test_nonsense_is_an_error() -> None:
    with pytest.raises(UsageError, match="no time"):
        moment("yesterday", ledger())
