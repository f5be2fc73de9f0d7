"""Operation ids at hand: whoever asks in the very moment in which more are reserved gets on too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.delivery.ids import BLOCK
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.lines import Lines
from messenger_hub_server.queue import SPARE, Queue
from messenger_hub_server.store.memory import MemoryStore
from messenger_hub_server.watch import News


@pytest.mark.timeout(20)
async def test_who_asks_between_the_end_of_a_reservation_and_its_callback_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop would stand still with it: nothing in there would ever give it back."""
    highwater = HighWater(PrivateFolder(tmp_path))
    reserved: asyncio.Future[range] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(highwater, "reserve", lambda _count: reserved)
    queue = Queue(MemoryStore(), highwater, Lines(), News(), SystemClock())
    async with asyncio.TaskGroup() as group:
        first = group.create_task(queue.prepare())
        while not reserved._callbacks:  # type: ignore[attr-defined]  # until the first one waits for it
            await asyncio.wait({first}, timeout=0)
        reserved.set_result(range(1, 10 * BLOCK))
        await queue.prepare()  # before the loop has had a turn
    assert len(queue.spare_ids(SPARE)) == SPARE
