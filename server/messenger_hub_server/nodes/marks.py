"""A queue that knows of the channels that are marked as restored also what other nodes have written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.log import logger

from messenger_hub_server.highwater import HighWater
from messenger_hub_server.lines import Lines
from messenger_hub_server.model import ChannelId
from messenger_hub_server.node_queue import NodeQueue
from messenger_hub_server.store.base import EndRestored, MarkRestored, Outcome, Store, StoreError, Write
from messenger_hub_server.watch import News

AGAIN_SECONDS = 1.0

Observe = Callable[[float, Sequence[Write], Sequence[Outcome]], None]

log = logger(__name__)


class MarkingQueue(NodeQueue):
    """`on_mark` is called with each channel that this node has marked (True), or whose mark it has ended (False)."""

    def __init__(
        self, store: Store, highwater: HighWater, lines: Lines, news: News, clock: Clock, *, observe: Observe
    ) -> None:
        super().__init__(store, highwater, lines, news, clock, observe=observe)
        self.on_mark: Callable[[ChannelId, bool], None] = lambda _channel_id, _restored: None
        self._mark_changes = 0
        self._behind = asyncio.Event()

    def mark(self, channel_id: ChannelId, *, restored: bool) -> None:
        """As another node has written."""
        self._mark_changes += 1
        (self._restored.add if restored else self._restored.discard)(channel_id)

    def look(self) -> None:
        """What others have written may have been missed: `follow_marks` reads it soon."""
        self._behind.set()

    async def follow_marks(self) -> None:
        """Reads what was missed, until it is cancelled."""
        while True:
            await self._behind.wait()
            self._behind.clear()
            try:
                await self._read_marks()
            except StoreError:
                log.warning("restored channels not read", exc_info=True)
                await asyncio.sleep(AGAIN_SECONDS)
                self._behind.set()

    async def _read_marks(self) -> None:
        """Once more when a mark has changed meanwhile: what was read may be older."""
        seen = None
        while seen != self._mark_changes:
            seen = self._mark_changes
            restored = {one.channel_id for one in await self.store.restored()}
        self._restored = restored

    def _follow(self, writes: Sequence[Write]) -> None:
        super()._follow(writes)
        for write in writes:
            match write:
                case MarkRestored(restoration=restoration):
                    self._mark_changes += 1
                    self.on_mark(restoration.channel_id, True)
                case EndRestored(channel_id=channel_id):
                    self._mark_changes += 1
                    self.on_mark(channel_id, False)
                case _:
                    pass
