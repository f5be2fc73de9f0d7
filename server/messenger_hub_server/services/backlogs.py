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
        for channel in self._registry.channels():
            if self._sights.view(channel).state in WORKING:
                self._registry.worked(channel.id)
            elif channel.backlog_oldest_ms is not None:
                await self._end_if_over(channel, now_ms)
            elif self._asks and channel.id not in self._queue.restored:
                await self._hold_if_old(channel, now_ms)
        return EVERY_MS

    async def _end_if_over(self, channel: Channel, now_ms: int) -> None:
        """All of it was cancelled, or has expired."""
        left, _ = await self._queue.store.overdue(channel.id, channel.backlog_sent_ms, now_ms - OLD_MS, 1)
        if not left:
            await self._registry.end_backlog(channel.id)

    async def _hold_if_old(self, channel: Channel, now_ms: int) -> None:
        if now_ms - max(channel.worked_at_ms, channel.created_at_ms) < OLD_MS:
            return  # it has worked meanwhile: what waits has a long queue before it, or the hub has just been started again
        judged = channel.backlog_sent_ms
        old, oldest_ms = await self._queue.store.overdue(channel.id, judged, now_ms - OLD_MS, MOST + 1)
        if old > MOST:
            await self._registry.hold_backlog(channel.id, oldest_ms, judged)

    async def older(self, channel_id: ChannelId, before_ms: int) -> Found:
        """What would be cancelled: what has not started, and was accepted, or might have been sent, before then. Raises Restored."""
        wanted = Filter(channel_id=channel_id, placed_before_ms=before_ms, limit=PAGE)
        return await find(self._queue, wanted, ANY)

    async def decide(self, channel: Channel, cancel_before_ms: int | None) -> int:
        """Sends it, without what is older than that: says how many that were. Does nothing when none is held, as somebody else may have
        decided before. Raises Restored."""
        if channel.backlog_oldest_ms is None:
            return 0
        await self._queue.restored.require_told(channel.id)
        cancelled, more = 0, cancel_before_ms is not None
        while more:
            found = await self.older(channel.id, cancel_before_ms or 0)
            cancelled += await cancel(self._queue, self._clock, found, CANCELLED)
            more = found.more
        await self._registry.end_backlog(channel.id)
        return cancelled
