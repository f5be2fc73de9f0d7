"""The registry's records as several nodes share them: a version that every change raises, and a lock of whoever changes them.

The lock keeps nodes from standing in each other's way. That none overwrites what another has written does not depend on it: a change is
only written on top of the version that its node has in memory (writes.py).
"""

from __future__ import annotations

import asyncio
import time

from messenger_hub_server.store import base, rows
from messenger_hub_server.store.postgresql.database import Database, T, Work
from messenger_hub_server.store.postgresql.errors import told
from messenger_hub_server.store.postgresql.notices import PostgresqlNotices
from messenger_hub_server.store.postgresql.statements import SQL
from messenger_hub_server.store.postgresql.types import Connection

LOCK_EVERY_SECONDS = 0.02
HUNG_SECONDS = (
    5.0  # a change takes milliseconds: a node that holds the lock for longer has stopped, and is relieved of it
)
LOCK_SECONDS = 10.0
STALE = -1
"""The version of a memory that may not be what is stored: nothing is written on top of it."""

_TURN = 0x6D68_0005  # of this database's advisory locks
_VERSION = "SELECT version FROM registry_version"
_RELIEVE = """
SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = 0 AND objid = $1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""


class KnownVersion:
    """The version that this process's memory is of. None: it keeps none, and writes on top of any."""

    def __init__(self) -> None:
        self.number: int | None = None

    def wrote(self, version: int | None) -> None:
        """A transaction of this node has made that the version."""
        if self.number is not None and version is not None:
            self.number = version

    def lost(self) -> None:
        """Whether a change of this node is stored is not known."""
        if self.number is not None:
            self.number = STALE


class PostgresqlRecords:
    """See nodes.turns.SharedRecords."""

    def __init__(self, database: Database, notices: PostgresqlNotices, known: KnownVersion) -> None:
        self._database = database
        self._notices = notices
        self._known = known

    @property
    def known(self) -> int:
        """See SharedRecords."""
        return STALE if self._known.number is None else self._known.number

    async def version(self) -> int:
        """See SharedRecords."""
        return int(await self._ask(lambda connection: connection.fetchval(_VERSION)))

    async def records(self) -> base.Registry:
        """See SharedRecords."""

        async def work(connection: Connection) -> tuple[int, base.Registry]:
            version = int(await connection.fetchval(_VERSION))
            found = await connection.fetch(SQL["records"])
            return version, rows.registry([rows.decode(row["kind"], row["body"]) for row in found])

        with told():
            version, registry = await self._database.view(work)
        self._known.number = version
        return registry

    async def take(self) -> None:
        """See SharedRecords."""
        began = time.monotonic()
        relieved = False
        while not await self._ask(lambda c: c.fetchval("SELECT pg_try_advisory_lock($1::bigint)", _TURN)):
            waited = time.monotonic() - began
            if waited > LOCK_SECONDS:
                raise base.StoreError("Another node is changing the registry and does not end.")
            if waited > HUNG_SECONDS and not relieved:
                relieved = True
                await self._ask(lambda c: c.execute(_RELIEVE, _TURN))
            await asyncio.sleep(LOCK_EVERY_SECONDS)

    async def give(self) -> None:
        """See SharedRecords."""
        await self._ask(lambda c: c.execute("SELECT pg_advisory_unlock($1::bigint)", _TURN))

    async def _ask(self, work: Work[T]) -> T:
        with told():
            return await self._notices.ask(work)
