"""Expires what is too late, wakes channels for what has come due, and says when to look again."""

from __future__ import annotations

from messenger_hub_server.queue import Lines, Queue
from messenger_hub_server.store.base import ExpireDue

LONGEST_MS = 60_000


class Due:
    """send_at, not_before and expires_at, held across restarts because they stand in the database. Every node looks for itself: `lines`
    are its own, `everywhere` those of all nodes."""

    on_news = True

    def __init__(self, queue: Queue, lines: Lines, everywhere: Lines) -> None:
        self._queue = queue
        self._lines = lines
        self._everywhere = everywhere
        self._looked_at_ms = 0  # whatever came due since then has not been seen
        self._woke_at_ms: int | None = None

    async def run_once(self, now_ms: int) -> int:
        """Returns in how many milliseconds to run again, unless something is queued before. Raises HubError."""
        following = await self._queue.store.next_wake_at_ms(self._looked_at_ms)
        if self._woke_at_ms is None:
            self._woke_at_ms = now_ms
        # Once in a while in any case: the clock may have been set.
        if (following is not None and following <= now_ms) or abs(now_ms - self._woke_at_ms) >= LONGEST_MS:
            expire = ExpireDue(now_ms=now_ms, reason="expires_at passed before it could be sent")
            (expired,) = await self._queue.commit([expire], frees=())
            # The other nodes find no more that something came due, when it has expired here.
            (self._everywhere if expired else self._lines).wake_all()
            self._woke_at_ms = now_ms
            following = await self._queue.store.next_wake_at_ms(now_ms)
        self._looked_at_ms = now_ms
        return LONGEST_MS if following is None else max(1, min(LONGEST_MS, following - now_ms))
