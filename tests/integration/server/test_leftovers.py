"""What a hub holds for a call goes when the call ends, and not only when the garbage collector comes by."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import grpc
import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.streams import _Stream

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import Hub

STREAMS = 5
SECONDS = 10.0


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing goes but what nobody refers to."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_a_stream_that_is_refused_leaves_nothing_behind(hub: Hub, no_collector: None) -> None:
    channel = await hub.channel("shop")
    credential = await enrolled(hub, "liar", "shop")
    for _ in range(STREAMS):
        async with connected(hub, channel, credential) as agent:
            await agent.write(pb.ConnectRequest(channel_id=channel, agent_hello=pb.AgentHello()))
            assert await agent.ended() is grpc.StatusCode.INVALID_ARGUMENT
    async with asyncio.timeout(SECONDS):
        while left():
            await asyncio.sleep(0)  # noqa: TID251 nobody is told of what goes; this lets the hub go on


def left() -> int:
    """Streams that something still refers to."""
    return sum(isinstance(one, _Stream) for one in gc.get_objects())
