"""The queue of one node of several."""

from __future__ import annotations

from messenger_hub_server.delivery import ids
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.model import OperationId
from messenger_hub_server.queue import AHEAD, SPARE, Queue

EVERY_MS = 60_000


class NodeQueue(Queue):
    """Its operation ids can be changed for newer ones. Ids say nothing about order, but pages are listed and retention walks by them."""

    def failed_over(self, counted: OperationId) -> None:
        """The database may lack what was committed last. `counted`: no node has used a larger operation id before. Those at hand are let go,
        so that whatever may be missing, and nothing that is accepted from now on, has a smaller one."""
        self._numbers = ids.Reserved()
        self.first_id = OperationId(counted + 1)

    async def renew_ids(self) -> None:
        """From now on ids are larger than all that any node has reserved before. Raises OSError or StoreError."""
        fresh = ids.Reserved()
        fresh.add(await self._highwater.reserve(fresh.short_of(SPARE + AHEAD)))
        self._numbers = fresh


class FreshIds:
    """Once a minute, where another node has reserved ids since: so a list that begins with the largest begins with the newest, within a
    minute, also of a node that accepts little."""

    on_news = False

    def __init__(self, queue: NodeQueue, highwater: HighWater) -> None:
        self._queue = queue
        self._highwater = highwater

    async def run_once(self, now_ms: int) -> int:
        """Returns in how many milliseconds to run again. Raises StoreError."""
        if await self._highwater.is_overtaken():
            await self._queue.renew_ids()
        return EVERY_MS
