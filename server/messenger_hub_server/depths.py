"""How many operations wait on each channel, and on how many a person has to decide, kept at hand for what cannot wait for a read: the desktop apps' icons."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from messenger_hub.runtime import log

from messenger_hub_server.model import ChannelId
from messenger_hub_server.store.base import Store, StoreError
from messenger_hub_server.watch import News

# A person looks at an icon; more often than this would only cost reads and frames.
INTERVAL_SECONDS = 2.0

_log = log.logger(__name__)


class Depths:
    """`run` reads after commits, at most once an interval, and tells when a number has changed."""

    def __init__(self, store: Store, news: News) -> None:
        self._store = store
        self._news = news
        self._pending: dict[ChannelId, int] = {}
        self._uncertain: dict[ChannelId, int] = {}
        self._callbacks: set[Callable[[], None]] = set()

    def of(self, channel_id: ChannelId) -> int:
        """Pending operations of a channel, as last read."""
        return self._pending.get(channel_id, 0)

    def uncertain(self, channel_id: ChannelId) -> int:
        """Uncertain operations of a channel, as last read."""
        return self._uncertain.get(channel_id, 0)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after a change; returns what ends that."""
        self._callbacks.add(callback)
        return lambda: self._callbacks.discard(callback)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            seen = self._news.count
            await self._read()
            await asyncio.sleep(INTERVAL_SECONDS)
            await self._news.news(seen)

    async def _read(self) -> None:
        try:
            depths = await self._store.queue_depths()
            uncertain = await self._store.uncertain_counts()
        except StoreError:
            _log.warning("queue depths not read", exc_info=True)
            return
        pending = {channel_id: depth.pending for channel_id, depth in depths.items()}
        if (pending, uncertain) != (self._pending, self._uncertain):
            self._pending, self._uncertain = pending, uncertain
            for callback in tuple(self._callbacks):
                callback()
