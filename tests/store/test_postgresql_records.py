"""The registry's records under several nodes: whoever has not seen the last change writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub_server.model import Channel, ChannelId
from messenger_hub_server.nodes.notices import telling
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql import records
from messenger_hub_server.store.postgresql.records import PostgresqlRecords
from messenger_hub_server.store.postgresql.store import PostgresqlStore

from tests.store.conftest import DIGEST

SECONDS = 20


@dataclass
class Node:
    """A store, and the records as it shares them."""

    store: PostgresqlStore
    shared: PostgresqlRecords

    async def put(self, number: int) -> None:
        channel = Channel(id=ChannelId(number), name=f"channel {number}")
        await self.store.apply([base.Put(record=channel)])


@asynccontextmanager
async def node(address: StoreAddress) -> AsyncIterator[Node]:
    store = await PostgresqlStore.open(address, DIGEST)
    notices = store.notices("node", SystemClock())
    try:
        async with telling(notices):
            shared = store.shared_records(notices)
            await shared.records()
            yield Node(store, shared)
    finally:
        await store.close()


@pytest.fixture
async def nodes(address: StoreAddress) -> AsyncIterator[tuple[Node, Node]]:
    async with node(address) as first, node(address) as second:
        yield first, second


async def test_a_node_that_was_overtaken_writes_nothing_until_it_has_read_the_records_anew(
    nodes: tuple[Node, Node],
) -> None:
    first, second = nodes
    await first.put(1)
    await first.put(2)
    assert await first.shared.version() == first.shared.known > second.shared.known
    with pytest.raises(base.NothingWritten, match="try again"):
        await second.put(3)
    read = await second.shared.records()
    assert [channel.id for channel in read.channels] == [1, 2]
    await second.put(3)
    with pytest.raises(base.NothingWritten):
        await first.put(4)


async def test_what_is_no_record_is_written_whoever_has_overtaken(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    await first.put(1)
    groups = base.PutGroups(channel_id=ChannelId(1), groups=[], as_of_ms=1)
    assert await second.store.apply([groups]) == [True]


async def test_a_node_reads_anew_what_it_does_not_know_to_have_written(nodes: tuple[Node, Node]) -> None:
    first, _ = nodes
    await first.put(1)
    first.store._known.lost()
    assert await first.shared.version() != first.shared.known
    with pytest.raises(base.NothingWritten):
        await first.put(2)
    await first.shared.records()
    await first.put(2)


async def test_the_lock_is_one_nodes_at_a_time(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    await first.shared.take()
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        taking = group.create_task(second.shared.take())
        await second.shared.version()
        assert not taking.done()
        await first.shared.give()
        await taking
    await second.shared.give()


async def test_a_node_that_holds_the_lock_and_hangs_is_relieved_of_it(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "HUNG_SECONDS", 0.1)
    first, second = nodes
    await first.shared.take()
    async with asyncio.timeout(SECONDS):
        await second.shared.take()
    await second.put(1)
    with pytest.raises(base.NothingWritten):
        await first.put(2)
