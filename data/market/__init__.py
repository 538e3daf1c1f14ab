"""A simulated marketplace with known truth.

`simulate(World(...))` gives a ledger of events and, apart from it, the truth that only the judge
and the studies may read.
"""

from data.market.simulate import Market, simulate
from data.market.world import World, altered

__all__ = ["Market", "World", "altered", "simulate"]
