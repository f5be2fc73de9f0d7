"""An SQLite database on two owned threads: one writes, one reads. The only module that knows sqlite-utils.

A write is a function of the connection that runs inside one transaction; when `write` returns, what it did survives a power cut
(WAL, synchronous=FULL). What a failed write means was found out by making fsync fail:

    before COMMIT, any error               the transaction is rolled back: nothing was written
    at COMMIT, SQLITE_FULL, SQLITE_BUSY    nothing was written
    at COMMIT, any other error             unknown: a look-up finds nothing, and yet the rows may come back from the WAL when the
                                           file is opened the next time. So every connection is closed, and only what is found
                                           after reopening counts.

A damaged file is found at `open`, as far as CHECK_SECONDS allow: reading all of it costs 2 to 5 µs an operation, so that is a few
hundred thousand of them, and a start takes no longer however much is stored. What lies beyond is found when it is used; then the
transaction that touches it is refused.

All steps that a version adds to the schema are one transaction: whatever fails, and whenever the power is cut, the file is wholly the
old one or wholly the new one, and the version that wrote it can go on with the old one.

Transactions run on the plain connection: sqlite-utils' insert() costs 64 µs a row, execute() 5.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import sqlite_utils
from sqlite_utils.migrations import Migrations

from messenger_hub.runtime.failpoints import Failpoint, passing

T = TypeVar("T")

_BUSY_TIMEOUT_MS = 5_000
_TRUNCATE_TIMEOUT_MS = 100
_CACHED_STATEMENTS = 256
_CHECKPOINT_PAGES = 4_000  # 16 MiB of log beside the file
CHECK_SECONDS = 2.0
_READ_TRIES = 3
_NOTHING_WRITTEN = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DatabaseError(Exception):
    """The database could not do it; the message says what to do."""


class NothingCommitted(DatabaseError):
    """Nothing of the transaction will ever be there."""


class DatabaseAway(NothingCommitted):
    """Its server cannot be reached right now."""


class CommitUnknown(DatabaseError):
    """What is there is only known once the database has been reopened, which the next call tries."""


class Refused(DatabaseError):
    """A constraint refused the transaction: a fault of the caller, and nothing was written."""


class DatabaseTooNew(DatabaseError):
    """A newer version has changed the schema."""


class NotUpdated(NothingCommitted):
    """A change of the schema failed, and the file is as it was before; the message says what to do."""


class DatabaseDamaged(NothingCommitted):
    """The file is not a sound database; the message names it and says what to put back."""


class _Suspect(Exception):
    """The file has to be reopened before anybody is told what is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema, run once. A name, once released, never changes its meaning."""

    name: str
    apply: Callable[[sqlite3.Connection], None]


class Database:
    """One file, one writer thread, one reader thread. Use `open`; `close` ends both threads."""

    def __init__(self, path: Path, migrations: Sequence[Migration]) -> None:
        self.path = path
        self._migrations = migrations
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="database-writer")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="database-reader")
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._suspect = False
        self._checked = False

    @classmethod
    async def open(cls, path: Path, migrations: Sequence[Migration]) -> Database:
        """Opens or makes the file and brings its schema up to date. Raises DatabaseTooNew, DatabaseDamaged or NothingCommitted."""
        database = cls(path, migrations)
        try:
            await asyncio.get_running_loop().run_in_executor(database._writing, database._connect)
        except BaseException:
            await database.close()
            raise
        return database

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` in one durable transaction. Raises NothingCommitted, CommitUnknown, Refused, or what `work` raises."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, self._write, work)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` on one consistent view of everything committed. Raises NothingCommitted when the file cannot be read."""
        loop = asyncio.get_running_loop()
        for _ in range(_READ_TRIES):
            if self._suspect:
                # From here and not from the reader's thread: the writer waits for that one when a commit fails.
                await loop.run_in_executor(self._writing, self._connect)
            try:
                return await loop.run_in_executor(self._reading, self._read, work)
            except _Suspect:
                continue
        raise NothingCommitted(f"Commits to {self.path.name} keep failing: what is there cannot be told right now.")

    async def truncate_log(self) -> None:
        """Moves the log into the file and empties it: pages as they were before leave the disk. Raises NothingCommitted."""
        await asyncio.get_running_loop().run_in_executor(self._writing, self._truncate_log)

    async def close(self) -> None:
        """Waits for what runs, closes the file and ends both threads."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reading, self._close_reader)
        await loop.run_in_executor(self._writing, self._close_writer)
        self._reading.shutdown()
        self._writing.shutdown()

    # ---- on the writer's thread ---------------------------------------------------------------------------------------------

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
            result = work(connection)
            passing(Failpoint.DATABASE_BEFORE_COMMIT)
        except sqlite3.IntegrityError as error:
            connection.rollback()
            raise Refused(str(error)) from error
        except sqlite3.Error as error:
            connection.rollback()
            raise _told(error) from error
        except BaseException:
            connection.rollback()
            raise
        self._commit(connection)
        passing(Failpoint.DATABASE_AFTER_COMMIT)
        return result

    def _commit(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except sqlite3.IntegrityError as error:  # a deferred constraint: COMMIT has not begun to write
            connection.rollback()
            raise Refused(str(error)) from error
        except sqlite3.Error as error:
            if _primary_code(error) in _NOTHING_WRITTEN:
                connection.rollback()
                raise _told(error) from error
            self._abandon()
            raise CommitUnknown(f"A commit to {self.path.name} failed: {error}") from error

    def _truncate_log(self) -> None:
        connection = self._connect()
        try:
            # Writers wait meanwhile: a long read of somebody else must not hold them up.
            connection.execute(f"PRAGMA busy_timeout = {_TRUNCATE_TIMEOUT_MS}")
            try:
                (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        except sqlite3.Error as error:
            raise _told(error, self.path) from error
        if busy:
            raise NothingCommitted(f"{self.path.name} is in use by another program.")

    def _abandon(self) -> None:
        # The failed commit's frames may stand in the WAL. Open connections share an index that ignores them, a fresh start does
        # not: there must be a moment at which nobody has the file open.
        self._suspect = True
        self._close_writer()
        self._reading.submit(self._close_reader).result()

    def _connect(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = self._opened()
            self._suspect = False
        return self._writer

    def _opened(self) -> sqlite3.Connection:
        try:
            connection = _connection(self.path)
        except sqlite3.Error as error:
            raise _told(error, self.path) from error
        try:
            self._prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            raise _told(error, self.path) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        if not self._checked:
            _check(connection, self.path)
            self._checked = True
        if self._suspect:
            # What recovery brought back was never synced; a checkpoint writes and syncs it before anybody is told of it.
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise NothingCommitted(f"{self.path.name} is still in use by another program.")
        self._migrate(connection)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        database = sqlite_utils.Database(connection, execute_plugins=False)
        known = Migrations("schema")
        for migration in self._migrations:
            known(name=migration.name)(_on_connection(migration))
        strangers = {done.name for done in known.applied(database)} - {migration.name for migration in self._migrations}
        if strangers:
            raise DatabaseTooNew(
                f"{self.path} was written by a newer version (it has {', '.join(sorted(strangers))}): install that version again."
            )
        if not known.pending(database):
            return
        try:
            with database.atomic():
                known.apply(database)
        except Exception as error:
            if isinstance(error, sqlite3.Error) and _primary_code(error) in _NOTHING_WRITTEN:
                raise  # a full disk, or another program: to be tried again
            raise NotUpdated(
                f"The update of {self.path} failed ({error}) and nothing of it was done, so that the version before can go on with it: "
                "install that one again, and report this."
            ) from error

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    # ---- on the reader's thread ---------------------------------------------------------------------------------------------

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if not self._suspect:
            found = self._read_once(work)
            # When a commit failed meanwhile, a connection that was opened after that may have seen what was never synced.
            if not self._suspect:
                return found
        raise _Suspect

    def _read_once(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._reader is None:
                self._reader = _connection(self.path)
                self._reader.execute("PRAGMA query_only = ON")
            self._reader.execute("BEGIN")
            try:
                return work(self._reader)
            finally:
                self._reader.rollback()
        except sqlite3.Error as error:
            raise _told(error, self.path) from error

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def statements(script: str) -> Sequence[str]:
    """The statements of a script, so that they can run inside a transaction (executescript() commits first)."""
    found: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending.strip())
            pending = ""
    return found


def _connection(path: Path) -> sqlite3.Connection:
    # SQLite gives its other files the mode of this one.
    try:
        path.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise NothingCommitted(f"{path} cannot be written: {error.strerror}.") from error
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=_CACHED_STATEMENTS
    )
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        # Else every statement of many rows makes a file and deletes it, to go back to if it fails; only this process would read it.
        connection.execute("PRAGMA temp_store = MEMORY")
        # The same few pages, the ends of the indexes, change in every transaction: copying them into the file less often saves
        # 6 to 9 % of a busy hub's processor.
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises DatabaseDamaged for what can be found within CHECK_SECONDS."""
    with _interrupted(connection, CHECK_SECONDS):
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_INTERRUPT:
                raise
            return
    if found != "ok":
        raise _damaged(path, found.splitlines()[-1])


@contextmanager
def _interrupted(connection: sqlite3.Connection, seconds: float) -> Iterator[None]:
    """What runs on the connection is broken off after so long."""
    timer = threading.Timer(seconds, connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _on_connection(migration: Migration) -> Callable[[sqlite_utils.Database], None]:
    def run(database: sqlite_utils.Database) -> None:
        migration.apply(database.conn)

    return run


def _primary_code(error: sqlite3.Error) -> int | None:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _told(error: sqlite3.Error, path: Path | None = None) -> DatabaseError:
    if _primary_code(error) in _DAMAGED:
        return _damaged(path, str(error))
    return NothingCommitted(f"The database cannot be used right now: {error}")


def _damaged(path: Path | None, how: str) -> DatabaseDamaged:
    return DatabaseDamaged(
        f"{path or 'The database'} is damaged or not a database ({how}): stop, and put it and the files beside it back from one back-up."
    )
