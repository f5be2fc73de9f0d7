"""Puts together what is known of a channel: the registry's record, the agent's reports, the time."""

from __future__ import annotations

from collections.abc import Sequence

from messenger_hub.runtime.clock import Clock
from messenger_hub.v1 import channel_service_pb2, operation_pb2

from messenger_hub_server.model import Channel, ChannelId, Event, Operation, OperationState
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.services.explanation import ChannelView, Sight, channel_view, operation_reason
from messenger_hub_server.services.translation import channel_state, operation_message, timestamp
from messenger_hub_server.store.base import QueueDepth


class Sights:
    """Reads only."""

    def __init__(self, registry: Registry, presence: Presence, queue: Queue, clock: Clock) -> None:
        self._registry = registry
        self._presence = presence
        self._queue = queue
        self._clock = clock

    def of(self, channel_id: ChannelId) -> Sight | None:
        """All that is known of a channel now; None when it was deleted."""
        channel = self._registry.channel(channel_id)
        if channel is None:
            return None
        owner = channel.agent_id
        return Sight(
            channel=channel,
            agent=self._registry.agent(owner) if owner is not None else None,
            agent_presence=self._presence.agent(owner) if owner is not None else None,
            presence=self._presence.of(channel_id),
            paused_since_ms=self._registry.paused_since(channel_id),
            now_ms=self._clock.now_ms(),
            restored=channel_id in self._queue.restored,
        )

    async def operation(self, operation: Operation, timeline: Sequence[Event] = ()) -> operation_pb2.Operation:
        """One operation with the sentence of now."""
        return (await self.operations([operation], timeline))[0]

    async def operations(
        self, operations: Sequence[Operation], timeline: Sequence[Event] = ()
    ) -> Sequence[operation_pb2.Operation]:
        """Several, each with the sentence of now; depths are read once a channel, and only where something waits."""
        depths: dict[ChannelId, int] = {}
        messages = []
        for operation in operations:
            channel_id = operation.channel_id
            if operation.state is OperationState.PENDING and channel_id not in depths:
                depths[channel_id] = (await self._queue.store.queue_depth(channel_id)).pending
            reason = operation_reason(operation, self.of(channel_id), depths.get(channel_id, 0))
            messages.append(operation_message(operation, reason, timeline))
        return messages

    def view(self, channel: Channel) -> ChannelView:
        """Where a channel stands."""
        return channel_view(self._sight(channel))

    async def status(self, channel: Channel) -> channel_service_pb2.GetStatusResponse:
        """A channel as programs see it."""
        return self.status_with(channel, await self._queue.store.queue_depth(channel.id))

    def status_with(self, channel: Channel, depth: QueueDepth | None) -> channel_service_pb2.GetStatusResponse:
        """The same, with a depth that was read before; None means that nothing waits."""
        sight = self._sight(channel)
        view = channel_view(sight)
        oldest = depth.oldest_accepted_at_ms if depth is not None else None
        return channel_service_pb2.GetStatusResponse(
            channel=channel_state(view.state.value),
            since=timestamp(view.since_ms),
            number=channel.account,
            can_send=view.can_send,
            reason=view.reason,
            restricted_until=timestamp(view.restricted_until_ms),
            agent_connected=sight.connected,
            agent_last_seen=timestamp(sight.last_seen_ms),
            queue_depth=depth.pending if depth is not None else 0,
            queue_age_seconds=max(0, sight.now_ms - oldest) // 1000 if oldest is not None else 0,
            next_send_seconds=view.next_send_seconds,
        )

    def _sight(self, channel: Channel) -> Sight:
        sight = self.of(channel.id)
        return sight or Sight(
            channel=channel,
            agent=None,
            agent_presence=None,
            presence=None,
            paused_since_ms=None,
            now_ms=self._clock.now_ms(),
        )
