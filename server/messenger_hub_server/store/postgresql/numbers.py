"""Counters that all nodes share. What is taken is never given to anybody again; each call is a transaction of its own."""

from __future__ import annotations

from dataclasses import dataclass

from messenger_hub_server.store.postgresql.database import HUB, Database
from messenger_hub_server.store.postgresql.errors import told
from messenger_hub_server.store.postgresql.statements import SQL
from messenger_hub_server.store.postgresql.types import Connection

OPERATION = "operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A counter's last number, and whether the database was ever that of several nodes at once."""

    last: int
    shared: bool


class Numbers:
    """Every call raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, kind: str, count: int, above: int) -> Counted:
        """The next `count` numbers of a kind, which are larger than `above`; `last` is the last of them."""
        return await self._counted("take_numbers", kind, count, above)

    async def raise_to(self, kind: str, least: int) -> Counted:
        """From now on numbers larger than `least` are given."""
        return await self._counted("raise_number", kind, least)

    async def begin_operations(self, least: int) -> Counted:
        """As the counter of operation ids stands. One that has not begun to count begins after `least` and after every operation."""
        return await self._counted("begin_operations", OPERATION, least)

    async def last(self, kind: str) -> int:
        """The last number of a kind that was taken."""
        with told():
            return int(await self._database.read(lambda connection: connection.fetchval(SQL["last_number"], kind)) or 0)

    async def _counted(self, statement: str, *values: object) -> Counted:
        async def work(connection: Connection) -> Counted:
            last = await connection.fetchval(SQL[statement], *values)
            await connection.execute(SQL["note_nodes"], HUB)
            shared = await connection.fetchval(SQL["is_shared"])
            return Counted(last=last, shared=bool(shared))

        with told():
            return await self._database.write(work)
