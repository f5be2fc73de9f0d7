"""Things to do later: receipts, delayed answers, the next QR code. One task, one heap, no timers elsewhere."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

Action = Callable[[], object]


class Timetable:
    """Runs each action once, at its time, in order. Times are seconds from now."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Action]] = []
        self._order = itertools.count()
        self._changed = asyncio.Event()

    def after(self, seconds: float, action: Action) -> None:
        """Have the action run in so many seconds; actions of one moment run in the order of the calls."""
        heapq.heappush(self._entries, (time.monotonic() + seconds, next(self._order), action))
        self._changed.set()

    async def run(self) -> None:
        """Work through the entries until cancelled."""
        while True:
            self._changed.clear()
            while self._entries and self._entries[0][0] <= time.monotonic():
                heapq.heappop(self._entries)[2]()
            wait = self._entries[0][0] - time.monotonic() if self._entries else None
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue
