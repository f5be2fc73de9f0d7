"""A PostgreSQL database that another database's rows are copied into, as they are: no event is written for them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto

from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.database import Database
from messenger_hub_server.store.postgresql.statements import SQL
from messenger_hub_server.store.postgresql.text import read, stored
from messenger_hub_server.store.postgresql.types import Connection
from messenger_hub_server.store.rows import Row, Value


class Found(Enum):
    """What was in the database."""

    NOTHING = auto()
    HALF = auto()
    """A copy that was interrupted."""
    THIS_HUB = auto()
    ANOTHER_HUB = auto()


class Copying:
    """Use `open`; then `claim`, `put` and `finish`. Every call is one transaction. Raises DatabaseError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, address: StoreAddress) -> Copying:
        """Connects, and makes the tables where there are none. No hub is at work on the database then, and none starts before `close`."""
        return cls(await Database.open(address, alone=True))

    async def claim(self, digest: bytes) -> Found:
        """What is there; what is empty is this hub's from now on, and no server starts on it before `finish`."""

        async def work(connection: Connection) -> Found:
            row = await connection.fetchrow("SELECT digest, copying FROM hub")
            if row is None:
                await connection.execute("INSERT INTO hub (digest, copying) VALUES ($1, true)", digest)
                return Found.NOTHING
            if row["digest"] != digest:
                return Found.ANOTHER_HUB
            return Found.HALF if row["copying"] else Found.THIS_HUB

        return await self._database.write(work)

    async def empty(self, tables: Sequence[str]) -> None:
        """Deletes everything."""
        await self._database.write(lambda connection: connection.execute(f"TRUNCATE {', '.join(tables)}"))

    async def last(self, table: str, key: str) -> Value:
        """The largest key; None when there is no row."""
        asked = f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1"  # noqa: S608 our own names
        found: Value = await self._database.read(lambda connection: connection.fetchval(asked))
        return found

    async def put(self, table: str, columns: Sequence[str], rows: Sequence[Row], *, whole: bool) -> None:
        """Adds rows, all or none; `whole`: in the place of all that are there."""

        async def work(connection: Connection) -> None:
            if whole:
                await connection.execute(f"DELETE FROM {table}")  # noqa: S608
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            records = [tuple(map(stored, row)) for row in rows]
            await connection.copy_records_to_table(table, records=records, columns=columns)
            await connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

        await self._database.write(work)

    async def rows(self, table: str, columns: Sequence[str], key: str, after: Value, limit: int) -> Sequence[Row]:
        """The next rows by key; of a table without one all."""
        asked, values = f"SELECT {', '.join(columns)} FROM {table}", tuple[Value, ...]()  # noqa: S608
        if key:
            asked, values = f"{asked} WHERE {key} > $1 ORDER BY {key} LIMIT $2", (after, limit)
        found = await self._database.read(lambda connection: connection.fetch(asked, *values))
        return [tuple(read(value) if isinstance(value, str) else value for value in row) for row in found]

    async def finish(self, last_event: int) -> None:
        """Servers may start on it. Events go on after `last_event`."""

        async def work(connection: Connection) -> None:
            asked = "SELECT setval(pg_get_serial_sequence('event', 'id'), greatest($1::bigint, 1), $1::bigint > 0)"
            await connection.execute(asked, last_event)
            await connection.execute(SQL["begin_places"])
            await connection.execute("ANALYZE")
            await connection.execute("UPDATE hub SET copying = false")

        await self._database.write(work)

    async def close(self) -> None:
        """Ends all connections."""
        await self._database.close()
