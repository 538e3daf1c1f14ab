import pandas as pd
import pytest

from data.errors import ContractError, UsageError
from data.ledger import Ledger, ledger_of
from pipelines.as_of import beginning, moment


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
        moment("2026-01-04 06:00:01", ledger(), allow_stale=False)
    with pytest.raises(ContractError, match="a time before 2026-01-04 06:00:00") as error:
        moment("2026-01-04 06:00:01", ledger())
    assert "--allow-stale" not in error.value.fix
    assert moment("2027-01-01", ledger(), allow_stale=True)


def test_an_empty_ledger_is_an_error() -> None:
    with pytest.raises(ContractError, match="no event"):
        moment(None, ledger(0))


@pytest.mark.parametrize(
    "given", ["yesterday", "now", "today", "", "nan", "NaT", "10:00", "5", "March"]
)
def test_nonsense_and_this_machines_clock_are_errors(given: str) -> None:
    with pytest.raises(UsageError, match=r"--as-of: .* is no time"):
        moment(given, ledger())


@pytest.mark.parametrize("given", ["0001-01-01", "1969-12-31", "9999-12-31"])
def test_a_time_that_no_clock_holds_is_an_error(given: str) -> None:
    with pytest.raises(UsageError, match="between 1970 and 2262"):
        moment(given, ledger(), allow_stale=True)


def test_a_beginning_lies_before_the_end() -> None:
    end = moment(None, ledger())
    assert beginning("2026-01-02 06:00", end) < end
    with pytest.raises(UsageError, match="--since: since 2026-01-03 is not before the as-of"):
        beginning("2026-01-03", end)
    with pytest.raises(UsageError, match="--since: 'garbage' is no time"):
        beginning("garbage", end)
