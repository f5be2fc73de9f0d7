"""A commit of which nobody knows whether it was written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import ChannelId
from messenger_hub_server.queue import Queue
from messenger_hub_server.store.base import Outcome, Write, WriteUnknown
from messenger_hub_server.store.memory.store import MemoryStore
from messenger_hub_server.watch import News

from tests.fakes.draft import DRAFT
from tests.fakes.line import NotedLine

CHANNEL = ChannelId(1)


class Unsure(MemoryStore):
    """Writes, and cannot say so."""

    async def apply(self, writes: Sequence[Write]) -> Sequence[Outcome]:
        await super().apply(writes)
        raise WriteUnknown


@pytest.mark.timeout(20)
async def test_a_channel_is_woken_for_what_was_written_after_all(tmp_path: Path) -> None:
    """Otherwise it would wait until something else happened on its channel."""
    lines, line = Lines(), NotedLine()
    queue = Queue(Unsure(), HighWater(PrivateFolder(tmp_path)), lines, News(), SystemClock())
    lines.subscribe(CHANNEL, line)
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(queue.run())
        (receipt,) = await queue.accept([DRAFT])
        queue.close()
        await writing
    assert receipt
    assert line.woken == 1
