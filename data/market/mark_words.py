"""The words of the notes in `marks`, and the names of months."""

import numpy as np
import pandas as pd

from data.market.requests import REASONS
from data.market.world import Array, World

CARRIERS = ("platform_express", "shop_counter", "carrier_a", "carrier_b", "carrier_c", "carrier_d")
DETAILS = tuple(f"{reason}_{n}" for reason in REASONS for n in (1, 2))
FINDINGS = ("used", "damaged", "missing_parts", "wrong_item", "empty_parcel")
RISK_CODES = ("normal", "abnormal")
CHANGES = ("payout_account", "phone", "password", "device")


def months(world: World) -> tuple[str, ...]:
    """The names of the world's months, one more than it is long."""
    first = pd.Period(world.book["calendar"]["start"], freq="M")
    return tuple(str(first + n) for n in range(world.months + 1))


def month(world: World, us: Array) -> Array:
    """Position of each moment in `months`."""
    found, first = (
        np.asarray(x, "datetime64[us]").astype("datetime64[M]").astype(np.int64)
        for x in (us, world.start_us)
    )
    return np.asarray(found - first)
