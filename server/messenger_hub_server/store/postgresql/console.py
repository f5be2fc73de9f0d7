"""The row that holds the console's sign-ins, for all nodes."""

from __future__ import annotations

from collections.abc import Callable

from messenger_hub_server.store.postgresql.database import Database
from messenger_hub_server.store.postgresql.errors import told
from messenger_hub_server.store.postgresql.types import Connection


class ConsoleRow:
    """See identity.keeping.Row."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> bytes:
        """See Row."""
        with told():
            found = await self._database.read(lambda connection: connection.fetchval("SELECT body FROM console"))
        return bytes(found or b"")

    async def change(self, decide: Callable[[bytes], bytes]) -> None:
        """See Row."""

        async def work(connection: Connection) -> None:
            await connection.execute("INSERT INTO console (body) VALUES ('') ON CONFLICT DO NOTHING")
            before = await connection.fetchval("SELECT body FROM console FOR UPDATE")
            await connection.execute("UPDATE console SET body = $1", decide(bytes(before)))

        with told():
            await self._database.write(work)
