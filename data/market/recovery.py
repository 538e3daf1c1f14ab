"""Money that comes back after a claw-back: drawn for what happened, expected for the truth.

Per case and fate everything comes back with some probability, else a uniform share with some
probability, else nothing.
"""

import numpy as np
import pandas as pd

from data.market.fates import FAULTS, Fates
from data.market.world import DAY, HOUR, Array, World

HORIZON_LOSS_DAYS = 105
CHANNELS = ("payment_rail", "deduction", "merchant_deposit", "carrier")


def chance_full(world: World, cases: pd.DataFrame, book: Fates) -> Array:
    """P(all money comes back | a claw-back by this fate), shape (cases, fates)."""
    recovery = world.book["recovery"]
    ability = np.array(recovery["ability"])[cases["kind"].to_numpy()]
    ability = ability + recovery["opportunism"] * cases["opportunism"].to_numpy()
    buyers = (book.fault == FAULTS.index("buyer")) | (book.fault == FAULTS.index("both"))
    with np.errstate(divide="ignore"):
        logit = np.log(book.full) - np.log1p(-book.full)
    return np.asarray(1 / (1 + np.exp(-(logit + np.outer(ability, buyers)))))


def expected_share(world: World, full: Array) -> Array:
    """Expected unrecovered share of what is clawed back, shape of `full`."""
    recovery = world.book["recovery"]
    return np.asarray((1 - full) * (1 - recovery["partial"] * np.mean(recovery["share"])))


def claimed(amount: Array, share: Array) -> Array:
    """Cents asked back of an advance; the merchant bears the rest of a shared fault."""
    return np.asarray(np.maximum(1, np.ceil(amount * share)).astype(np.int64))


def within_horizon(world: World, book: Fates) -> Array:
    """P(the claw-back opens within the loss horizon), shape (fates,)."""
    low, high = world.book["recovery"]["late_days"]
    return np.where(book.late, (HORIZON_LOSS_DAYS - low) / (high - low), 1.0)


def recovered(
    world: World, cases: pd.DataFrame, book: Fates, fate: Array, full: Array, owed: Array
) -> pd.DataFrame:
    """What comes back, when and how, if the case is clawed back.

    Returns
    -------
    One row a case: `recovered` (cents of `owed`), `recovery_wait` and `write_off_wait` (us after
    the claw-back opened), `channel` (position in CHANNELS).
    """
    rng, n = world.stream("recovery"), len(cases)
    low, high = world.book["recovery"]["share"]
    all_back = rng.random(n) < full[np.arange(n), fate]
    some_back = rng.random(n) < world.book["recovery"]["partial"]
    share = rng.uniform(low, high, n)
    part = np.minimum(np.maximum(1, np.rint(owed * share)), owed - 1).astype(np.int64)
    back = np.where(all_back, owed, np.where(some_back, np.maximum(part, 0), 0))
    wait = np.exp(np.log(4.0) + 1.0 * rng.standard_normal(n)) * 24
    wait = np.where(fate == book.code("withdrew_repaid"), 1 + wait % 47, np.clip(wait, 1, 38 * 24))
    wait = np.where(book.late[fate], np.minimum(wait, 72), wait)
    by_fault = np.array([0, 2, 0, 0, 3, 0])[book.fault[fate]]
    channel = np.where((by_fault == 0) & (~all_back | (wait > 48)), 1, by_fault)
    return pd.DataFrame(
        {
            "recovered": back,
            "recovery_wait": (wait * HOUR).astype(np.int64),
            "write_off_wait": rng.integers(42 * DAY, 60 * DAY, n),
            "channel": channel,
        }
    )
