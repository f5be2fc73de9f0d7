"""A database on another machine: nothing goes there in the clear, and nobody else is taken for it."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from messenger_hub.runtime.database import DatabaseError
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.e2e.whole_way.world import free_port
from tests.integration.server import authority
from tests.postgresql import OWNER, PostgresqlServer, installed, own_folder

DIGEST = b"\7" * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A server that speaks TLS on a port, with the certificate that has issued its own."""

    server: PostgresqlServer
    port: int
    issuer: Path

    def address(self, database: str, issuer: Path, host: str = "127.0.0.1") -> StoreAddress:
        """As an operator writes it."""
        checked = f"sslmode=verify-full&sslrootcert={issuer}"
        return StoreAddress(f"postgresql://{OWNER}:geheim@{host}:{self.port}/{database}?{checked}")


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    programs = installed()
    if programs is None:
        pytest.skip("there is no PostgreSQL: apt-get install postgresql")
    folder, port = own_folder(), free_port()
    server = PostgresqlServer(programs, folder, port)
    try:
        pair = authority.make(folder, "db.example")
        server.make()
        for file in (pair.certificate, pair.key):
            file.chmod(0o600)
            shutil.chown(file, folder.owner())
        server.start(ssl="on", ssl_cert_file=str(pair.certificate), ssl_key_file=str(pair.key))
        server.sql(f"CREATE ROLE {OWNER} LOGIN")
        yield Elsewhere(server=server, port=port, issuer=pair.certificate)
    finally:
        server.stop(signal.SIGQUIT)
        shutil.rmtree(folder)


async def test_every_connection_is_encrypted_where_the_address_asks_for_it(elsewhere: Elsewhere) -> None:
    database = elsewhere.server.database()
    store = await PostgresqlStore.open(elsewhere.address(database, elsewhere.issuer), DIGEST)
    try:
        ours = f"FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = '{database}'"
        assert int(elsewhere.server.sql(f"SELECT count(*) {ours} AND ssl")) >= 1
        assert elsewhere.server.sql(f"SELECT count(*) {ours} AND NOT ssl") == "0"
    finally:
        await store.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["of another issuer", "of another name"])
async def test_a_certificate_that_is_not_the_databases_is_refused_with_what_to_do(
    elsewhere: Elsewhere, tmp_path: Path, host: str
) -> None:
    another = authority.make(tmp_path).certificate if host == "127.0.0.1" else elsewhere.issuer
    with pytest.raises(DatabaseError) as refused:
        await PostgresqlStore.open(elsewhere.address("postgres", another, host), DIGEST)
    told = f"{refused.value} {refused.value.__cause__}"
    assert f"postgresql://{host}:{elsewhere.port}/postgres shows a certificate that is not trusted" in told
    assert "sslrootcert" in told and "geheim" not in told


async def test_a_certificate_that_is_not_there_is_named(elsewhere: Elsewhere, tmp_path: Path) -> None:
    with pytest.raises(DatabaseError) as refused:
        await PostgresqlStore.open(elsewhere.address("postgres", tmp_path / "db.pem"), DIGEST)
    assert f"{tmp_path / 'db.pem'}, its sslrootcert, cannot be read (No such file or directory)." in str(refused.value)
