"""The embedded store: SQLite, one file, one writer. The rules it keeps stand in the schema; the statements in queries.sql."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

import msgspec
from messenger_hub.runtime.database import (
    CommitUnknown,
    Database,
    DatabaseError,
    Migration,
    NothingCommitted,
    statements,
)

from messenger_hub_server.delivery.states import TRANSITIONS
from messenger_hub_server.model import (
    ChannelId,
    Event,
    Group,
    JournalId,
    Operation,
    OperationId,
    OperationState,
    Restoration,
    SessionApiId,
    WaId,
)
from messenger_hub_server.store import base, rows
from messenger_hub_server.store.statements import load
from messenger_hub_server.store.writes import Writer

SQL = load(__package__)
T = TypeVar("T")


def _run(connection: sqlite3.Connection, script: str) -> None:
    for statement in statements(files(__package__).joinpath("schema").joinpath(f"{script}.sql").read_text()):
        connection.execute(statement)


def _start(connection: sqlite3.Connection) -> None:
    _run(connection, "1-start")
    pairs = [("", "pending"), *((source.value, to.value) for source, targets in TRANSITIONS.items() for to in targets)]
    connection.executemany("INSERT INTO transition VALUES (?, ?)", pairs)


MIGRATIONS = (
    Migration(name="1-start", apply=_start),
    Migration(name="2-place", apply=lambda connection: _run(connection, "2-place")),
    Migration(name="3-handed", apply=lambda connection: _run(connection, "3-handed")),
)


class SqliteStore:
    """See base.Store. Use `open`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path) -> SqliteStore:
        """Opens or makes the file. Raises DatabaseError with a sentence."""
        return cls(await Database.open(path, MIGRATIONS))

    async def apply(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        """One durable transaction."""

        def work(connection: sqlite3.Connection) -> Sequence[base.Outcome]:
            connection.row_factory = sqlite3.Row
            return Writer(connection, SQL).apply_all(writes)

        try:
            return await self._database.write(work)
        except CommitUnknown as error:
            raise base.WriteUnknown(str(error)) from error
        except NothingCommitted as error:
            raise base.NothingWritten(str(error)) from error
        except DatabaseError as error:
            raise base.StoreError(str(error)) from error
        except OverflowError as error:
            raise base.StoreError("A number is too large for the database.") from error

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def with_names(connection: sqlite3.Connection) -> T:
            connection.row_factory = sqlite3.Row
            return work(connection)

        try:
            return await self._database.read(with_names)
        except DatabaseError as error:
            raise base.StoreError(str(error)) from error

    async def delivery(self, channel_id: ChannelId, journal_id: JournalId) -> base.Delivery:
        """What a hello needs of a channel."""

        def work(connection: sqlite3.Connection) -> base.Delivery:
            epoch = connection.execute(
                "SELECT epoch, journal_id FROM epoch WHERE channel_id = ?", (channel_id,)
            ).fetchone()
            journal = connection.execute(
                "SELECT sequence FROM journal WHERE channel_id = ? AND journal_id = ?", (channel_id, journal_id)
            ).fetchone()
            leased = [rows.operation(row) for row in connection.execute(SQL["leased"], (channel_id,))]
            restored = connection.execute("SELECT * FROM restored WHERE channel_id = ?", (channel_id,)).fetchone()
            return base.Delivery(
                epoch=epoch["epoch"] if epoch else 0,
                journal_id=JournalId(epoch["journal_id"] if epoch else ""),
                sequence=journal["sequence"] if journal else 0,
                leased=leased,
                restored=rows.restoration(restored) if restored else None,
            )

        return await self._read(work)

    async def known_wa_ids(self, wa_ids: Sequence[WaId]) -> frozenset[WaId]:
        """Those of the given ids that an operation has."""
        wanted = msgspec.json.encode(list(wa_ids)).decode()
        statement = "SELECT wa_id FROM operation WHERE wa_id IN (SELECT value FROM json_each(?))"
        return await self._read(lambda c: frozenset(WaId(row["wa_id"]) for row in c.execute(statement, (wanted,))))

    async def operation(self, operation_id: OperationId) -> Operation | None:
        """One operation."""
        found = await self._read(lambda c: c.execute(SQL["operation"], (operation_id,)).fetchone())
        return rows.operation(found) if found else None

    async def events(self, operation_id: OperationId) -> Sequence[Event]:
        """The events of one operation, oldest first."""
        return await self._read(lambda c: [rows.event(row) for row in c.execute(SQL["events"], (operation_id,))])

    async def operations(self, wanted: base.Filter) -> Sequence[Operation]:
        """A page of operations, newest first."""
        values = {
            "channel_id": wanted.channel_id,
            "session_api_id": wanted.session_api_id,
            "state": wanted.state,
            "kind": wanted.kind,
            "reference": wanted.reference,
            "recipient": wanted.recipient,
            "placed_before_ms": wanted.placed_before_ms,
            "before": wanted.before,
            "limit": wanted.limit,
        }
        return await self._read(lambda c: [rows.operation(row) for row in c.execute(SQL["list"], values)])

    async def operations_of(self, target: str, after: OperationId, limit: int) -> Sequence[Operation]:
        """Operations of one chat or contact, oldest first."""
        values = {"target": target, "after": after, "limit": limit}
        return await self._read(lambda c: [rows.operation(row) for row in c.execute(SQL["operations_of"], values)])

    async def ages(self, after: OperationId, accepted_before_ms: int, limit: int) -> Sequence[base.Age]:
        """The next operations by id that were accepted before then."""
        found = await self._read(lambda c: c.execute(SQL["ages"], {"after": after, "limit": limit}).fetchall())
        old = takewhile(lambda row: row["accepted_at_ms"] < accepted_before_ms, found)
        return [rows.age(row) for row in old]

    async def erased(self, channel_id: ChannelId, changed_since_ms: int) -> Sequence[WaId]:
        """Erased operations of a channel."""
        values = (channel_id, changed_since_ms)
        return await self._read(lambda c: [WaId(row["wa_id"]) for row in c.execute(SQL["erased"], values)])

    async def events_after(
        self, event_id: int, session_api_id: SessionApiId | None, limit: int
    ) -> Sequence[tuple[Event, Operation]]:
        """Events with a larger id, ascending."""
        values = {"after": event_id, "session_api_id": session_api_id, "limit": limit}

        def work(connection: sqlite3.Connection) -> Sequence[tuple[Event, Operation]]:
            found = []
            for event in [rows.event(row) for row in connection.execute(SQL["events_after"], values)]:
                operation = rows.operation(connection.execute(SQL["operation"], (event.operation_id,)).fetchone())
                found.append((event, msgspec.structs.replace(operation, state=event.state, reason=event.reason)))
            return found

        return await self._read(work)

    async def event_range(self) -> tuple[int, int]:
        """The smallest and largest event id kept."""
        found = await self._read(lambda c: c.execute("SELECT min(id), max(id) FROM event").fetchone())
        return (found[0] or 0, found[1] or 0)

    async def queue_depths(self) -> dict[ChannelId, base.QueueDepth]:
        """Every channel that has something pending."""
        found = await self._read(lambda c: c.execute(SQL["queue_depths"]).fetchall())
        return {ChannelId(row[0]): _depth(row[1], row[2]) for row in found}

    async def queue_depth(self, channel_id: ChannelId) -> base.QueueDepth:
        """What is pending on one channel."""
        found = await self._read(lambda c: c.execute(SQL["queue_depth"], (channel_id,)).fetchone())
        return _depth(found[0], found[1])

    async def uncertain_counts(self) -> dict[ChannelId, int]:
        """Every channel that has something uncertain."""
        found = await self._read(lambda c: c.execute(SQL["uncertain_counts"]).fetchall())
        return {ChannelId(row[0]): row[1] for row in found}

    async def waiting_since(self, now_ms: int) -> dict[ChannelId, int]:
        """The first place of what could go or is under way."""
        found = await self._read(lambda c: c.execute(SQL["waiting_since"], {"now_ms": now_ms}).fetchall())
        return {ChannelId(row[0]): row[1] for row in found}

    async def overdue(self, channel_id: ChannelId, from_ms: int, before_ms: int, limit: int) -> tuple[int, int]:
        """How many wait with a place in that time, and the first one."""
        values = {"channel_id": channel_id, "from_ms": from_ms, "before_ms": before_ms, "limit": limit}
        found = await self._read(lambda c: c.execute(SQL["overdue"], values).fetchone())
        return int(found[0]), int(found[1])

    async def passed(self, since_ms: int, step_ms: int) -> Sequence[base.Passed]:
        """What happened since then."""

        def work(connection: sqlite3.Connection) -> Sequence[base.Passed]:
            values = {"since_ms": since_ms, "step_ms": step_ms, "first": _first_event(connection, since_ms)}
            return [rows.passed(row) for row in connection.execute(SQL["passed"], values)]

        return await self._read(work)

    async def counts(self) -> dict[OperationState, int]:
        """Live states only."""
        found = await self._read(lambda c: c.execute(SQL["counts"]).fetchone())
        live = (OperationState.PENDING, OperationState.LEASED, OperationState.UNCERTAIN)
        return dict(zip(live, found, strict=True))

    async def next_wake_at_ms(self, now_ms: int) -> int | None:
        """When the next pending operation that was held comes due, or any may be tried again or expires."""
        found = await self._read(lambda c: c.execute(SQL["next_wake"], {"now_ms": now_ms}).fetchone())
        return None if found[0] is None else int(found[0])

    async def latest_place_ms(self) -> int:
        """The last place of what is pending or leased and does not stand at its send_at."""
        found = await self._read(lambda c: c.execute(SQL["latest_place"]).fetchone())
        return int(found[0])

    async def groups(self, channel_id: ChannelId) -> tuple[Sequence[Group], int | None]:
        """The groups of a channel and when they were reported."""
        statement = "SELECT body, as_of_ms FROM channel_groups WHERE channel_id = ?"
        found = await self._read(lambda c: c.execute(statement, (channel_id,)).fetchone())
        if found is None:
            return (), None
        return tuple(msgspec.json.decode(found["body"], type=list[Group])), int(found["as_of_ms"])

    async def registry(self) -> base.Registry:
        """Every record of the registry."""
        found = await self._read(lambda c: c.execute("SELECT kind, body FROM record").fetchall())
        records = [rows.decode(row["kind"], row["body"]) for row in found]
        return rows.registry(records)

    async def restored(self) -> Sequence[Restoration]:
        """The channels that are marked as restored."""
        statement = "SELECT * FROM restored ORDER BY channel_id"
        return await self._read(lambda c: [rows.restoration(row) for row in c.execute(statement)])

    async def high_marks(self) -> base.HighMarks:
        """The largest operation id, and each channel's epoch."""

        def work(connection: sqlite3.Connection) -> base.HighMarks:
            largest = connection.execute("SELECT max(id) FROM operation").fetchone()[0] or 0
            epochs = {ChannelId(row[0]): row[1] for row in connection.execute("SELECT channel_id, epoch FROM epoch")}
            return base.HighMarks(operation_id=largest, epochs=epochs)

        return await self._read(work)

    async def scrub(self) -> None:
        """Empties the log beside the file; inside it deleted content is overwritten at once."""
        try:
            await self._database.truncate_log()
        except DatabaseError as error:
            raise base.StoreError(str(error)) from error

    async def check_writable(self) -> None:
        """A transaction that writes a page: with a full disk it fails as a real one would."""
        try:
            await self._database.write(_touch)
        except DatabaseError as error:
            raise base.NothingWritten(str(error)) from error

    async def close(self) -> None:
        """Ends connections and threads."""
        await self._database.close()


def _touch(connection: sqlite3.Connection) -> None:
    # Writes the first page even when the number stays; a statement that finds no row would write nothing, and notice nothing.
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version = {int(version)}")


def _first_event(connection: sqlite3.Connection, since_ms: int) -> int:
    """The id of the first event since then, found by halving: ids grow with time, and an index of times would cost every operation."""
    low, high = connection.execute("SELECT min(id), max(id) + 1 FROM event").fetchone()
    if low is None:
        return 0
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(SQL["event_from"], (middle,)).fetchone()
        if found["at_ms"] >= since_ms:
            high = middle
        else:
            low = found["id"] + 1
    return int(low)


def _depth(pending: int, oldest: int | None) -> base.QueueDepth:
    return base.QueueDepth(pending=pending, oldest_accepted_at_ms=oldest)
