"""Watching what happens: event rows, in order, resumable, with nothing lost within the retention."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from messenger_hub_server.errors import CursorTooOld, Stopping
from messenger_hub_server.model import Event, Operation, SessionApiId
from messenger_hub_server.store.base import Store

PAGE = 200
LONGEST_WAIT_SECONDS = 30.0  # then the rows are looked at even if nothing was told


class News:
    """Counts commits and wakes whoever waits for the next one."""

    def __init__(self) -> None:
        self._count = 0
        self._next = asyncio.Event()

    @property
    def count(self) -> int:
        """How many commits have happened."""
        return self._count

    def tell(self) -> None:
        """One more."""
        self._count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def news(self, seen: int) -> int:
        """Waits until more commits than `seen` have happened; returns how many have."""
        while self._count <= seen:
            await self._next.wait()
        return self._count


async def _anybody() -> None:
    """Of whom nothing is asked."""


class Watch:
    """Reads event rows after each commit."""

    def __init__(self, store: Store, news: News) -> None:
        self._store = store
        self.news = news
        self.closed = False

    def close(self) -> None:
        """Every watcher is told Stopping; it resumes at the next start."""
        self.closed = True
        self.news.tell()

    async def events(
        self,
        after: int | None,
        session_api_id: SessionApiId | None,
        allowed: Callable[[], Awaitable[None]] = _anybody,
    ) -> AsyncIterator[tuple[Event, Operation]]:
        """Every event after an event id (None: from now on), then as they come. Raises CursorTooOld, Stopping,
        and what `allowed` raises, which is asked before anything is told: a watcher's key may be deactivated."""
        first, last = await self._store.event_range()
        position = last if after is None else after
        if position > last or (first > 0 and position < first - 1):
            raise CursorTooOld
        while True:
            seen = self.news.count
            page = await self._store.events_after(position, session_api_id, PAGE)
            await allowed()
            for event, operation in page:
                position = event.id
                yield event, operation
            if self.closed:
                raise Stopping
            if len(page) < PAGE:
                await self._wait(seen)

    async def until(self, seen: int, changed: asyncio.Event) -> None:
        """Waits until more commits than `seen` have happened or `changed` is set, at most LONGEST_WAIT_SECONDS."""
        async with asyncio.TaskGroup() as group:
            waits = {group.create_task(self.news.news(seen)), group.create_task(changed.wait())}
            await asyncio.wait(waits, timeout=LONGEST_WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()

    async def _wait(self, seen: int) -> None:
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                await self.news.news(seen)
        except TimeoutError:
            return
