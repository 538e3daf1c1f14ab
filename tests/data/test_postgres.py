"""A PostgreSQL query as a source, on a real server that the tests start on loopback."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.check import check
from data.errors import ContractError, UsageError, UserError
from data.ingest import build_ledger
from data.store import read_ledger

pytestmark = pytest.mark.postgres
postgres = pytest.importorskip("adbc_driver_postgresql.dbapi")

MAPPING = """
[source.orders]
uri_env = "SHOP_DB"
query = "SELECT *, tag::text AS tag_text FROM orders"
[[event]]
source = "orders"
type = "order_paid"
delay = "0s"
[event.fields]
event_ts = "paid_at"
user_id = "buyer"
amount_cents = "round(price * 100)"
reason = "tag_text"
"""


def _programs() -> Path | None:
    """The newest server installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    on_path = shutil.which("initdb")
    return found[-1] if found else Path(on_path).parent if on_path else None


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
    return port


def _as_server() -> dict[str, Any]:
    """Options of a process that is not root: initdb refuses root."""
    if os.geteuid():
        return {}
    names = {u.pw_name: u for u in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    options = _as_server()
    with tempfile.TemporaryDirectory() as folder:
        if options:
            os.chown(folder, options["user"], options["group"])
        home, port = Path(folder) / "db", _free_port()
        command = [f"{programs}/initdb", "-D", f"{home}", "-A", "trust", "-U", "shop", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **options)
        command = [f"{programs}/postgres", "-D", f"{home}", "-p", f"{port}", "-h", "127.0.0.1"]
        options |= {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        running = subprocess.Popen([*command, "-k", "", "-c", "fsync=off"], **options)
        uri = f"postgresql://shop:s3cret@127.0.0.1:{port}/postgres"
        try:
            _fill(uri)
            yield uri
        finally:
            running.terminate()
            running.wait(30)


def _connect(uri: str) -> Any:
    """A connection as soon as the server is up."""
    for _ in range(150):
        with contextlib.suppress(postgres.Error):
            return postgres.connect(uri)
        time.sleep(0.2)
    pytest.fail("the server did not start")


def _fill(uri: str) -> None:
    with _connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE orders (buyer bigint, price numeric(12, 2), paid_at timestamptz, "
            "local_at timestamp, tag uuid)"
        )
        cursor.execute(
            "INSERT INTO orders VALUES (7, 12.35, '2026-01-02 03:04:05+08', '2026-01-02', "
            "'6f2c1b1e-0000-4000-8000-000000000001'), (8, 0.29, '2026-01-03 00:00:00+00', "
            "'2026-01-03', NULL), (NULL, 1, '2026-01-03 00:00:00+00', '2026-01-03', NULL)"
        )
        connection.commit()


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    (tmp_path / "shop.toml").write_text(MAPPING)
    return tmp_path / "shop.toml"


def test_a_query_becomes_a_ledger(
    server: str, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DB", server)
    report = build_ledger(mapping, mapping.parent / "ledger", max_quarantine=0.5)
    assert (report.kept, report.quarantined) == (2, 1)
    ledger = read_ledger(mapping.parent / "ledger")
    assert ledger["amount_cents"].values.tolist() == [1235, 29]
    assert ledger["user_id"].decode(ledger["user_id"].values).tolist() == [7, 8]
    assert ledger.known_us[0] == 1767294245_000_000


def test_a_naive_column_needs_a_zone(
    server: str, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DB", server)
    mapping.write_text(MAPPING.replace('"paid_at"', '"local_at"'))
    with pytest.raises(ContractError, match="are naive"):
        check(mapping)


def test_a_query_that_fails_says_why_without_the_password(
    server: str, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_DB", server)
    mapping.write_text(MAPPING.replace("FROM orders", "FROM oders"))
    with pytest.raises(ContractError, match='relation "oders" does not exist') as error:
        check(mapping)
    assert "s3cret" not in str(error.value)


def test_a_server_that_is_not_reachable(mapping: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DB", f"postgresql://shop:s3cret@127.0.0.1:{_free_port()}/shop")
    with pytest.raises(ContractError, match=r"orders \(postgresql://127.0.0.1:\d+/shop\)") as error:
        check(mapping)
    assert "Connection refused" in str(error.value)
    assert "fix: check that the server runs" in str(error.value)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "address",
    [
        "host=127.0.0.1 port=1 password=s3cret",
        "host=127.0.0.1 port=1 password=a s3cret",
        "host=127.0.0.1 port=x password='s3cret'",
        "postgresql://127.0.0.1:1/x?password=s3cret",
        "postgresql://u:s3cret@127.0.0.1:99999999/x",
        "postgresql://u:s3cret@[::1/x",
        "postgresql://u:a@s3cret@127.0.0.1:1/x",
        "postgresql://u:/s3cret@127.0.0.1:1/x",
        "postgresql://u:?s3cret@127.0.0.1:1/x",
        "postgresql://u:#s3cret@127.0.0.1:1/x",
        "s3cret",
    ],
)
def test_no_address_shows_its_password(
    mapping: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("SHOP_DB", address)
    with pytest.raises(UserError, match="orders") as error:
        check(mapping)
    assert "s3cret" not in str(error.value)


def test_an_address_that_is_not_set(mapping: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_DB", raising=False)
    with pytest.raises(UsageError, match="SHOP_DB is not set"):
        check(mapping)
