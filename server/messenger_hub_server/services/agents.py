"""AgentService: desktops enrol, connect their one stream, and decide what a person at the desktop is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.errors import InvalidCredential, NotFound
from messenger_hub_server.model import ChannelId
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services.backlogs import Backlogs
from messenger_hub_server.services.translation import milliseconds
from messenger_hub_server.streams import Streams


class AgentHandlers:
    """Handlers of AgentService."""

    def __init__(self, registry: Registry, streams: Streams, backlogs: Backlogs) -> None:
        self._registry = registry
        self._streams = streams
        self._backlogs = backlogs

    async def enrol(self, request: pb.EnrolRequest, _: CallContext) -> pb.EnrolResponse:
        """Trades a one-time token for a credential."""
        agent, credential = await self._registry.redeem(request.token)
        return pb.EnrolResponse(agent_id=agent.id, name=agent.name, credential=credential)

    async def decide_backlog(self, request: pb.DecideBacklogRequest, context: CallContext) -> pb.DecideBacklogResponse:
        """A person at the desktop decides."""
        agent, channel = context.caller.agent, self._registry.channel(ChannelId(request.channel_id))
        if agent is None:
            raise InvalidCredential
        if channel is None or channel.agent_id != agent.id:
            raise NotFound
        before_ms = milliseconds(request.cancel_accepted_before) if request.HasField("cancel_accepted_before") else None
        return pb.DecideBacklogResponse(cancelled=await self._backlogs.decide(channel, before_ms))

    async def connect(
        self,
        frames: AsyncIterator[pb.ConnectRequest],
        send: Callable[[pb.ConnectResponse], Awaitable[None]],
        context: CallContext,
    ) -> None:
        """Serves the stream until it ends."""
        if context.caller.agent is None:
            raise InvalidCredential
        await self._streams.connect(context.caller.agent, frames, send)
