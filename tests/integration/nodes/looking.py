"""What a node knows, for who looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc
from messenger_hub.admin.v1 import agent_admin_service_pb2, channel_admin_service_pb2, hub_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2

from tests.integration.nodes.estate import until
from tests.integration.server.agent import enrolled
from tests.integration.server.hub import SECONDS, Hub


async def at_a_glance(hub: Hub) -> hub_admin_service_pb2.GetHubResponse:
    """GetHub."""
    request = hub_admin_service_pb2.GetHubRequest()
    return await hub.operator.hub.GetHub(request, metadata=hub.operator.metadata, timeout=SECONDS)


async def is_in(hub: Hub, state: int, name: str = "main") -> bool:
    """Whether the channel is in that state, as the node knows it, or knows no such channel yet."""
    request = channel_admin_service_pb2.GetChannelRequest(channel=name)
    try:
        answer = await hub.operator.channels.GetChannel(request, metadata=hub.operator.metadata, timeout=SECONDS)
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.NOT_FOUND
        return False
    return bool(answer.channel.status.channel == state)


async def agents(hub: Hub) -> Mapping[str, agent_admin_service_pb2.Agent]:
    """By name, as the node knows them."""
    request = agent_admin_service_pb2.ListAgentsRequest()
    answer = await hub.operator.agents.ListAgents(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return {one.name: one for one in answer.agents}


async def is_connected(hub: Hub, name: str = "desk") -> bool:
    """Whether the desktop is, as the node knows."""
    found = (await agents(hub)).get(name)
    return found is not None and found.connected


async def is_away(hub: Hub, name: str = "desk") -> bool:
    """The contrary."""
    return not await is_connected(hub, name)


async def enrolled_on_all(hubs: Sequence[Hub], name: str = "desk") -> agent_service_pb2.EnrolResponse:
    """A new agent's credential, once every node knows the agent, and the first one as the owner of its channel."""
    owns = "" if await agents(hubs[0]) else name
    credential = await enrolled(hubs[0], name)
    for hub in hubs:
        await until(lambda hub=hub: _knows_agent(hub, name, owns))  # type: ignore[misc]  # a loop's variable
    return credential


async def _knows_agent(hub: Hub, name: str, owns: str) -> bool:
    request = channel_admin_service_pb2.GetChannelRequest(channel="main")
    answer = await hub.operator.channels.GetChannel(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return name in await agents(hub) and owns in ("", answer.channel.agent_name)


async def all_there(hubs: list[Hub], state: int) -> list[Hub]:
    """The same nodes, once each knows of all of them, and of the channel in that state."""
    for hub in hubs:
        await until(lambda hub=hub: is_in(hub, state))  # type: ignore[misc]  # a loop's variable
        await until(lambda hub=hub: counts(hub, len(hubs)))  # type: ignore[misc]
    return hubs


async def counts(hub: Hub, count: int) -> bool:
    """Whether the node knows of so many, itself among them."""
    return len((await at_a_glance(hub)).nodes) == count
