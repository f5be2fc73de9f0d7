"""Operation ids at hand: reserved in blocks that nobody else will ever have, and before they are needed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from messenger_hub.runtime.failpoints import Failpoint, passing

from messenger_hub_server.delivery import ids
from messenger_hub_server.errors import StoreUnavailable
from messenger_hub_server.highwater import HighWater
from messenger_hub_server.model import OperationId
from messenger_hub_server.store.base import StoreError

SPARE = 1_024  # kept at hand for imports
AHEAD = 500  # left when the next block is fetched
FRESH_MS = 60_000


class OperationIds:
    """`first` is the first id that is given out since the database was opened: what has a smaller one may have been there then."""

    def __init__(self, highwater: HighWater) -> None:
        self._highwater = highwater
        self.first = OperationId(highwater.operation_id_limit + 1)
        self._reserved = ids.Reserved()
        self._reserving: asyncio.Future[range] | None = None

    def take(self) -> OperationId:
        """The next one. Raises LookupError when none is at hand."""
        return self._reserved.take()

    def spare(self, count: int) -> Sequence[OperationId]:
        """For operations that a journal brings back; SPARE are always at hand after a `prepare`."""
        return [self.take() for _ in range(count)]

    def are_at_hand(self, count: int) -> bool:
        """`count` can be taken, SPARE are left then, and the next block is not due."""
        return not self._reserved.short_of(count + SPARE + AHEAD)

    async def prepare(self, count: int = 0) -> None:
        """`count` and SPARE are at hand; AHEAD of that the next block is fetched, so that nobody waits for it under load. Raises
        StoreUnavailable."""
        while missing := self._reserved.short_of(count + SPARE):
            with _told():
                await asyncio.shield(self._more(missing))
        if missing := self._reserved.short_of(count + SPARE + AHEAD):
            self._more(missing)

    def failed_over(self, counted: OperationId) -> None:
        """The database may lack what was committed last. `counted`: no node has used a larger id before. Those at hand are let go, so that
        whatever may be missing, and nothing that is accepted from now on, has a smaller one."""
        self._reserved = ids.Reserved()
        self.first = OperationId(counted + 1)

    async def renew(self) -> None:
        """Those at hand are larger than all that any node has reserved, where another one has since. Ids say nothing about order, but
        pages are listed and retention walks by them. Raises StoreUnavailable."""
        with _told():
            if await self._highwater.is_overtaken():
                fresh = ids.Reserved()
                fresh.add(await self._highwater.reserve(fresh.short_of(SPARE + AHEAD)))
                self._reserved = fresh

    def _more(self, missing: int) -> asyncio.Future[range]:
        """The one reservation under way; a caller that needs more asks again."""
        if self._reserving is not None and self._reserving.done():
            # Whoever asks before its callback ran would get it again and again, and never let the callback run.
            self._came(self._reserving)
        if self._reserving is None:
            passing(Failpoint.SERVER_BEFORE_ID_LIMIT)
            self._reserving = asyncio.ensure_future(self._highwater.reserve(missing))
            self._reserving.add_done_callback(self._came)
        return self._reserving

    def _came(self, done: asyncio.Future[range]) -> None:
        if done is not self._reserving:
            return
        self._reserving = None
        if not done.cancelled() and done.exception() is None:
            passing(Failpoint.SERVER_AFTER_ID_LIMIT)
            self._reserved.add(done.result())


class FreshIds:
    """Once a minute: so a list that begins with the largest id begins with the newest operation, within a minute, also of a node that accepts
    little."""

    on_news = False

    def __init__(self, operation_ids: OperationIds) -> None:
        self._ids = operation_ids

    async def run_once(self, now_ms: int) -> int:
        """Returns in how many milliseconds to run again. Raises StoreUnavailable."""
        await self._ids.renew()
        return FRESH_MS


@contextmanager
def _told() -> Iterator[None]:
    """Raises StoreUnavailable where ids cannot be reserved."""
    try:
        yield
    except (OSError, StoreError) as error:
        raise StoreUnavailable from error
