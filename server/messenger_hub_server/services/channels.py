"""ChannelService: the channel of the caller's session API."""

from __future__ import annotations

from messenger_hub.v1 import channel_service_pb2 as pb

from messenger_hub_server.errors import NotFound
from messenger_hub_server.model import Channel
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.rpc.chain import CallContext
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.services.translation import timestamp


class ChannelHandlers:
    """Handlers of ChannelService."""

    def __init__(self, queue: Queue, registry: Registry, sights: Sights) -> None:
        self._queue = queue
        self._registry = registry
        self._sights = sights

    async def get_status(self, _: pb.GetStatusRequest, context: CallContext) -> pb.GetStatusResponse:
        """Can a message go out now, and if not, why."""
        return await self._sights.status(self._channel(context))

    async def list_groups(self, _: pb.ListGroupsRequest, context: CallContext) -> pb.ListGroupsResponse:
        """As the agent last reported them, by name."""
        groups, as_of = await self._queue.store.groups(self._channel(context).id)
        return pb.ListGroupsResponse(
            groups=[
                pb.ListGroupsResponse.Group(group_id=g.group_id, name=g.name, participants=g.participants)
                for g in sorted(groups, key=lambda g: (g.name, g.group_id))
            ],
            as_of=timestamp(as_of),
        )

    def _channel(self, context: CallContext) -> Channel:
        channel = self._registry.channel(context.session_api.channel_id)
        if channel is None:
            raise NotFound
        return channel
