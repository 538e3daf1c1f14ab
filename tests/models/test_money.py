from typing import Any

import numpy as np
import pytest

from data.errors import ContractError
from models.money import expected_loss, float_cost, speed_value


def test_expected_loss_is_probability_times_share_times_amount() -> None:
    assert expected_loss([0.1, 0.0, 1.0], [0.5, 1.0, 1.0], [20_000, 5, 0]).tolist() == [
        1000.0,
        0.0,
        0.0,
    ]
    assert expected_loss([0.1, 0.2], 0.5, [100, 100]).tolist() == [5.0, 10.0]


@pytest.mark.parametrize(
    ("p", "lgd", "amount"),
    [
        ([np.nan], [0.5], [1]),
        ([1.1], [0.5], [1]),
        ([0.1], [-0.5], [1]),
        ([0.1], [0.5], [-1]),
        ([0.1, 0.2], [0.5], [1]),
    ],
)
def test_expected_loss_refuses_what_is_no_probability_share_or_amount(
    p: Any, lgd: Any, amount: Any
) -> None:
    with pytest.raises(ContractError):
        expected_loss(p, lgd, amount)


def test_speed_counts_hours_up_to_the_cap_and_never_below_zero() -> None:
    assert speed_value([0.0, 10.0, 480.0, 481.0, -5.0], 2.0, 480.0).tolist() == [0, 20, 960, 960, 0]


def test_capital_costs_by_the_day() -> None:
    # 100 yuan for 10 days at 2 basis points a day: 20 cents
    assert float_cost([10_000], [240.0], 0.0002) == pytest.approx([20.0])
    assert float_cost([10_000], [-240.0], 0.0002).tolist() == [0.0]
