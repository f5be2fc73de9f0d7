"""One channel's runtime, over a real journal and a page that answers as the test says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime.clock import SystemClock
from messenger_hub_agent.channel import Channel
from messenger_hub_agent.journal import Journal
from messenger_hub_agent.reconnecting import Backoff

from tests.fakes.page import FakePage

SECONDS = 10


async def test_frames_of_a_stream_that_is_gone_never_get_into_the_next_one(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.db")
    channel = Channel(1, FakePage(), journal, await journal.view(), SystemClock(), Backoff(lambda: 0.0), lambda: None)
    old: list[str] = []
    new: asyncio.Queue[str] = asyncio.Queue(100)
    assignment = pb.Assignments.Assignment(channel_id=1, owned=True)
    channel.attach(lambda frame: old.append(frame.WhichOneof("frame") or ""), assignment)
    channel.detach()
    channel.attach(lambda frame: new.put_nowait(frame.WhichOneof("frame") or ""), assignment)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        group.create_task(channel.run())
        assert await new.get() == "channel_hello"
        assert await new.get() == "channel_report"
        assert old.count("channel_hello") == 1
        await channel.stop()
    await journal.close()
