"""A PostgreSQL database: one connection that writes, a few that read.

A transaction runs on the connection that writes, one at a time; when `write` returns, what it did survives a crash of the server
(synchronous_commit is on, and a server whose fsync or full_page_writes is off is refused). What a failed write means:

    before COMMIT was sent, any error      nothing was written: the server rolls back what was not committed, also when the connection
                                           is gone
    an ERROR in answer to COMMIT           nothing was written: a server cannot take back what it has committed (it would panic)
    anything else at COMMIT                unknown: the connection was lost, or ended by an administrator, a failover or our own time-out

After an unknown commit every connection is closed, and nothing is written, read or told before it is over on the server: the
connection that writes holds an advisory lock of its own for as long as it lives, which a server gives to the next one only when the
transaction of the last one has ended, whichever way. The next connection ends the old one's process, if it is still there, and waits
for the lock. So a COMMIT that is still on its way when it is given up can never turn up after somebody was told that it is not there.
One that a killed node has left behind is another node's commit to everybody else.

A second lock is held by every node, shared, and taken alone by what must not meet a node at work.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import asyncpg
from messenger_hub.runtime.database import CommitUnknown, DatabaseAway, DatabaseError, NothingCommitted, Refused

from messenger_hub_server.model import OperationId
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql import failovers, schema
from messenger_hub_server.store.postgresql.connecting import (
    BROKEN,
    CONNECT_SECONDS,
    FAULTS,
    SESSION,
    connect,
    readers,
    refused,
    require_durable,
    words,
)
from messenger_hub_server.store.postgresql.types import Connection, Pool

T = TypeVar("T")

ROLLBACK_SECONDS = 2.0
CLOSE_SECONDS = 5.0
REOPEN_SECONDS = 10.0  # after an unknown commit, for a server that starts again
REOPEN_EVERY_SECONDS = 0.1
LOCK_SECONDS = 30.0  # a dead client's connection is noticed within 25
LOCK_EVERY_SECONDS = 0.1
VACUUM_SECONDS = 600.0
TRIES = 4

# Of this database's advisory locks. The second is the first half of a pair, whose other half is the node's.
HUB = 0x6D68_0001
_NODE = 0x6D68_0003
# What it writes it names by key: a plan that was made when a table was small must not read all of it when it has grown.
_WRITING = """
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""
Work = Callable[[Connection], Awaitable[T]]
# Another transaction was at the same rows: this one was rolled back, and finds what the other one has done when it is done again.
_CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.UniqueViolationError)


@contextmanager
def _heard(connection: Connection) -> Iterator[None]:
    """A connection that ends between two steps of asyncpg's has no protocol any more, over which asyncpg 0.32 stumbles."""
    try:
        yield
    except AttributeError as error:
        if connection.is_closed():
            raise asyncpg.ConnectionDoesNotExistError("The connection has ended.") from error
        raise


@dataclass(frozen=True, slots=True)
class _Backend:
    """The server's process behind a connection."""

    number: int
    started: datetime


