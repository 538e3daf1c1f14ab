"""PostgreSQL queries as sources. Nothing of an address is shown but host, port and database."""

import re
from urllib.parse import urlsplit

import pyarrow as pa

from data.errors import ContractError, UsageError
from data.sources import Source, open_frame

# libpq quotes the piece of an address it stumbles over, and that may be the password: only these
# of its messages, which name a host, are passed on.
_TELLING = ("connection to server", "could not translate host name")
_HOSTS = re.compile(r"[\w.:,\[\]-]*")


def open_postgres(uri: str, query: str, name: str) -> Source:
    """The rows of a query; NUMERIC arrives as float, a type of PostgreSQL's own needs `::text`.

    Raises
    ------
    UsageError : an address that cannot be read.
    ContractError : the driver is not installed, the server is not reachable, the query fails.
    """
    try:
        import adbc_driver_postgresql.dbapi as postgres
    except ImportError as e:
        fix = "pip install 'clawback[postgres]'"
        raise ContractError("the PostgreSQL driver is missing", where=name, fix=fix) from e
    where = f"{name} ({_address(uri, name)})"
    connected = False
    try:
        with postgres.connect(uri) as connection, connection.cursor() as cursor:
            connected = True
            cursor.execute(query)
            table = cursor.fetch_arrow_table()
    except postgres.Error as e:
        said = " ".join(str(e).split())
        if not connected and not any(t in said for t in _TELLING):
            raise _malformed(name) from None
        fix = "check that the server runs, the address, the rights and the query"
        raise ContractError(f"PostgreSQL: {said}", where=where, fix=fix) from None
    columns = [_plain(table.column(i)) for i in range(table.num_columns)]
    return open_frame(pa.table(columns, table.column_names), name)


def _address(uri: str, name: str) -> str:
    """The address without its user and password; of libpq's `key=value` form nothing is shown."""
    if "://" not in uri:
        return "PostgreSQL"
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise _malformed(name) from None
    _, _, hosts = parts.netloc.rpartition("@")
    if uri.count("@") > parts.netloc.count("@") or parts.netloc.count("@") > 1:
        raise _malformed(name)  # an @ or / of the password: what looks like a host may be secret
    if not _HOSTS.fullmatch(hosts):
        raise _malformed(name)
    return f"{parts.scheme}://{hosts}{parts.path}"


def _malformed(name: str) -> UsageError:
    fix = (
        "postgresql://user:password@host:port/database; write @ : / ? # % of a password as %40 ..."
    )
    return UsageError("the address of the database cannot be read", where=name, fix=fix)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """PostgreSQL's own types as Arrow's: NUMERIC as float, the others as their text."""
    kind = column.type
    if not isinstance(kind, pa.BaseExtensionType):
        return column
    stored = pa.chunked_array([c.storage for c in column.chunks], kind.storage_type)
    return stored.cast(pa.float64()) if getattr(kind, "type_name", "") == "numeric" else stored
