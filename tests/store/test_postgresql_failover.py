"""A failover from a real primary to its replica, which lacks the last moments."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.delivery.restoration import SKIPPED
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.eventually import eventually
from tests.postgresql import OWNER, PostgresqlServer, postgresql_server
from tests.store.conftest import DIGEST
from tests.store.test_conformance import new

NO_PRIMARY = "ALTER SYSTEM SET primary_conninfo = ''"


@pytest.fixture
def servers() -> Iterator[tuple[PostgresqlServer, PostgresqlServer]]:
    with postgresql_server() as primary, postgresql_server(primary) as replica:
        yield primary, replica


def address(primary: PostgresqlServer, replica: PostgresqlServer, name: str) -> StoreAddress:
    """Of whichever of them can be written to."""
    return StoreAddress(f"postgresql://{OWNER}@/{name}?host={primary.folder},{replica.folder}")


def caught_up(primary: PostgresqlServer, replica: PostgresqlServer) -> None:
    """Until the replica has all that the primary has written."""
    written = primary.sql("SELECT pg_current_wal_lsn()")
    eventually(
        lambda: replica.sql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") == "t", what="the replica caught up"
    )


def cut_off(replica: PostgresqlServer) -> None:
    """What the primary writes from now on is lost with it."""
    replica.sql(NO_PRIMARY)
    replica.sql("SELECT pg_reload_conf()")
    eventually(lambda: replica.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0", what="the replica is cut off")


async def test_after_a_failover_that_loses_the_last_moments_no_number_of_theirs_is_given_again(
    servers: tuple[PostgresqlServer, PostgresqlServer], tmp_path: Path
) -> None:
    primary, replica = servers
    where = address(primary, replica, primary.database())
    nodes = [await PostgresqlStore.open(where, DIGEST) for _ in range(2)]
    folders = [PrivateFolder(_made(tmp_path / name)) for name in ("one", "other")]
    files = [await node.highwater(folder) for node, folder in zip(nodes, folders, strict=True)]
    changed: list[int] = []
    for i, node in enumerate(nodes):
        node.on_failover(lambda i=i: changed.append(i))  # type: ignore[misc]
    kept = (await files[0].reserve(10))[0]
    await nodes[0].apply([base.Accept(operation=new(kept))])
    caught_up(primary, replica)
    cut_off(replica)
    lost = (await files[0].reserve(10))[-1]
    await nodes[0].apply([base.Accept(operation=new(lost))])
    primary.stop(signal.SIGQUIT)
    replica.promote()
    assert await nodes[1].operation(new(kept).id) is not None
    assert await nodes[1].operation(new(lost).id) is None
    blocks = [await file.reserve(10) for file in reversed(files)]
    assert blocks[0][0] == kept + 10 + SKIPPED, "the first to come back skips, and the others do not skip again"
    assert blocks[1][0] == blocks[0][-1] + 1
    assert sorted(changed) == [0, 1]
    for node in nodes:
        await node.close()


async def test_a_crash_and_a_restart_of_one_server_are_no_failover(
    servers: tuple[PostgresqlServer, PostgresqlServer], tmp_path: Path
) -> None:
    primary, _ = servers
    store = await PostgresqlStore.open(primary.address(primary.database()), DIGEST)
    file = await store.highwater(PrivateFolder(tmp_path))
    changed: list[bool] = []
    store.on_failover(lambda: changed.append(True))
    await file.reserve(10)
    primary.stop(signal.SIGQUIT)
    primary.start()
    with pytest.raises(base.StoreError):
        await file.reserve(10)
    assert (await file.reserve(10))[0] < 100
    assert changed == []
    await store.close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
