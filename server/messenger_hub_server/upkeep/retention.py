"""Deletes settled operations after their retention, with their events and idempotency records."""

from __future__ import annotations

from messenger_hub_server.queue import Queue
from messenger_hub_server.store.base import Purge

DAY_MS = 86_400_000
AT_ONCE = 1_000  # so that nobody waits long for the writer
EVERY_MS = 3_600_000


class Retention:
    """Runs hourly, and at once again while there is more."""

    on_news = False

    def __init__(self, queue: Queue, days: int) -> None:
        self._queue = queue
        self._days = days

    async def run_once(self, now_ms: int) -> int:
        """Returns in how many milliseconds to run again. Raises HubError."""
        (deleted,) = await self._queue.commit([Purge(before_ms=now_ms - self._days * DAY_MS, limit=AT_ONCE)])
        return 1 if deleted == AT_ONCE else EVERY_MS
