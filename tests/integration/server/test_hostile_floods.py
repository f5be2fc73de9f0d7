"""Floods from an enrolled agent, against a server process: its memory stays bounded, and the neighbour's messages go out meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import grpc
import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb

from tests.integration.server.agent import ScriptedAgent, connected
from tests.integration.server.hub import BASE, SECONDS, Programs
from tests.torture.hostile.contract import PHONE, TEXT
from tests.torture.hostile.estate import Target, target
from tests.torture.hostile.oracle import judge_log

figures = logging.getLogger(__name__)

MOST_GROWTH = 64 * 1024 * 1024
"""Bytes that the server may hold more after a flood than before. A channel's waiting writes, and what gRPC has read ahead, are some MiB."""
HONEST = 6  # messages of the neighbour that must go all the way while the flood goes on


class Flooded:
    """A server, a liar's stream and the neighbour."""

    def __init__(self, server: Target, channel: grpc.aio.Channel, http: aiohttp.ClientSession) -> None:
        self.server, self.http = server, http
        self.hub: Any = SimpleNamespace(programs=Programs(channel))

    @contextlib.asynccontextmanager
    async def agent(self, number: int, **how: bool) -> AsyncIterator[ScriptedAgent]:
        """The agent of a channel."""
        credential = pb.EnrolResponse(agent_id=number + 1, credential=self.server.secrets.credentials[number])
        async with connected(self.hub, self.server.secrets.channels[number], credential, **how) as agent:
            yield agent
        await agent._call.code()

    async def send(self, number: int) -> int:
        """A message on a channel; its id."""
        headers = {"X-API-Key": self.server.secrets.keys[number]}
        body = {"mobile": PHONE, "message": TEXT}
        async with self.http.post(f"{BASE}/send", json=body, headers=headers) as answer:
            assert answer.status == 201
            return int((await answer.json())["data"]["message_id"])

    async def status(self, number: int, operation: int) -> str:
        """Where it stands."""
        headers = {"X-API-Key": self.server.secrets.keys[number]}
        async with self.http.get(f"{BASE}/operations/{operation}", headers=headers) as answer:
            return str((await answer.json())["data"]["status"])

    async def works(self, agent: ScriptedAgent, number: int) -> None:
        """A message goes all the way."""
        operation = await self.send(number)
        await agent.carry_out("SENT")
        assert await self.status(number, operation) == "sent"


@pytest.fixture
async def flooded(tmp_path: Path) -> AsyncIterator[Flooded]:
    async with target(tmp_path) as server:
        host, port = server.http
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        async with (
            grpc.aio.insecure_channel(server.grpc, options=[("grpc.enable_http_proxy", 0)]) as channel,
            aiohttp.ClientSession(f"http://{host}:{port}", timeout=timeout) as http,
        ):
            yield Flooded(server, channel, http)
        if calls := {task for task in asyncio.all_tasks() if "_AioCall" in repr(task)}:
            for task in calls:  # gRPC's own, which forgets those of calls that ended while a frame was being written
                task.cancel()
            await asyncio.wait(calls, timeout=SECONDS)
        log = server.log.read_text()
    assert judge_log(log, [*server.secrets.keys, *server.secrets.credentials]) == []


# ---- what a liar pours out --------------------------------------------------------------------------------------------------------


async def reports(flooded: Flooded, sent: list[int]) -> None:
    """What the page shows, always something else, ten thousands of times."""
    async with flooded.agent(0) as liar:
        for number in range(50_000):
            await liar.report(reason=f"{number} " + "r" * 200)
            sent.append(1)


async def receipts(flooded: Flooded, sent: list[int]) -> None:
    """Facts about messages that there are not, as fast as they can be written, with no answer read."""
    async with flooded.agent(0) as liar:
        for sequence in range(1, 50_001):
            entry = pb.JournalEntry(sequence=sequence, whatsapp_id=f"3EB0{sequence:018X}")
            entry.outcome.kind = pb.Outcome.KIND_DELIVERED
            await liar.send(journal_entries=pb.JournalEntries(entries=[entry]))
            sent.append(1)


async def large_entries(flooded: Flooded, sent: list[int]) -> None:
    """Frames of nearly a megabyte, which ask to import what was never sent."""
    async with flooded.agent(0) as liar:
        for first in range(1, 50_000, 500):
            entries = [
                pb.JournalEntry(
                    sequence=first + n,
                    whatsapp_id=f"3EB0{first + n:018X}",
                    outcome=pb.Outcome(kind=6, problem={"code": "made_up", "message": "m" * 1_900}),
                )
                for n in range(500)
            ]
            await liar.send(journal_entries=pb.JournalEntries(entries=entries))
            sent.append(1)


