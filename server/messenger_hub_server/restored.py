"""Which channels are marked as restored: as this hub has written, and as its other nodes tell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

from messenger_hub.runtime.log import logger

from messenger_hub_server.errors import Restored
from messenger_hub_server.model import ChannelId, Restoration
from messenger_hub_server.store.base import EndRestored, MarkRestored, Store, StoreError, Write

AGAIN_SECONDS = 1.0
MARKING = frozenset({MarkRestored, EndRestored})

log = logger(__name__)


class RestoredChannels:
    """The rows of a channel that is in it are older than what has happened, and its desktop has not told yet what is missing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._channels: set[ChannelId] = set()
        self._changes = 0
        self._behind = asyncio.Event()
        self._callback: Callable[[ChannelId, bool], None] = lambda _channel_id, _restored: None

    def __contains__(self, channel_id: ChannelId) -> bool:
        return channel_id in self._channels

    async def require_told(self, *channel_ids: ChannelId) -> None:
        """Before a decision: what is stored of the channels is what has happened, also if another node has marked one just now. A mark that
        comes while the decision is written comes after it. Raises Restored, and StoreError when that cannot be told."""
        marked = {mark.channel_id for mark in await self._store.restored()}
        if not marked.isdisjoint(channel_ids):
            raise Restored

    def load(self, marks: Collection[Restoration]) -> None:
        """As the store has them when the hub starts."""
        self._channels = {mark.channel_id for mark in marks}

    def on_change(self, callback: Callable[[ChannelId, bool], None]) -> None:
        """Calls back with each channel that is marked here (True), or whose mark has ended here (False)."""
        self._callback = callback

    def follow(self, writes: Sequence[Write]) -> None:
        """What was committed here."""
        if MARKING.isdisjoint(map(type, writes)):
            return
        for write in writes:
            match write:
                case MarkRestored(restoration=mark):
                    self.mark(mark.channel_id, restored=True)
                    self._callback(mark.channel_id, True)
                case EndRestored(channel_id=channel_id):
                    self.mark(channel_id, restored=False)
                    self._callback(channel_id, False)
                case _:
                    pass

    def mark(self, channel_id: ChannelId, *, restored: bool) -> None:
        """As was written, here or by another node."""
        self._changes += 1
        (self._channels.add if restored else self._channels.discard)(channel_id)

    def look(self) -> None:
        """What others have written may have been missed: `run` reads it soon."""
        self._behind.set()

    async def run(self) -> None:
        """Reads what was missed, until it is cancelled."""
        while True:
            await self._behind.wait()
            self._behind.clear()
            try:
                await self._read()
            except StoreError:
                log.warning("restored channels not read", exc_info=True)
                await asyncio.sleep(AGAIN_SECONDS)
                self._behind.set()

    async def _read(self) -> None:
        """Once more when a mark has changed meanwhile: what was read may be older."""
        seen = None
        while seen != self._changes:
            seen = self._changes
            marks = await self._store.restored()
        self.load(marks)
