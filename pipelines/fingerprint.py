"""A digest of all the data a job saw: changing any cell of any row changes it."""

import hashlib

import numpy as np

from data.ledger import Column, Ledger


def fingerprint(ledger: Ledger) -> str:
    """The ledger's own SHA-256, or one over every column in memory where it has none."""
    if ledger.fingerprint:
        return ledger.fingerprint
    state = hashlib.sha256(ledger.currency.encode())
    for name in sorted(ledger.columns):
        state.update(f"\0{name}\0".encode())
        _feed(state, ledger.columns[name])
    return state.hexdigest()


def _feed(state: "hashlib._Hash", column: Column) -> None:
    state.update(column.kind.encode())
    state.update(np.ascontiguousarray(column.values).data)
    if column.valid is not None:
        state.update(np.ascontiguousarray(column.valid).data)
    if column.dictionary is not None:
        for value in column.dictionary:
            state.update(f"{value}\0".encode())