async def hellos(flooded: Flooded, sent: list[int]) -> None:
    """A stream that says hello again and again, each time with another journal."""
    async with flooded.agent(0, hello=False) as liar:
        for number in range(5_000):
            await liar.send(channel_hello=pb.ChannelHello(journal_id=f"{number:032x}", first_sequence=1))
            sent.append(1)


async def endless_pages(flooded: Flooded, sent: list[int]) -> None:
    """A hello whose journal has no end."""
    async with flooded.agent(0, hello=False) as liar:
        hello = pb.ChannelHello(journal_id="e" * 32, first_sequence=1, last_sequence=2**62)
        await liar.send(channel_hello=hello)
        await liar.next("recall")
        sequence = 0
        for _ in range(200):
            entries = [
                pb.JournalEntry(sequence=sequence + n, whatsapp_id="3EB0", outcome=pb.Outcome(kind=2))
                for n in range(1, 501)
            ]
            sequence += 500
            await liar.send(journal_page=pb.JournalPage(entries=entries))
            sent.append(1)


async def groups(flooded: Flooded, sent: list[int]) -> None:
    """The longest list of groups that is taken, again and again."""
    every = [pb.Group(group_id=f"{n}@g.us", name="n" * 20) for n in range(20_000)]
    async with flooded.agent(0) as liar:
        for _ in range(30):
            await liar.send(group_report=pb.GroupReport(groups=every))
            sent.append(1)


async def streams(flooded: Flooded, sent: list[int]) -> None:
    """Streams that are opened and said nothing on, and streams that take each other's place."""
    agents = flooded.hub.programs.agents
    metadata = (("authorization", f"Bearer {flooded.server.secrets.credentials[0]}"),)
    silent = [agents.Connect(metadata=metadata) for _ in range(90)]  # a connection has room for a hundred
    for number in range(500):
        call = agents.Connect(metadata=metadata)
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(pb.ConnectRequest(agent_hello=pb.AgentHello(version=str(number))))
            await call.read()
        call.cancel()
        await call.code()
        sent.append(1)
    for call in silent:
        call.cancel()
        await call.code()


Flood = Callable[[Flooded, list[int]], Awaitable[None]]


@pytest.mark.parametrize("flood", [reports, receipts, large_entries, hellos, endless_pages, groups, streams])
async def test_a_flood_costs_bounded_memory_and_the_neighbour_sends_meanwhile(flooded: Flooded, flood: Flood) -> None:
    sent: list[int] = []
    enough = asyncio.Event()

    async def pour() -> None:
        """At least once, and until the neighbour has enough."""
        while not enough.is_set() or not sent:
            # The hub may end the stream in the middle: then that flood is over.
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError, EOFError):
                await flood(flooded, sent)

    async with flooded.agent(1) as honest:
        await flooded.works(honest, 1)
        before, most = flooded.server.rss(), 0
        async with asyncio.TaskGroup() as group:
            pouring = group.create_task(pour())
            meanwhile = 0
            while not pouring.done():
                await flooded.works(honest, 1)
                meanwhile += 1
                if meanwhile >= HONEST:
                    enough.set()
                most = max(most, flooded.server.rss())
        figures.info("%s: %d frames, %d messages meanwhile, %d KiB", flood, len(sent), meanwhile, (most - before) >> 10)
        assert meanwhile >= HONEST
        assert most - before < MOST_GROWTH, f"{(most - before) >> 20} MiB after {len(sent)}"
    async with flooded.agent(0) as again:
        await flooded.works(again, 0)


async def test_a_stream_that_does_not_read_is_ended(flooded: Flooded) -> None:
    metadata = (("authorization", f"Bearer {flooded.server.secrets.credentials[0]}"),)
    call = flooded.hub.programs.agents.Connect(metadata=metadata)
    channel_id = flooded.server.secrets.channels[0]
    await call.write(pb.ConnectRequest(agent_hello=pb.AgentHello()))
    hello = pb.ChannelHello(journal_id="a" * 32, first_sequence=1)
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await call.write(pb.ConnectRequest(channel_id=channel_id, channel_hello=hello))
        for sequence in range(1, 30_000):
            intent = pb.JournalEntry(sequence=sequence, whatsapp_id="3EB0", lease_id="l" * 128)
            intent.intent.send_text.text = TEXT
            entries = pb.JournalEntries(entries=[intent])
            await call.write(pb.ConnectRequest(channel_id=channel_id, journal_entries=entries))
    async with asyncio.timeout(SECONDS):
        told = (await call.code(), await call.details())
    # The second is what gRPC says on this side when a frame was being written at that moment.
    assert told in (
        (grpc.StatusCode.INVALID_ARGUMENT, "The stream does not take its frames: it was ended."),
        (grpc.StatusCode.INTERNAL, "Internal error from Core"),
    )
    async with flooded.agent(0) as again:
        await flooded.works(again, 0)
