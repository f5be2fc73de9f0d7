"""Reads of events, none of which skips one that a slower transaction has yet to commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from messenger_hub.runtime.database import NothingCommitted

from messenger_hub_server.store.postgresql.database import Database
from messenger_hub_server.store.postgresql.frontier import Frontier
from messenger_hub_server.store.postgresql.statements import SQL
from messenger_hub_server.store.postgresql.types import Connection

LOOK_EVERY_SECONDS = 0.02
LONGEST_WAIT_SECONDS = 15.0  # the server ends what does nothing after 5, and what waits for a lock after 10


class SettledEvents:
    """Every call raises DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._noting = asyncio.Lock()
        self._opening = database.openings
        self._frontier = Frontier()

    async def after(self, event_id: int, session_api_id: int | None, limit: int) -> Sequence[Any]:
        """Rows of settled events with a larger id. Where there are none, and others that are not settled yet, it waits for these."""

        async def work(connection: Connection) -> tuple[Sequence[Any], int, int]:
            last = await self._note(connection)
            settled = self._frontier.settled
            return await connection.fetch(SQL["events_after"], event_id, session_api_id, limit, settled), settled, last

        found, settled, last = await self._database.read(work)
        # By now another call may have found more settled than these rows were read with.
        if not found and last > settled and await self._is_settled(last):
            found, _, _ = await self._database.read(work)
        return found

    async def range(self) -> tuple[int, int]:
        """The smallest and the largest id, once what is there now is settled: whoever was told an id by another node finds it."""
        last = await self._database.read(self._note)
        if not await self._is_settled(last):
            raise NothingCommitted(
                "Another node's transaction does not end, so events cannot be told right now: try again."
            )
        settled = self._frontier.settled
        (row,) = await self._database.read(lambda connection: connection.fetch(SQL["event_range"], settled))
        return row[0], row[1]

    async def _is_settled(self, last: int) -> bool:
        """Waits until the events up to that one are; False when it takes too long."""
        try:
            async with asyncio.timeout(LONGEST_WAIT_SECONDS):
                while self._frontier.settled < last:
                    await asyncio.sleep(LOOK_EVERY_SECONDS)
                    await self._database.read(self._note)
        except TimeoutError:
            return False
        return True

    async def _note(self, connection: Connection) -> int:
        """The last id that was taken."""
        async with self._noting:
            if self._opening != self._database.openings:
                # It may be another server, which knows nothing of the last one's transactions.
                self._opening, self._frontier = self._database.openings, Frontier()
            (row,) = await connection.fetch(SQL["event_writers"])
            self._frontier.note(row["last"], frozenset(row["writers"]))
            return int(row["last"])
