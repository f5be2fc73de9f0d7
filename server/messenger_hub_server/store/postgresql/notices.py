"""Notices between the nodes on one database, by LISTEN and NOTIFY on a connection of their own, which holds a lock for as long as it lives:
so the others know that this node is there.

It writes nothing that has to last, so its commits do not wait for the disk: a NOTIFY holds up the next one until its commit is over.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Literal

import asyncpg
import msgspec
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.database import DatabaseError, NothingCommitted
from messenger_hub.runtime.log import logger

from messenger_hub_server.nodes.notices import Ends, Heard, Node, NodeId
from messenger_hub_server.store.postgresql.database import Database, T, Work
from messenger_hub_server.store.postgresql.types import Connection

CHANNEL = "messenger_hub"
TOGETHER_SECONDS = 0.01  # what is told within that time goes out as one
LOOK_SECONDS = 0.5
ASK_SECONDS = 2.0
AGAIN_SECONDS = 0.2
TRIES = 2
LONGEST_PAYLOAD = 7_900  # PostgreSQL takes 7,999 bytes
LONGEST_BODY = 4_000  # in a payload, where its bytes take a third more
MOST_WAITING = 10_000  # told while the database is away; more, and the others are told that they have missed something
AWAY = "The other nodes cannot be heard right now: the database does not answer."
MISSED = ""  # the topic that says so

_PRESENT = 0x6D68_0004  # of this database's advisory locks, the first half; the other is the node's number
_SETTINGS = """
SET synchronous_commit = off;
SET statement_timeout = '2s';
SET tcp_keepalives_idle = 2;
SET tcp_keepalives_interval = 1;
SET tcp_keepalives_count = 3;
"""
_REGISTER = """
INSERT INTO node (number, name, since_ms) VALUES ($1, $2, $3)
ON CONFLICT (number) DO UPDATE SET name = excluded.name, since_ms = excluded.since_ms
"""
_HELD = """
SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = $1
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_NODES = f"SELECT number, name, since_ms FROM node WHERE number IN ({_HELD}) ORDER BY since_ms, number"  # noqa: S608
_FORGET = f"DELETE FROM node WHERE number NOT IN ({_HELD})"  # noqa: S608
_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)

log = logger(__name__)


class _Said(msgspec.Struct, frozen=True, array_like=True):
    """One notice. `row`: where its body stands, when it is too long to come along."""

    topic: str
    body: bytes = b""
    row: int = 0


class _Payload(msgspec.Struct, frozen=True, array_like=True):
    node: int
    said: list[_Said]


class _Lost(Exception):
    """The connection is gone."""


