"""Operation ids at hand: the high-water file is raised by a thread, and whoever asks in that very moment gets on too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.lines import Lines
from messenger_hub_server.queue import SPARE, Queue
from messenger_hub_server.store.memory import MemoryStore
from messenger_hub_server.watch import News


@pytest.mark.timeout(20)
async def test_who_asks_between_the_end_of_the_thread_and_its_callback_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop would stand still with it: nothing in there would ever give it back."""
    queue = Queue(MemoryStore(), HighWater(PrivateFolder(tmp_path)), Lines(), News(), SystemClock())
    loop = asyncio.get_running_loop()
    thread: asyncio.Future[None] = loop.create_future()

    def at_once(_: object, work: Callable[[int], None], limit: int) -> asyncio.Future[None]:
        work(limit)
        return thread

    monkeypatch.setattr(loop, "run_in_executor", at_once)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(queue.prepare())
        while not thread._callbacks:  # type: ignore[attr-defined]  # until the first one waits for it
            await asyncio.wait({first}, timeout=0)
        thread.set_result(None)
        await queue.prepare()  # before the loop has had a turn
    assert len(queue.spare_ids(SPARE)) == SPARE
