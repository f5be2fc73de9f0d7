"""The store in PostgreSQL. The rules it keeps stand in the schema; the statements in queries.sql."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any

import msgspec
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.database import DatabaseError
from messenger_hub.runtime.folder import PrivateFolder

from messenger_hub_server.highwater import HighWater
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
from messenger_hub_server.registry_ids import RegistryIds
from messenger_hub_server.store import base, rows
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.console import ConsoleRow
from messenger_hub_server.store.postgresql.database import LOCK_SECONDS, Database, Work
from messenger_hub_server.store.postgresql.errors import told
from messenger_hub_server.store.postgresql.highwater import SharedHighWater
from messenger_hub_server.store.postgresql.notices import PostgresqlNotices
from messenger_hub_server.store.postgresql.numbers import Numbers
from messenger_hub_server.store.postgresql.records import KnownVersion, PostgresqlRecords
from messenger_hub_server.store.postgresql.registry_ids import SharedRegistryIds
from messenger_hub_server.store.postgresql.settled import SettledEvents
from messenger_hub_server.store.postgresql.statements import SQL
from messenger_hub_server.store.postgresql.text import read, read_operation, stored
from messenger_hub_server.store.postgresql.types import Connection
from messenger_hub_server.store.postgresql.writes import RECORDS, Writer

LIVE = (OperationState.PENDING, OperationState.LEASED, OperationState.UNCERTAIN)
EMPTIED = ("operation", "event", "idempotency")


class PostgresqlStore:
    """See base.Store. Use `open`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers = Numbers(database)
        self._events = SettledEvents(database)
        self._known = KnownVersion()

    @classmethod
    async def open(
        cls, address: StoreAddress, digest: bytes, *, alone: bool = False, patience_seconds: float = LOCK_SECONDS
    ) -> PostgresqlStore:
        """Connects, and makes the tables where there are none. `digest` says which hub's database it is; any number of its nodes may
        have it open at once, unless one has to be `alone`.

        Raises DatabaseError with a sentence: cannot be reached, loses commits, is of a newer version, in use, or of another hub.
        """
        database = await Database.open(address, alone=alone, patience_seconds=patience_seconds)
        try:
            await database.write(lambda connection: _claim(connection, digest, address))
        except BaseException:
            await database.close()
            raise
        return cls(database)

    @staticmethod
    async def look(address: StoreAddress) -> None:
        """Changes nothing. Raises DatabaseError when a hub could not use the database."""
        await Database.look(address)

    async def highwater(self, folder: PrivateFolder) -> HighWater:
        """The high-water file of this node. Raises FolderUnusable, OSError or StoreError."""
        return await SharedHighWater.open(folder, self._numbers)

    def registry_ids(self, folder: PrivateFolder) -> RegistryIds:
        """The registry's numbers, for this node. Raises FolderUnusable."""
        return SharedRegistryIds(folder, self._numbers)

    def on_failover(self, callback: Callable[[OperationId], None]) -> None:
        """Called when the database was found on another server, whose copy may lack what was committed last; no operation has a larger id than
        it is called with."""
        self._database.on_failover(callback)

    def notices(self, name: str, clock: Clock) -> PostgresqlNotices:
        """Between this node, which people know as `name`, and the others on the database."""
        return PostgresqlNotices(self._database, name, clock)

    def console(self) -> ConsoleRow:
        """Who is signed in to the console."""
        return ConsoleRow(self._database)

    def shared_records(self, notices: PostgresqlNotices) -> PostgresqlRecords:
        """The registry, which other nodes change too: what was read through these is what this store writes on top of."""
        # A version that was lost may come again, and be of other records.
        self._database.on_failover(lambda _: self._known.lost())
        return PostgresqlRecords(self._database, notices, self._known)

    async def apply(self, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        """One durable transaction."""

        async def work(connection: Connection) -> tuple[Sequence[base.Outcome], int | None]:
            writer = Writer(connection, SQL, self._known.number)
            return await writer.apply_all(writes), writer.version

        try:
            with told():
                outcomes, version = await self._database.write(work)
        except base.WriteUnknown:
            if not RECORDS.isdisjoint(map(type, writes)):
                self._known.lost()
            raise
        self._known.wrote(version)
        return outcomes

    # ---- reads --------------------------------------------------------------------------------------------------------------

    async def _rows(self, name: str, *values: object) -> Sequence[Any]:
        async def work(connection: Connection) -> Sequence[Any]:
            return await connection.fetch(SQL[name], *map(stored, values))

        try:
            return await self._database.read(work)
        except DatabaseError as error:
            raise base.StoreError(str(error)) from error

    async def _row(self, name: str, *values: object) -> Any:
        """The single row."""
        return (await self._rows(name, *values))[0]

    async def _operations(self, name: str, *values: object) -> Sequence[Operation]:
        return [_operation(row) for row in await self._rows(name, *values)]

    async def delivery(self, channel_id: ChannelId, journal_id: JournalId) -> base.Delivery:
        """What a hello needs of a channel."""

        async def work(connection: Connection) -> base.Delivery:
            epoch = await connection.fetchrow(SQL["epoch"], channel_id)
            sequence = await connection.fetchval(SQL["sequence"], channel_id, stored(journal_id))
            leased = await connection.fetch(SQL["leased"], channel_id)
            restored = await connection.fetchrow(SQL["restored_channel"], channel_id)
            return base.Delivery(
                epoch=epoch["epoch"] if epoch else 0,
                journal_id=JournalId(read(epoch["journal_id"]) if epoch else ""),
                sequence=sequence or 0,
                leased=[_operation(row) for row in leased],
                restored=_restoration(restored) if restored else None,
            )

        return await self._view(work)

    async def _view(self, work: Work[base.Delivery]) -> base.Delivery:
        try:
            return await self._database.view(work)
        except DatabaseError as error:
            raise base.StoreError(str(error)) from error

    async def known_wa_ids(self, wa_ids: Sequence[WaId]) -> frozenset[WaId]:
        """Those of the given ids that an operation has."""
        found = await self._rows("known_wa_ids", [stored(wa_id) for wa_id in wa_ids])
        return frozenset(WaId(read(row[0])) for row in found)

    async def operation(self, operation_id: OperationId) -> Operation | None:
        """One operation."""
        found = await self._operations("operation", operation_id)
        return found[0] if found else None

    async def events(self, operation_id: OperationId) -> Sequence[Event]:
        """The events of one operation, oldest first."""
        return [_event(rows.event(row)) for row in await self._rows("events", operation_id)]

    async def operations(self, wanted: base.Filter) -> Sequence[Operation]:
        """A page of operations, newest first."""
        return await self._operations(
            "list",
            wanted.channel_id,
            wanted.session_api_id,
            wanted.state,
            wanted.kind,
            wanted.reference,
            wanted.recipient,
            wanted.placed_before_ms,
            wanted.before,
            wanted.limit,
        )

    async def operations_of(self, target: str, after: OperationId, limit: int) -> Sequence[Operation]:
        """Operations of one chat or contact, oldest first."""
        return await self._operations("operations_of", target, after, limit)

    async def ages(self, after: OperationId, accepted_before_ms: int, limit: int) -> Sequence[base.Age]:
        """The next operations by id that were accepted before then."""
        found = await self._rows("ages", after, limit)
        return [rows.age(row) for row in takewhile(lambda row: row["accepted_at_ms"] < accepted_before_ms, found)]

    async def erased(self, channel_id: ChannelId, changed_since_ms: int) -> Sequence[WaId]:
        """Erased operations of a channel."""
        return [WaId(read(row[0])) for row in await self._rows("erased", channel_id, changed_since_ms)]

    async def events_after(
        self, event_id: int, session_api_id: SessionApiId | None, limit: int
    ) -> Sequence[tuple[Event, Operation]]:
        """Events with a larger id, ascending, up to the first that an earlier one may still come before."""
        found = []
        with told():
            rows_ = await self._events.after(event_id, session_api_id, limit)
        for row in rows_:
            event = Event(
                id=row["event_id"],
                operation_id=OperationId(row["id"]),
                state=OperationState(row["event_state"]),
                at_ms=row["at_ms"],
                reason=read(row["event_reason"]),
            )
            operation = msgspec.structs.replace(_operation(row), state=event.state, reason=event.reason)
            found.append((event, operation))
        return found

    async def event_range(self) -> tuple[int, int]:
        """The smallest and largest event id kept."""
        with told():
            return await self._events.range()

    async def queue_depths(self) -> dict[ChannelId, base.QueueDepth]:
        """Every channel that has something pending."""
        return {ChannelId(row[0]): _depth(row[1], row[2]) for row in await self._rows("queue_depths")}

    async def queue_depth(self, channel_id: ChannelId) -> base.QueueDepth:
        """What is pending on one channel."""
        return _depth(*await self._row("queue_depth", channel_id))

    async def uncertain_counts(self) -> dict[ChannelId, int]:
        """Every channel that has something uncertain."""
        return {ChannelId(row[0]): row[1] for row in await self._rows("uncertain_counts")}

    async def waiting_since(self, now_ms: int) -> dict[ChannelId, int]:
        """The first place of what could go or is under way."""
        return {ChannelId(row[0]): row[1] for row in await self._rows("waiting_since", now_ms)}

    async def overdue(self, channel_id: ChannelId, from_ms: int, before_ms: int, limit: int) -> tuple[int, int]:
        """How many wait with a place in that time, and the first one."""
        count, first = await self._row("overdue", channel_id, from_ms, before_ms, limit)
        return count, first

    async def passed(self, since_ms: int, step_ms: int) -> Sequence[base.Passed]:
        """What happened since then."""
        return [rows.passed(row) for row in await self._rows("passed", since_ms, step_ms)]

    async def counts(self) -> dict[OperationState, int]:
        """Live states only."""
        return dict(zip(LIVE, await self._row("counts"), strict=True))

    async def next_wake_at_ms(self, now_ms: int) -> int | None:
        """When the next pending operation that was held comes due, or any may be tried again or expires."""
        (found,) = await self._row("next_wake", now_ms)
        return None if found is None else int(found)

    async def latest_place_ms(self) -> int:
        """The last place of what is pending or leased and does not stand at its send_at."""
        return int((await self._row("latest_place"))[0])

    async def groups(self, channel_id: ChannelId) -> tuple[Sequence[Group], int | None]:
        """The groups of a channel and when they were reported."""
        found = await self._rows("groups", channel_id)
        if not found:
            return (), None
        return tuple(msgspec.json.decode(found[0]["body"], type=list[Group])), int(found[0]["as_of_ms"])

    async def registry(self) -> base.Registry:
        """Every record of the registry."""
        records = [rows.decode(row["kind"], row["body"]) for row in await self._rows("records")]
        return rows.registry(records)

    async def restored(self) -> Sequence[Restoration]:
        """The channels that are marked as restored."""
        return [_restoration(row) for row in await self._rows("restored")]

    async def high_marks(self) -> base.HighMarks:
        """The largest operation id, and each channel's epoch."""
        found = await self._rows("high_marks")
        epochs = {ChannelId(row["channel_id"]): row["epoch"] for row in found if row["channel_id"] is not None}
        return base.HighMarks(operation_id=found[0]["operation_id"], epochs=epochs)

    # ---- upkeep -------------------------------------------------------------------------------------------------------------

    async def scrub(self) -> None:
        """Frees what deleted and changed rows have left. PostgreSQL overwrites it when the room is used again, and its log holds
        it until that is recycled."""
        try:
            await self._database.vacuum(EMPTIED)
        except DatabaseError as error:
            raise base.StoreError(str(error)) from error

    async def check_writable(self) -> None:
        """A transaction that writes a row."""
        try:
            await self._database.write(lambda connection: connection.execute(SQL["probe"]))
        except DatabaseError as error:
            raise base.NothingWritten(str(error)) from error

    async def close(self) -> None:
        """Ends all connections."""
        await self._database.close()


async def _claim(connection: Connection, digest: bytes, address: StoreAddress) -> None:
    """The first hub that opens a database has it."""
    await connection.execute("INSERT INTO hub (digest) VALUES ($1) ON CONFLICT DO NOTHING", digest)
    found = await connection.fetchrow("SELECT digest, copying FROM hub")
    if found is None or found["digest"] != digest:
        raise DatabaseError(
            f"{address} is the database of another hub, whose data folder holds the pepper of its keys: give this one a database of its own, "
            "or that one's data folder."
        )
    if found["copying"]:
        raise DatabaseError(f"A move into {address} was interrupted: repeat messenger-hub migrate-store.")


def _operation(row: rows.Named) -> Operation:
    return read_operation(rows.operation(row))


def _event(event: Event) -> Event:
    reason = read(event.reason)
    return event if reason is event.reason else msgspec.structs.replace(event, reason=reason)


def _restoration(row: rows.Named) -> Restoration:
    return Restoration(
        channel_id=ChannelId(row["channel_id"]),
        journal_id=JournalId(read(row["journal_id"])),
        before=OperationId(row["before"]),
    )


def _depth(pending: int, oldest: int | None) -> base.QueueDepth:
    return base.QueueDepth(pending=pending, oldest_accepted_at_ms=oldest)