class PostgresqlNotices:
    """See nodes.notices.Notices."""

    def __init__(self, database: Database, name: str, clock: Clock) -> None:
        self._database = database
        self.own = Node(id=NodeId(secrets.randbits(31)), name=name, since_ms=clock.now_ms())
        self._nodes: Sequence[Node] = (self.own,)
        self._subscribers: dict[str, dict[object, tuple[Heard, Callable[[], None]]]] = {}
        self._on_nodes: dict[object, Callable[[], None]] = {}
        self._waiting: dict[tuple[str, bytes], None] = {}
        self._filled = asyncio.Event()
        self._connection: Connection | None = None
        self._using = asyncio.Lock()
        self._was_connected = False
        self._is_heard = False
        self._was_alone = False
        self._joined = asyncio.Event()
        self._runs = False
        self._hurry = asyncio.Event()
        self._tried = asyncio.Event()

    # ---- see Notices --------------------------------------------------------------------------------------------------------

    def nodes(self) -> Sequence[Node]:
        """See Notices."""
        return self._nodes

    def tell(self, topic: str, body: bytes = b"") -> None:
        """See Notices. Alone it costs nothing: whoever comes is told that it has missed something."""
        if self._joined.is_set() and len(self._nodes) == 1:
            self._was_alone = True
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting = {(MISSED, b""): None}
        self._waiting.pop((topic, body), None)
        self._waiting[topic, body] = None
        self._filled.set()

    def subscribe(self, topic: str, heard: Heard, missed: Callable[[], None]) -> Ends:
        """See Notices."""
        key = object()
        self._subscribers.setdefault(topic, {})[key] = heard, missed
        return lambda: self._subscribers[topic].pop(key, None) and None

    def on_nodes(self, changed: Callable[[], None]) -> Ends:
        """See Notices."""
        key = object()
        self._on_nodes[key] = changed
        return lambda: self._on_nodes.pop(key, None) and None

    async def joined(self) -> None:
        """See Notices."""
        await self._joined.wait()

    async def run(self, stop: asyncio.Event) -> None:
        """See Notices."""
        self._runs = True
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(stop.wait())
            while not stop.is_set():
                self._hurry.clear()
                tried = self._tried
                try:
                    await self._connected(stopping)
                except* (DatabaseError, _Lost, *_FAULTS):
                    self._say_lost()
                except* Exception:  # a fault of ours must not cut this node off for good
                    log.exception("notices failed")
                if tried is self._tried:
                    self._has_tried()
                if not stop.is_set():
                    await self._pause(stopping)
            self._runs = False
            self._has_tried()

    def _has_tried(self) -> None:
        """To connect, with or without success."""
        self._tried.set()
        self._tried = asyncio.Event()

    async def _pause(self, stopping: asyncio.Task[Literal[True]]) -> None:
        """Before the next try, unless somebody waits for it."""
        async with asyncio.TaskGroup() as group:
            hurrying = group.create_task(self._hurry.wait())
            waits: set[asyncio.Task[Literal[True]]] = {stopping, hurrying}
            await asyncio.wait(waits, timeout=AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            hurrying.cancel()

    def _say_lost(self) -> None:
        """Once for each time that it was there."""
        if self._is_heard:
            log.warning("the other nodes are not heard: connecting again")
        self._is_heard = False

    async def ask(self, work: Work[T]) -> T:
        """Runs `work`, which takes moments and may be done twice, on the connection of the notices; where there is none, it is tried for
        at once. Raises NothingCommitted."""

        async def whole(connection: Connection) -> T:
            try:
                return await work(connection)
            except asyncio.CancelledError:
                connection.terminate()  # whoever gave up does not know what it holds: a lock ends with its connection
                raise

        for _ in range(TRIES):
            tried, connection = self._tried, self._connection
            if connection is None or connection.is_closed():
                self._hurry.set()
                if self._runs:
                    await tried.wait()
                connection = self._connection
            if connection is None or connection.is_closed():
                break
            with suppress(*_FAULTS):
                return await self._work(connection, whole)
        raise NothingCommitted(AWAY)

    # ---- the connection -----------------------------------------------------------------------------------------------------

    async def _connected(self, stopping: asyncio.Task[Literal[True]]) -> None:
        """One connection's life: raises when it ends before `stopping`."""
        connection = await self._database.aside()
        try:
            heard: asyncio.Queue[str] = asyncio.Queue()
            lost = asyncio.Event()

            def ended(_: object) -> None:
                lost.set()

            connection.add_termination_listener(ended)
            await self._enter(connection, heard)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._hear(connection, heard)),
                    group.create_task(self._look_again(connection)),
                    group.create_task(self._send_all(connection)),
                ]
                losing = group.create_task(lost.wait())
                await asyncio.wait({losing, stopping}, return_when=asyncio.FIRST_COMPLETED)
                for task in (*tasks, losing):
                    task.cancel()
            if not stopping.done():
                raise _Lost
            await self._send(connection)
        finally:
            self._connection = None
            connection.terminate()

    async def _enter(self, connection: Connection, heard: asyncio.Queue[str]) -> None:
        """From now on nothing is missed, and the others see this node."""
        await connection.execute(_SETTINGS)
        await connection.add_listener(CHANNEL, lambda *said: heard.put_nowait(str(said[3])))
        locked = "SELECT pg_try_advisory_lock($1::integer, $2::integer)"
        if not await connection.fetchval(locked, _PRESENT, self.own.id):
            raise _Lost  # the last connection has not ended on the server yet
        # With the lock held: another node that enters just now forgets those who hold none.
        await connection.execute(_REGISTER, self.own.id, self.own.name, self.own.since_ms)
        await connection.execute(_FORGET, _PRESENT)
        self._connection = connection
        await self._look(connection)
        if self._was_connected:
            self._missed()
        self._was_connected = self._is_heard = True
        self._joined.set()
        self._has_tried()

    async def _work(self, connection: Connection, work: Work[T]) -> T:
        try:
            async with self._using, asyncio.timeout(ASK_SECONDS):
                return await work(connection)
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError):
            connection.terminate()
            raise

    # ---- who is there -------------------------------------------------------------------------------------------------------

    async def _look_again(self, connection: Connection) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._look(connection)

    async def _look(self, connection: Connection) -> None:
        rows = await self._work(connection, lambda c: c.fetch(_NODES, _PRESENT))
        found = [Node(id=NodeId(row["number"]), name=row["name"], since_ms=row["since_ms"]) for row in rows]
        if found and found != self._nodes:
            self._nodes = found
            if self._was_alone and len(found) > 1:
                self._was_alone = False
                self.tell(MISSED)
            for changed in tuple(self._on_nodes.values()):
                _contained(changed)

    # ---- telling ------------------------------------------------------------------------------------------------------------

    async def _send_all(self, connection: Connection) -> None:
        while True:
            await self._filled.wait()
            await asyncio.sleep(TOGETHER_SECONDS)
            await self._send(connection)

    async def _send(self, connection: Connection) -> None:
        """What waits; what cannot be told waits on."""
        self._filled.clear()
        said, self._waiting = self._waiting, {}
        try:
            if said:
                await self._work(connection, lambda c: self._notify(c, said))
        except BaseException:
            self._waiting = said | self._waiting
            self._filled.set()
            raise

    async def _notify(self, connection: Connection, said: Mapping[tuple[str, bytes], None]) -> None:
        """In one transaction: the order stays, and a long body is there before it is told of."""
        async with connection.transaction():
            notices: list[_Said] = []
            for topic, body in said:
                row = await self._put(connection, body) if len(body) > LONGEST_BODY else 0
                notices.append(_Said(topic=topic, body=b"" if row else body, row=row))
            for payload in _payloads(self.own.id, notices):
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)

    async def _put(self, connection: Connection, body: bytes) -> int:
        await connection.execute("DELETE FROM notice WHERE told_at < now() - interval '1 minute'")
        return int(await connection.fetchval("INSERT INTO notice (body) VALUES ($1) RETURNING id", body))

    # ---- hearing ------------------------------------------------------------------------------------------------------------

    async def _hear(self, connection: Connection, heard: asyncio.Queue[str]) -> None:
        while True:
            payload = msgspec.json.decode(await heard.get(), type=_Payload)
            if payload.node == self.own.id:
                continue
            if all(node.id != payload.node for node in self._nodes):
                await self._look(connection)
            for said in payload.said:
                await self._heard(connection, NodeId(payload.node), said)

    async def _heard(self, connection: Connection, node: NodeId, said: _Said) -> None:
        body: bytes | None = said.body
        if said.row:
            body = await self._work(connection, lambda c: c.fetchval("SELECT body FROM notice WHERE id = $1", said.row))
        if said.topic == MISSED or body is None:
            self._missed()
            return
        for heard, _ in tuple(self._subscribers.get(said.topic, {}).values()):
            _contained(lambda heard=heard, body=body: heard(node, body))  # type: ignore[misc]

    def _missed(self) -> None:
        for subscribers in tuple(self._subscribers.values()):
            for _, missed in tuple(subscribers.values()):
                _contained(missed)


def _payloads(node: NodeId, notices: Sequence[_Said]) -> Iterator[str]:
    """As few as hold them all."""
    together: list[_Said] = []
    length = 0
    for said in notices:
        more = len(msgspec.json.encode(said)) + 1
        if together and length + more > LONGEST_PAYLOAD - 30:
            yield msgspec.json.encode(_Payload(node=node, said=together)).decode()
            together, length = [], 0
        together.append(said)
        length += more
    if together:
        yield msgspec.json.encode(_Payload(node=node, said=together)).decode()


def _contained(call: Callable[[], None]) -> None:
    """A fault of one that hears is kept from the others."""
    try:
        call()
    except Exception:
        log.exception("a notice was not taken")