class Database:
    """Use `open`; `close` ends every connection."""

    def __init__(
        self, address: StoreAddress, migrations: Sequence[schema.Migration], patience_seconds: float, *, alone: bool
    ) -> None:
        self._address = address
        self._migrations = migrations
        self._patience_seconds = patience_seconds
        self._alone = alone
        self._node = secrets.randbits(31)
        self._writing = asyncio.Lock()
        self._writer: Connection | None = None
        self._backend: _Backend | None = None
        self._readers: Pool | None = None
        self._suspect = False
        self._server: str | None = None
        self._failovers: list[Callable[[OperationId], None]] = []
        self.openings = 0
        """How often it has connected."""

    @classmethod
    async def open(
        cls,
        address: StoreAddress,
        migrations: Sequence[schema.Migration] = schema.MIGRATIONS,
        *,
        alone: bool = False,
        patience_seconds: float = LOCK_SECONDS,
    ) -> Database:
        """Connects and brings the schema up to date. `alone`: no other node is at work, and none starts before `close`.
        `patience_seconds`: how long to wait for others to let go of the database.

        Raises DatabaseError with a sentence.
        """
        database = cls(address, migrations, patience_seconds, alone=alone)
        try:
            async with database._writing:
                await database._connected()
        except BaseException:
            await database.close()
            raise
        return database

    @staticmethod
    async def look(address: StoreAddress) -> None:
        """Connects, whoever uses the database, and changes nothing. Raises DatabaseError when a hub could not use it."""
        connection = await connect(address)
        try:
            await require_durable(connection, address)
        except FAULTS as error:
            raise _told(error) from error
        finally:
            connection.terminate()

    async def aside(self) -> Connection:
        """A connection more, for what is no transaction; whoever asks for it ends it. Raises DatabaseError."""
        return await connect(self._address)

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in one durable transaction; again, when another node's transaction was at the same rows.

        Raises NothingCommitted, CommitUnknown, Refused, or what `work` raises.
        """
        async with self._writing:
            for _ in range(TRIES - 1):
                with suppress(*_CONFLICTS):
                    return await self._write(work)
            try:
                return await self._write(work)
            except _CONFLICTS as error:
                raise _told(error) from error

    async def read(self, work: Work[T]) -> T:
        """Runs `work`, of one statement, on what is committed. Raises NothingCommitted when it cannot be told right now."""
        if self._suspect or self._readers is None:
            async with self._writing:
                await self._connected()
        if self._readers is None:
            raise NothingCommitted("The database is closed.")
        try:
            async with self._readers.acquire(timeout=CONNECT_SECONDS) as connection:
                try:
                    with _heard(connection):  # type: ignore[arg-type] # a proxy with the same methods
                        return await work(connection)  # type: ignore[arg-type]
                except BROKEN:
                    connection.terminate()
                    raise
        except FAULTS as error:
            raise _told(error) from error

    async def view(self, work: Work[T]) -> T:
        """Runs `work`, of several statements, on one consistent view of what is committed. Raises NothingCommitted."""

        async def consistent(connection: Connection) -> T:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await work(connection)

        return await self.read(consistent)

    async def vacuum(self, tables: Sequence[str]) -> None:
        """Frees what deleted and changed rows have left. Raises DatabaseError."""
        connection = await connect(self._address)
        try:
            await connection.execute("SET statement_timeout = 0")
            await connection.execute(f"VACUUM {', '.join(tables)}", timeout=VACUUM_SECONDS)
        except FAULTS as error:
            raise _told(error) from error
        finally:
            connection.terminate()

    def on_failover(self, callback: Callable[[OperationId], None]) -> None:
        """Called when it has come back to another server than before, or to another timeline: what was committed last may be missing.
        No operation has a larger id than it is called with."""
        self._failovers.append(callback)

    async def close(self) -> None:
        """Waits for what is being written, then ends every connection."""
        async with self._writing:
            readers, self._readers = self._readers, None
            writer, self._writer = self._writer, None
            if readers is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(readers.close(), CLOSE_SECONDS)
                readers.terminate()
            if writer is not None:
                with suppress(*FAULTS):
                    await writer.close(timeout=CLOSE_SECONDS)
                writer.terminate()

    # ---- writing, with the lock held ----------------------------------------------------------------------------------------

    async def _write(self, work: Work[T]) -> T:
        try:
            connection = await self._connected()
        except NothingCommitted:
            raise
        except DatabaseError as error:  # what it finds in a database that it comes back to, a newer schema for one
            raise NothingCommitted(str(error)) from error
        try:
            with _heard(connection):
                await connection.execute("BEGIN")
                result = await work(connection)
        except _CONFLICTS:
            await self._roll_back(connection)
            raise
        except FAULTS as error:
            await self._roll_back(connection)
            raise _told(error) from error
        except BaseException:
            await self._roll_back(connection)
            raise
        await self._commit(connection)
        return result

    async def _roll_back(self, connection: Connection) -> None:
        """A connection that cannot say so is given up: without COMMIT nothing of it stays."""
        try:
            await connection.execute("ROLLBACK", timeout=ROLLBACK_SECONDS)
        except FAULTS:
            self._give_up(connection)
        except BaseException:
            self._give_up(connection)
            raise

    async def _commit(self, connection: Connection) -> None:
        try:
            status = await connection.execute("COMMIT")
        except asyncpg.PostgresError as error:
            if not connection.is_closed() and _is_plain(error):
                await self._roll_back(connection)
                if isinstance(error, _CONFLICTS):
                    raise
                raise _told(error) from error
            raise self._unknown(connection, error) from error
        except Exception as error:
            raise self._unknown(connection, error) from error
        except BaseException as error:
            self._unknown(connection, error)
            raise
        if status != "COMMIT":
            raise NothingCommitted("The database has rolled the transaction back.")

    def _unknown(self, connection: Connection, error: BaseException) -> CommitUnknown:
        self._suspect = True
        self._give_up(connection)
        if self._readers is not None:
            self._readers.terminate()
            self._readers = None
        return CommitUnknown(f"Whether {self._address} has committed is not known ({words(error)}).")

    def _give_up(self, connection: Connection) -> None:
        connection.terminate()
        if self._writer is connection:
            self._writer = None

    # ---- connecting, with the lock held -------------------------------------------------------------------------------------

    async def _connected(self) -> Connection:
        """The connection that writes; a new one after the last was lost. Raises DatabaseError."""
        if self._writer is None or self._writer.is_closed():
            self._writer = await self._patiently()
            self._suspect = False
            self.openings += 1
            if self._readers is not None:
                self._readers.terminate()  # a failover may have left them with a server of the past
            self._readers = await readers(self._address)
        return self._writer

    async def _patiently(self) -> Connection:
        deadline = time.monotonic() + (REOPEN_SECONDS if self._suspect else 0.0)
        while True:
            try:
                return await self._opened()
            except DatabaseAway:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(REOPEN_EVERY_SECONDS)

    async def _opened(self) -> Connection:
        connection = await connect(self._address)
        try:
            await require_durable(connection, self._address)
            await self._take_over(connection)
            await schema.migrate(connection, self._migrations, str(self._address))
            server = await failovers.note(connection)
        except FAULTS as error:
            connection.terminate()
            raise refused(self._address, error) from error
        except BaseException:
            connection.terminate()
            raise
        self._follow(server)
        return connection

    def _follow(self, server: failovers.Server) -> None:
        before, self._server = self._server, server.name
        if before is not None and before != server.name:
            for callback in self._failovers:
                callback(server.counted)

    async def _take_over(self, connection: Connection) -> None:
        """Takes the locks, once the last connection's transaction is over. Raises DatabaseError."""
        own = await connection.fetchrow("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        if own is None:
            raise NothingCommitted(
                f"{self._address} does not tell its connections apart: connect to PostgreSQL itself."
            )
        patience_seconds = self._patience_seconds if self._backend is None else REOPEN_SECONDS
        if self._backend is not None:
            ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start = $2"
            await connection.execute(ending, self._backend.number, self._backend.started)
        deadline = time.monotonic() + patience_seconds
        while not await self._has_locks(connection):
            if time.monotonic() >= deadline:
                raise NothingCommitted(self._in_use())
            await asyncio.sleep(LOCK_EVERY_SECONDS)
        await connection.execute(SESSION + _WRITING)
        self._backend = _Backend(own["pid"], own["backend_start"])

    async def _has_locks(self, connection: Connection) -> bool:
        """Looks again and again instead of standing in the queue for them, where it would hold up nodes that come later."""
        shared = "" if self._alone else "_shared"
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1::integer, $2::integer)", _NODE, self._node):
            return False
        if await connection.fetchval(f"SELECT pg_try_advisory_lock{shared}($1::bigint)", HUB):
            return True
        await connection.execute("SELECT pg_advisory_unlock($1::integer, $2::integer)", _NODE, self._node)
        return False

    def _in_use(self) -> str:
        if self._alone:
            return f"A hub is at work on {self._address}, which this needs for itself: stop every hub on it, then repeat this."
        return (
            f"{self._address} is being moved or restored, or used by a version that works on it alone: let that end, or stop it, "
            "then start this hub again."
        )


def _is_plain(error: asyncpg.PostgresError) -> bool:
    """The server goes on with the connection after this one."""
    return (getattr(error, "severity_en", None) or getattr(error, "severity", None)) == "ERROR"


def _told(error: Exception) -> DatabaseError:
    match error:
        case asyncpg.IntegrityConstraintViolationError():
            return Refused(words(error))
        case asyncpg.DataError() | ValueError():  # one told by the server, one by the client
            return DatabaseError(words(error))
        case _:
            return NothingCommitted(f"The database cannot be used right now: {words(error)}")
