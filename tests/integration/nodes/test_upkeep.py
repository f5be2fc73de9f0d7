"""Upkeep runs on every node, and does no harm where another one does the same at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import ChannelId, OperationId, OperationState
from messenger_hub_server.queue import Queue
from messenger_hub_server.store.postgresql.store import PostgresqlStore
from messenger_hub_server.upkeep.due import Due
from messenger_hub_server.upkeep.retention import AT_ONCE, DAY_MS, EVERY_MS, Keep, Retention
from messenger_hub_server.watch import News
from msgspec.structs import replace

from tests.fakes.draft import DRAFT
from tests.integration.nodes.estate import Estate

CHANNEL = ChannelId(1)
NODES = 3


@asynccontextmanager
async def queues(estate: Estate, folder: Path) -> AsyncIterator[list[Queue]]:
    """One for each node."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        made: list[Queue] = []
        for number in range(NODES):
            store = await PostgresqlStore.open(estate.address, b"whose it is")
            stack.push_async_callback(store.close)
            private = PrivateFolder(folder / f"node-{number}")
            made.append(Queue(store, await store.highwater(private), Lines(), News(), SystemClock()))
            group.create_task(made[-1].run())
        yield made
        for queue in made:
            queue.close()


async def test_what_is_old_is_deleted_by_all_nodes_at_once_and_what_waits_is_left_by_all(
    estate: Estate, tmp_path: Path
) -> None:
    later_ms = SystemClock().now_ms() + 91 * DAY_MS
    async with queues(estate, tmp_path) as nodes:
        await nodes[0].accept([DRAFT for _ in range(AT_ONCE + 20)])
        await nodes[0].cancel_all(CHANNEL, reason="Cancelled")
        await nodes[1].accept([DRAFT])
        retentions = [Retention(node, Keep(text_days=90, record_days=90)) for node in nodes]
        waits = [0] * NODES
        while set(waits) != {EVERY_MS}:
            waits = await asyncio.gather(*(retention.run_once(later_ms) for retention in retentions))
        (left,) = await nodes[2].store.ages(OperationId(0), later_ms, 1_000)
        assert left.state is OperationState.PENDING


async def test_what_is_too_late_expires_once_however_many_nodes_look(estate: Estate, tmp_path: Path) -> None:
    now_ms = SystemClock().now_ms()
    async with queues(estate, tmp_path) as nodes:
        await nodes[0].accept([replace(DRAFT, expires_at_ms=now_ms + 20_000)])
        await asyncio.gather(*(Due(node, Lines(), Lines()).run_once(now_ms + 20_000) for node in nodes))
        ((event, operation),) = [
            told for told in await nodes[1].store.events_after(0, None, 100) if told[0].state is OperationState.EXPIRED
        ]
        assert operation.id == event.operation_id
