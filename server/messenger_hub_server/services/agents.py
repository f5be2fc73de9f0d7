"""AgentService: desktops enrol, and connect their one stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from messenger_hub.agent.v1 import agent_service_pb2 as pb

from messenger_hub_server.errors import InvalidCredential
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.streams import Streams


class AgentHandlers:
    """Handlers of AgentService."""

    def __init__(self, registry: Registry, streams: Streams) -> None:
        self._registry = registry
        self._streams = streams

    async def enrol(self, request: pb.EnrolRequest, _: CallContext) -> pb.EnrolResponse:
        """Trades a one-time token for a credential."""
        agent, credential = await self._registry.redeem(request.token)
        return pb.EnrolResponse(agent_id=agent.id, name=agent.name, credential=credential)

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
