"""Numbers that several nodes give out, and what each node's file says about the database that they share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server import restoring
from messenger_hub_server.delivery.restoration import SKIPPED
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.model import Channel, ChannelId, JournalId, OperationId
from messenger_hub_server.operation_ids import FRESH_MS, SPARE, FreshIds, OperationIds
from messenger_hub_server.registry_ids import RegistryIds
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.postgresql import PostgresqlServer
from tests.store.conftest import DIGEST
from tests.store.test_conformance import CHANNEL, JOURNAL, new


class Node:
    """A store with its own folder."""

    def __init__(
        self, store: PostgresqlStore, folder: PrivateFolder, file: HighWater, registry_ids: RegistryIds
    ) -> None:
        self.store = store
        self.folder = folder
        self.file = file
        self.registry_ids = registry_ids

    @classmethod
    async def open(cls, address: StoreAddress, path: Path) -> Node:
        path.mkdir(exist_ok=True)
        folder = PrivateFolder(path)
        store = await PostgresqlStore.open(address, DIGEST)
        return cls(store, folder, await store.highwater(folder), store.registry_ids(folder))

    async def take(self, epoch: int) -> None:
        taken = base.TakeEpoch(channel_id=CHANNEL, epoch=epoch, journal_id=JOURNAL)
        await asyncio.to_thread(self.file.take, [taken])
        await self.store.apply([taken])


@pytest.fixture
async def pair(address: StoreAddress, tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    one, other = [await Node.open(address, tmp_path / name) for name in ("one", "other")]
    yield one, other
    await one.store.close()
    await other.store.close()


async def test_no_operation_id_is_given_to_two_nodes(pair: tuple[Node, Node]) -> None:
    blocks = await asyncio.gather(*(node.file.reserve(10) for node in pair for _ in range(10)))
    given = [number for block in blocks for number in block]
    assert sorted(given) == list(range(1, 201))


async def test_a_node_whose_file_is_behind_the_others_numbers_is_no_older_copy(pair: tuple[Node, Node]) -> None:
    one, other = pair
    block = await one.file.reserve(10)
    await one.store.apply([base.Accept(operation=new(block[0])), base.Put(record=Channel(id=CHANNEL, name="main"))])
    await one.take(4)
    assert not other.file.is_ahead(await other.store.high_marks())


async def test_ids_go_on_after_those_of_a_database_that_knew_no_counter(address: StoreAddress, tmp_path: Path) -> None:
    store = await PostgresqlStore.open(address, DIGEST)
    await store.apply([base.Accept(operation=new(70))])
    folder = PrivateFolder(tmp_path)
    assert await (await store.highwater(folder)).reserve(1) == range(71, 72)
    await store.close()


async def test_ids_go_on_after_those_that_the_file_has_covered(address: StoreAddress, tmp_path: Path) -> None:
    HighWater(PrivateFolder(tmp_path)).raise_limit(500)
    node = await Node.open(address, tmp_path)
    assert not node.file.is_ahead(await node.store.high_marks())
    assert await node.file.reserve(2) == range(501, 503)
    await node.store.close()


async def test_a_counter_that_is_behind_the_file_tells_an_older_copy_until_its_channels_are_marked(
    address: StoreAddress, tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    node = await Node.open(address, tmp_path)
    await node.store.apply([base.Put(record=Channel(id=CHANNEL, name="main"))])
    await node.take(1)
    await node.file.reserve(1_000)
    await node.store.close()
    copy = postgresql.database(template=str(address).rpartition("/")[2])
    postgresql.sql("UPDATE messenger_hub.number SET last = 10", copy)
    for _ in range(2):
        again = await Node.open(postgresql.address(copy), tmp_path)
        assert again.file.is_ahead(await again.store.high_marks())
        await again.store.close()
    again = await Node.open(postgresql.address(copy), tmp_path)
    await restoring.notice(again.store, again.file)
    assert [mark.channel_id for mark in await again.store.restored()] == [CHANNEL]
    assert await again.file.reserve(1) == range(1_000 + SKIPPED + 1, 1_000 + SKIPPED + 2)
    await again.store.close()
    last = await Node.open(postgresql.address(copy), tmp_path)
    assert not last.file.is_ahead(await last.store.high_marks())
    await last.store.close()


async def test_the_file_of_one_node_alone_vouches_for_a_journal(address: StoreAddress, tmp_path: Path) -> None:
    node = await Node.open(address, tmp_path)
    await node.take(1)
    await node.take(2)
    assert (node.file.mark(CHANNEL).journal_id, node.file.mark(CHANNEL).taken_over_at) == (JOURNAL, 1)
    await node.take(4)
    assert node.file.mark(CHANNEL).taken_over_at == 4, "another node has taken the epoch in between"
    await node.store.close()


async def test_no_file_vouches_for_a_journal_once_another_node_was_at_work(
    address: StoreAddress, tmp_path: Path
) -> None:
    one = await Node.open(address, tmp_path / "one")
    await one.take(1)
    other = await Node.open(address, tmp_path / "other")
    await other.store.close()
    await one.file.reserve(1)
    assert one.file.mark(CHANNEL).journal_id == ""
    await one.take(2)
    mark = one.file.mark(CHANNEL)
    assert (mark.epoch, mark.journal_id, mark.taken_over_at) == (2, JournalId(""), 2)
    assert HighWater(one.folder).mark(ChannelId(CHANNEL)) == mark
    await one.store.close()


async def test_an_id_of_the_registry_is_given_once_also_after_its_owner_is_gone_and_its_database_restored(
    pair: tuple[Node, Node], postgresql: PostgresqlServer, tmp_path: Path
) -> None:
    one, other = pair
    assert [await node.registry_ids.next("agent", 0) for node in (one, other, one)] == [1, 2, 3]
    assert await other.registry_ids.next("channel", 7) == 8
    empty = postgresql.address(postgresql.database())
    anew = await Node.open(empty, tmp_path / "one")
    assert await anew.registry_ids.next("agent", 0) == 4
    await anew.store.close()


async def test_what_is_reserved_is_covered_by_the_nodes_own_file(pair: tuple[Node, Node]) -> None:
    one, other = pair
    await one.file.reserve(5)
    block = await other.file.reserve(5)
    assert HighWater(other.folder).operation_id_limit == block[-1] == other.file.operation_id_limit
    assert OperationId(other.file.operation_id_limit) > HighWater(one.folder).operation_id_limit


async def test_a_node_whose_ids_were_overtaken_takes_newer_ones_and_keeps_as_many_at_hand(
    pair: tuple[Node, Node],
) -> None:
    one, other = pair
    operation_ids = OperationIds(one.file)
    fresh = FreshIds(operation_ids)
    await operation_ids.prepare()
    assert await fresh.run_once(0) == FRESH_MS
    assert operation_ids.spare(1) == [1], "nobody has overtaken it"
    block = await other.file.reserve(1_000)
    await fresh.run_once(0)
    found = operation_ids.spare(SPARE)
    assert found[0] == block[-1] + 1
    assert len({*found}) == SPARE


async def test_after_a_failover_the_ids_at_hand_are_let_go(pair: tuple[Node, Node]) -> None:
    """Whatever may be missing on the other server has a smaller id than all that is accepted from then on."""
    one, other = pair
    operation_ids = OperationIds(one.file)
    await operation_ids.prepare()
    counted = (await other.file.reserve(1_000))[-1]
    operation_ids.failed_over(counted)
    assert operation_ids.first == counted + 1
    await operation_ids.prepare()
    assert operation_ids.spare(1) == [operation_ids.first]


async def test_a_hub_alone_is_never_overtaken(tmp_path: Path) -> None:
    file = HighWater(PrivateFolder(tmp_path))
    await file.reserve(10)
    assert not await file.is_overtaken()
