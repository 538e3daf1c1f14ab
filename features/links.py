"""Ways of linking: which shared identities make two accounts one cluster.

A user and an identity (a value of a key column) are linked by any event that carries both. What is
counted of the clusters is `features.declarations.Ring`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from data.errors import UsageError

MOST: Final = 255  # users of an identity that are compared one by one


@dataclass(frozen=True)
class Links:
    """A named way of linking accounts.

    Parameters
    ----------
    name : becomes part of the columns' names.
    caps : key column to the most users that one of its values links. With one more it is a hub (a
        dormitory, a parcel station) and links nobody any longer.

    >>> Links("access", {"device_id": 12, "address_id": 15}).caps
    {'address_id': 15, 'device_id': 12}
    >>> Links("access", {"device_id": 1})
    Traceback (most recent call last):
    ...
    data.errors.UsageError: links 'access': the cap of device_id is 1
    fix: a cap is a whole number of users from 2 to 255
    """

    name: str
    caps: Mapping[str, int] = field(hash=False)

    def __post_init__(self) -> None:
        where = f"links '{self.name}'"
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            fix = "use letters, digits and underscores: names of columns are made of it"
            raise UsageError(f"the name of a way of linking is {self.name!r}", where=where, fix=fix)
        if not self.caps or "user_id" in self.caps:
            fix = "name key columns that users share, each with a cap: device_id = 12"
            raise UsageError(f"it links by {list(self.caps)}", where=where, fix=fix)
        for column, cap in self.caps.items():
            if not (isinstance(cap, int) and not isinstance(cap, bool) and 2 <= cap <= MOST):
                fix = f"a cap is a whole number of users from 2 to {MOST}"
                raise UsageError(f"the cap of {column} is {cap!r}", where=where, fix=fix)
        object.__setattr__(self, "caps", dict(sorted(self.caps.items())))
