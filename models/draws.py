"""Draws that need no generator: a uniform number from a row's own id.

The same row under the same salt draws the same number in every run, on every machine and in any
order of the rows; another salt (a new policy version or seed) draws afresh.
"""

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def uniform(ids: "pd.Series[str]", salt: str) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), a pure function of each id and the salt.

    Examples
    --------
    >>> bool(uniform(pd.Series([7]), "a")[0] == uniform(pd.Series([3, 7]), "a")[1])
    True
    """
    codes, unique = pd.factorize(ids)
    hashed = pd.util.hash_array(np.asarray(pd.Index(np.asarray(unique)).astype(str), object))
    key = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "little")
    mixed = _mix(hashed.astype(np.uint64) ^ np.uint64(key))
    numbers = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers[codes]


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit reaches every bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
