"""Linking a channel, as the hub sees it: real server, a scripted desktop app."""

from __future__ import annotations

from messenger_hub.admin.v1 import channel_admin_service_pb2 as pb

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import SECONDS, Hub


async def told(agent: ScriptedAgent, linking: bool) -> None:
    """Returns when the hub has told the desktop so."""
    while (await agent.next("assignments")).assignments.assignments[0].linking is not linking:
        pass


async def test_a_desktop_is_told_that_nobody_links_any_more_also_when_the_account_is_the_same(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), linked=False) as agent:
        for _ in range(2):
            await agent.report("UNLINKED", account="")
            request = pb.LinkChannelRequest(channel="main")
            link = hub.operator.channels.LinkChannel(request, metadata=hub.operator.metadata, timeout=SECONDS)
            await told(agent, linking=True)
            await agent.report("LINKED")
            await told(agent, linking=False)
            link.cancel()


async def test_who_goes_away_while_linking_is_not_waited_for(hub: Hub) -> None:
    async with connected(hub, 1, await enrolled(hub), linked=False) as agent:
        await agent.report("UNLINKED", account="")
        request = pb.LinkChannelRequest(channel="main")
        link = hub.operator.channels.LinkChannel(request, metadata=hub.operator.metadata, timeout=SECONDS)
        await told(agent, linking=True)
        link.cancel()
        await told(agent, linking=False)
