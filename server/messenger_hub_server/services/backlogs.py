"""Backlogs: many operations that have waited for long because nothing could go out. A person decides what becomes of them, or they would
all go out at once when the desktop is back: birthday wishes of last week, codes that have long expired.

A channel that works keeps its long queue: it is waited for, not forgotten.
"""

from __future__ import annotations

from messenger_hub.runtime.clock import Clock

from messenger_hub_server.model import Channel, ChannelId
from messenger_hub_server.queue import Queue
from messenger_hub_server.registry import Registry
from messenger_hub_server.services.bulk import ANY, PAGE, Found, cancel, find
from messenger_hub_server.services.explanation import ChannelState
from messenger_hub_server.services.sights import Sights
from messenger_hub_server.store.base import Filter

MOST = 20
OLD_MS = 6 * 3_600_000
EVERY_MS = 60_000
CANCELLED = "Cancelled: it had waited for too long"
WORKING = frozenset({ChannelState.LINKED, ChannelState.RESTRICTED})


class Backlogs:
    """`asks`: whether channels hold their backlogs at all; what is held already waits for its decision in any case."""

    on_news = False

    def __init__(self, queue: Queue, registry: Registry, sights: Sights, clock: Clock, *, asks: bool) -> None:
        self._queue = queue
        self._registry = registry
        self._sights = sights
        self._clock = clock
        self._asks = asks

    async def run_once(self, now_ms: int) -> int:
        """Holds and ends backlogs; returns in how many milliseconds to run again. Raises HubError or StoreError.

        Runs before the first desktop gets in, or that would take what waits before it is looked at.
        """
        depths = await self._queue.store.queue_depths()
        for channel in self._registry.channels():
            depth = depths.get(channel.id)
            if channel.backlog_oldest_ms is not None and depth is None:
                await self._registry.send_backlog(channel.id)  # all of it was cancelled, or has expired
            elif depth is not None and self._asks and await self._has_backlog(channel, now_ms):
                await self._registry.hold_backlog(channel.id, depth.oldest_accepted_at_ms or now_ms)
        return EVERY_MS

    async def _has_backlog(self, channel: Channel, now_ms: int) -> bool:
        if channel.backlog_oldest_ms is not None or self._sights.view(channel).state in WORKING:
            return False
        old = await self._queue.store.overdue(channel.id, channel.backlog_sent_ms, now_ms - OLD_MS, MOST + 1)
        return old > MOST

    async def older(self, channel_id: ChannelId, accepted_before_ms: int) -> Found:
        """What would be cancelled. Raises Restored."""
        wanted = Filter(channel_id=channel_id, accepted_before_ms=accepted_before_ms, limit=PAGE)
        return await find(self._queue, wanted, ANY)

    async def decide(self, channel_id: ChannelId, cancel_accepted_before_ms: int | None) -> int:
        """Sends it, without what was accepted before that time: says how many that were. Raises Restored."""
        self._queue.require_told(channel_id)
        cancelled, more = 0, cancel_accepted_before_ms is not None
        while more:
            found = await self.older(channel_id, cancel_accepted_before_ms or 0)
            cancelled += await cancel(self._queue, self._clock, found, CANCELLED)
            more = found.more
        await self._registry.send_backlog(channel_id)
        return cancelled
