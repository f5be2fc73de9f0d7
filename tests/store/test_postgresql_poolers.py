"""A pooler between a hub and its PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from messenger_hub.runtime.database import DatabaseError
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.eventually import eventually
from tests.postgresql import OWNER, PostgresqlServer, unprivileged
from tests.store.conftest import DIGEST

PORT = 6432  # of a socket in a folder
SETTINGS = """
[databases]
* = host={server}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = extra_float_digits
"""


@pytest.fixture(params=["transaction", "session"])
def pooler(request: pytest.FixtureRequest, postgresql: PostgresqlServer) -> Iterator[Path]:
    """The folder of a PgBouncer's socket."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("there is no PgBouncer: apt-get install pgbouncer")
    folder = postgresql.folder / request.param
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    file = folder / "pgbouncer.ini"
    settings = SETTINGS.format(server=postgresql.folder, port=PORT, folder=folder, mode=request.param)
    # Whoever comes is let in, as the owner.
    file.write_text(settings.replace("* = ", f"* = user={OWNER} "))
    file.chmod(0o644)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *unprivileged(), program, str(file)], stdout=log, stderr=log
        )
    eventually((folder / f".s.PGSQL.{PORT}").exists, what="PgBouncer listens")
    yield folder
    process.terminate()
    process.wait(10)


async def test_a_pooler_is_refused_with_what_to_do(pooler: Path, postgresql: PostgresqlServer, template: str) -> None:
    name = postgresql.database(template)
    address = StoreAddress(f"postgresql://{OWNER}@/{name}?host={pooler}&port={PORT}")
    for use in (PostgresqlStore.open(address, DIGEST), PostgresqlStore.look(address)):
        with pytest.raises(DatabaseError, match=r"A pooler .* give the address of PostgreSQL itself"):
            await use
    await (await PostgresqlStore.open(postgresql.address(name), DIGEST)).close()
