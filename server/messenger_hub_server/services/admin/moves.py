"""Gives a channel to another agent: the old one is drained first, so that nothing is uncertain afterwards."""

from __future__ import annotations

import asyncio

from messenger_hub_server.errors import InProgress
from messenger_hub_server.model import AgentId, Channel, ChannelId, JournalId
from messenger_hub_server.presence import Presence
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.watch import News

# A send takes 30 s at most; then its outcome is known, or uncertain.
DRAIN_SECONDS = 45
AWAY = "The channel's desktop app is away and has started something: start it, or use --force if it is gone for good."


class Moves:
    """One call a move; the registry tells the streams."""

    def __init__(self, queue: Queue, registry: Registry, presence: Presence, news: News) -> None:
        self._queue = queue
        self._registry = registry
        self._presence = presence
        self._news = news

    async def move(self, channel: Channel, to: AgentId, force: bool) -> None:
        """Returns when the channel belongs to the other agent. With force what the old one had started is left to the new
        one's hello, which finds nothing of it in its journal: it becomes uncertain. Raises InProgress."""
        if channel.agent_id == to:
            return
        started = await self._started(channel.id)
        if started and not force and not self._connected(channel):
            raise InProgress(AWAY)
        if not force and self._connected(channel):
            await self._drain(channel.id, to)
        await self._registry.own(channel.id, to)
        self._presence.forget(channel.id)

    async def _drain(self, channel_id: ChannelId, to: AgentId) -> None:
        await self._registry.moving(channel_id, to)
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._emptied(channel_id)
        except TimeoutError as error:
            await self._registry.moving(channel_id, None)
            raise InProgress from error
        except BaseException:
            await self._registry.moving(channel_id, None)
            raise

    async def _emptied(self, channel_id: ChannelId) -> None:
        """Until nothing of the channel is leased."""
        while True:
            seen = self._news.count
            if not await self._leased(channel_id):
                return
            await self._news.news(seen)

    async def _leased(self, channel_id: ChannelId) -> bool:
        return bool((await self._queue.store.delivery(channel_id, JournalId(""))).leased)

    async def _started(self, channel_id: ChannelId) -> bool:
        leased = (await self._queue.store.delivery(channel_id, JournalId(""))).leased
        return any(o.lease is not None and o.lease.started for o in leased)

    def _connected(self, channel: Channel) -> bool:
        agent = self._presence.agent(channel.agent_id) if channel.agent_id is not None else None
        return agent is not None and agent.connected
