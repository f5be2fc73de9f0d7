"""A queue that knows of the channels that are marked as restored also what other nodes have written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from messenger_hub.runtime.log import logger

from messenger_hub_server.model import ChannelId
from messenger_hub_server.queue import Queue
from messenger_hub_server.store.base import EndRestored, MarkRestored, StoreError, Write

AGAIN_SECONDS = 1.0

log = logger(__name__)


class MarkingQueue(Queue):
    """`on_mark` is called with each mark that this node has made or ended."""

    on_mark: Callable[[ChannelId, bool], None] | None = None

    def _follow(self, writes: Sequence[Write]) -> None:
        super()._follow(writes)
        for write in writes:
            match write:
                case MarkRestored(restoration=restoration):
                    self._marked(restoration.channel_id, restored=True)
                case EndRestored(channel_id=channel_id):
                    self._marked(channel_id, restored=False)
                case _:
                    pass

    def _marked(self, channel_id: ChannelId, *, restored: bool) -> None:
        self.marks.changes += 1
        if self.on_mark is not None:
            self.on_mark(channel_id, restored)

    @property
    def marks(self) -> Marks:
        """What other nodes tell of marks."""
        if self._marks is None:
            self._marks = Marks(self)
        return self._marks

    _marks: Marks | None = None

    def replace_marks(self, restored: set[ChannelId]) -> None:
        """As the store has them."""
        self._restored = restored

    def mark(self, channel_id: ChannelId, *, restored: bool) -> None:
        """As another node has written."""
        (self._restored.add if restored else self._restored.discard)(channel_id)


class Marks:
    """Hears of marks, and reads them anew when something may have been missed."""

    def __init__(self, queue: MarkingQueue) -> None:
        self._queue = queue
        self._behind = asyncio.Event()
        self.changes = 0

    def mark(self, channel_id: ChannelId, *, restored: bool) -> None:
        """As another node tells."""
        self.changes += 1
        self._queue.mark(channel_id, restored=restored)

    def look(self) -> None:
        """Reads them soon."""
        self._behind.set()

    async def run(self) -> None:
        """Until it is cancelled."""
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
        while seen != self.changes:
            seen = self.changes
            restored = {one.channel_id for one in await self._queue.store.restored()}
        self._queue.replace_marks(restored)
