"""Whether a source fits the ledger it is appended to: one currency, one type per column, sums."""

import pyarrow as pa
import pyarrow.compute as pc

from data.contract import Contract
from data.errors import ContractError
from data.folder import Manifest
from data.writer import key_types


def check_declared(contract: Contract, currency: str | None, old: Manifest, where: str) -> None:
    """Refuse what a source declares otherwise than the ledger holds it.

    Raises
    ------
    ContractError : another currency, or another type of a column.
    """
    if currency not in (None, old.currency):
        what = f"the currency is {currency}, the ledger's is {old.currency}"
        raise ContractError(what, where=where, fix="keep a ledger for each currency")
    for name, entry in old.columns.items():
        spec = contract.columns.get(name)
        if spec and spec.type != entry["type"]:
            what = f"column '{name}' is {spec.type}, in the ledger it is {entry['type']}"
            fix = "choose another name for it, or build the ledger again"
            raise ContractError(what, where=where, fix=fix)


def check_types(table: pa.Table, contract: Contract, old: Manifest, where: str) -> None:
    """Refuse typed rows whose ids have another type, or whose sums would leave 64 bits.

    Raises
    ------
    ContractError : naming the column.
    """
    for name, kind in key_types(table, contract).items():
        if (known := old.key_types.get(name, kind)) != kind:
            what = f"the ids of column '{name}' are {kind}, in the ledger they are {known}"
            fix = f'give the key one type for all sources: `{name} = "{known}"` under [keys]'
            raise ContractError(what, where=where, fix=fix)
    for name, entry in old.columns.items():
        if entry["type"] == "int" and name in table.column_names:
            added = pc.sum(pc.abs(table.column(name).cast(pa.float64(), safe=False))).as_py() or 0
            if entry["total"] + added >= 2**63:
                what = f"with the ledger's own, the sum of column '{name}' does not fit 64 bits"
                raise ContractError(what, where=where, fix="check the column's unit")
