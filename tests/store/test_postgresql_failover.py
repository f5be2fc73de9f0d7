"""A failover from a real primary to its replica, which lacks the last moments."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.delivery.restoration import SKIPPED
from messenger_hub_server.store import base
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.postgresql import PostgresqlServer, Replicated, replicated
from tests.store.conftest import DIGEST
from tests.store.test_conformance import new


@pytest.fixture
def pair() -> Iterator[Replicated]:
    with replicated() as one:
        yield one


async def test_after_a_failover_that_loses_the_last_moments_no_number_of_theirs_is_given_again(
    pair: Replicated, tmp_path: Path
) -> None:
    where = pair.address(pair.primary.database())
    nodes = [await PostgresqlStore.open(where, DIGEST) for _ in range(2)]
    folders = [PrivateFolder(_made(tmp_path / name)) for name in ("one", "other")]
    files = [await node.highwater(folder) for node, folder in zip(nodes, folders, strict=True)]
    changed: dict[int, int] = {}
    for i, node in enumerate(nodes):
        node.on_failover(partial(changed.__setitem__, i))
    kept = (await files[0].reserve(10))[0]
    await nodes[0].apply([base.Accept(operation=new(kept))])
    pair.lose_what_follows()
    lost = (await files[0].reserve(10))[-1]
    await nodes[0].apply([base.Accept(operation=new(lost))])
    pair.fail_over()
    assert await nodes[1].operation(new(kept).id) is not None
    assert await nodes[1].operation(new(lost).id) is None
    blocks = [await file.reserve(10) for file in reversed(files)]
    assert blocks[0][0] == kept + 10 + SKIPPED, "the first to come back skips, and the others do not skip again"
    assert blocks[1][0] == blocks[0][-1] + 1
    assert changed == {0: blocks[0][-1], 1: blocks[0][0] - 1}, "what is larger was accepted since"
    assert changed[1] > lost
    for node in nodes:
        await node.close()


async def test_a_crash_and_a_restart_of_one_server_are_no_failover(pair: Replicated, tmp_path: Path) -> None:
    primary = pair.primary
    store = await PostgresqlStore.open(primary.address(primary.database()), DIGEST)
    file = await store.highwater(PrivateFolder(tmp_path))
    changed: list[int] = []
    store.on_failover(changed.append)
    await file.reserve(10)
    primary.stop(signal.SIGQUIT)
    primary.start()
    with pytest.raises(base.StoreError):
        await file.reserve(10)
    assert (await file.reserve(10))[0] < 100
    assert changed == []
    await store.close()


async def test_a_server_that_does_not_tell_its_timeline_serves_all_the_same(
    postgresql: PostgresqlServer, template: str, tmp_path: Path
) -> None:
    name = postgresql.database(template)
    postgresql.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", name)
    store = await PostgresqlStore.open(postgresql.address(name), DIGEST)
    assert await (await store.highwater(PrivateFolder(tmp_path))).reserve(1) == range(1, 2)
    await store.close()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
