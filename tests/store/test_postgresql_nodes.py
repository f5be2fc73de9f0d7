"""Two transactions at once, as two nodes on one database would have them: each sees the other wholly or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from messenger_hub.runtime.database import Refused
from messenger_hub_server.model import Channel, ChannelId, LeaseId
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.database import Database
from messenger_hub_server.store.postgresql.store import SQL, PostgresqlStore
from messenger_hub_server.store.postgresql.types import Connection
from messenger_hub_server.store.postgresql.writes import Writer

from tests.store.conftest import DIGEST
from tests.store.test_conformance import CHANNEL, JOURNAL, S, _to, claim, handed, new

SECONDS = 20
START = base.Start(channel_id=CHANNEL, lease_id=LeaseId("a"), epoch=1)


class Node:
    """A connection whose transaction a test holds open."""

    def __init__(self, connection: Connection, watcher: Connection) -> None:
        self._connection = connection
        self._watcher = watcher

    async def begin(self, *writes: base.Write) -> Sequence[base.Outcome]:
        """What `apply` does up to its COMMIT."""
        await self._connection.execute("BEGIN")
        return await Writer(self._connection, SQL).apply_all(writes)

    async def commit(self) -> None:
        await self._connection.execute("COMMIT")

    async def roll_back(self) -> None:
        await self._connection.execute("ROLLBACK")

    async def waits(self) -> None:
        """Until this one waits for the other's transaction."""
        asked = "SELECT cardinality(pg_blocking_pids($1)) > 0"
        async with asyncio.timeout(SECONDS):
            while not await self._watcher.fetchval(asked, self._connection.get_server_pid()):
                pass


@pytest.fixture
async def nodes(address: StoreAddress) -> AsyncIterator[tuple[Node, Node]]:
    store = await PostgresqlStore.open(address, DIGEST)
    await store.apply([base.TakeEpoch(channel_id=CHANNEL, epoch=1, journal_id=JOURNAL)])
    await store.close()
    settings = {"search_path": "messenger_hub"}
    connections = [await asyncpg.connect(address.url, server_settings=settings) for _ in range(3)]
    yield Node(connections[0], connections[2]), Node(connections[1], connections[2])
    for connection in connections:
        connection.terminate()


async def test_the_next_epoch_waits_for_a_claim_and_no_claim_of_the_last_one_follows(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    await first.begin(base.Accept(operation=new(1)), base.Accept(operation=new(2, chat="2@c.us")))
    await first.commit()
    (leased,) = await first.begin(claim("a"))
    async with asyncio.TaskGroup() as group:
        taking = group.create_task(second.begin(base.TakeEpoch(channel_id=CHANNEL, epoch=2, journal_id=JOURNAL)))
        await second.waits()
        await first.commit()
        assert await taking == [True]
        late = group.create_task(first.begin(claim("b")))
        await first.waits()
        await second.commit()
        assert await late == [base.Leased(operations=[], waits=True)]
    assert [operation.id for operation in leased.operations] == [1]  # type: ignore[union-attr]


async def test_a_start_waits_for_an_epoch_that_is_being_taken_and_does_not_stand_then(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    await first.begin(handed(1, "a"))
    await first.commit()
    await first.begin(base.TakeEpoch(channel_id=CHANNEL, epoch=2, journal_id=JOURNAL))
    async with asyncio.TaskGroup() as group:
        starting = group.create_task(second.begin(START))
        await second.waits()
        await first.commit()
        assert await starting == [False]


async def test_of_two_that_lease_at_once_in_one_chat_the_second_sees_the_first(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    await first.begin(handed(1, "a"))
    async with asyncio.TaskGroup() as group:
        handing = group.create_task(second.begin(handed(2, "b")))
        await second.waits()
        await first.commit()
        assert await handing == [base.Accepted(operation_id=new(2).id)]


@pytest.mark.parametrize("starts_first", [True, False])
async def test_a_start_and_a_cancellation_at_once_are_one_of_them(nodes: tuple[Node, Node], starts_first: bool) -> None:
    first, second = nodes
    await first.begin(handed(1, "a"))
    await first.commit()
    cancel = _to(S.CANCELLED, {S.LEASED}, started=False)
    pair: list[base.Write] = [START, cancel] if starts_first else [cancel, START]
    assert await first.begin(pair[0]) == [True]
    async with asyncio.TaskGroup() as group:
        other = group.create_task(second.begin(pair[1]))
        await second.waits()
        await first.commit()
        assert await other == [False]


DELETING = (
    base.Remove(channel_id=CHANNEL),
    base.ChangeQueue(channel_id=CHANNEL, leased_too=True, to=S.FAILED, at_ms=9, reason="deleted"),
)
HELD = base.Accept(operation=new(2, place_ms=90, send_at_ms=90))


@pytest.mark.parametrize("write", [base.Accept(operation=new(1)), HELD, handed(3, "a")])
async def test_a_channel_that_is_being_deleted_accepts_nothing_once_it_is(
    nodes: tuple[Node, Node], write: base.Accept, address: StoreAddress
) -> None:
    first, second = nodes
    await first.begin(base.Put(record=Channel(id=CHANNEL, name="shop")))
    await first.commit()
    await first.begin(*DELETING)
    other = base.Accept(operation=new(7, channel_id=ChannelId(8)))
    async with asyncio.TaskGroup() as group:
        accepting = group.create_task(second.begin(write, other))
        await second.waits()
        await first.commit()
        assert await accepting == [base.Gone(), base.Accepted(operation_id=other.operation.id)]
    await second.commit()
    store = await PostgresqlStore.open(address, DIGEST)
    assert await store.apply([write]) == [base.Gone()]
    assert [operation.id for operation in await store.operations(base.Filter(limit=9))] == [7]
    await store.close()


@pytest.mark.parametrize("write", [base.Accept(operation=new(1)), HELD, handed(3, "a")])
async def test_a_channel_that_is_deleted_takes_along_what_is_being_accepted(
    nodes: tuple[Node, Node], write: base.Accept
) -> None:
    first, second = nodes
    await first.begin(base.Put(record=Channel(id=CHANNEL, name="shop")))
    await first.commit()
    await first.begin(write)
    async with asyncio.TaskGroup() as group:
        deleting = group.create_task(second.begin(*DELETING))
        await second.waits()
        await first.commit()
        assert await deleting == [True, [write.operation.id]]


async def test_in_one_transaction_a_channel_accepts_before_it_is_deleted_and_not_after(
    nodes: tuple[Node, Node],
) -> None:
    first, _ = nodes
    put = base.Put(record=Channel(id=CHANNEL, name="shop"))
    before, after = base.Accept(operation=new(1)), base.Accept(operation=new(2, chat="2@c.us"))
    outcomes = await first.begin(put, before, *DELETING, after)
    assert outcomes == [True, base.Accepted(operation_id=new(1).id), True, [1], base.Gone()]


async def test_what_was_cancelled_while_it_was_claimed_is_not_leased(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    await first.begin(base.Accept(operation=new(1)), base.Accept(operation=new(2, chat="2@c.us")))
    await first.commit()
    await first.begin(_to(S.CANCELLED, {S.PENDING}))
    async with asyncio.TaskGroup() as group:
        claiming = group.create_task(second.begin(claim("a", "b")))
        await second.waits()
        await first.commit()
        (leased,) = await claiming
    assert [operation.id for operation in leased.operations] == [2]  # type: ignore[union-attr]


async def test_one_key_accepted_twice_at_once_is_known_to_the_second(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    await first.begin(base.Accept(operation=new(1, key=7)))
    async with asyncio.TaskGroup() as group:
        accepting = group.create_task(second.begin(base.Accept(operation=new(2, key=7))))
        await second.waits()
        await first.commit()
        (known,) = await accepting
    assert isinstance(known, base.Known)
    assert known.operation_id == new(1).id


async def test_one_number_given_to_two_at_once_meets_a_constraint(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    await first.begin(base.Accept(operation=new(1)))
    async with asyncio.TaskGroup() as group:
        accepting = group.create_task(_refused(second, base.Accept(operation=new(1, channel_id=ChannelId(2)))))
        await second.waits()
        await first.commit()
        await accepting


async def _refused(node: Node, write: base.Write) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await node.begin(write)


async def test_a_transaction_that_meets_anothers_is_done_again_and_one_that_always_does_is_refused(
    address: StoreAddress,
) -> None:
    tries: list[int] = []

    async def meets(connection: Connection) -> int:
        tries.append(len(tries))
        await connection.execute("INSERT INTO hub (digest) VALUES ('')" if len(tries) % 3 else "SELECT 1")
        return tries[-1]

    opened = await Database.open(address)
    try:
        await opened.write(
            lambda connection: connection.execute("INSERT INTO hub (digest) VALUES ('') ON CONFLICT DO NOTHING")
        )
        assert await opened.write(meets) == 2
        with pytest.raises(Refused):
            await opened.write(lambda connection: connection.execute("INSERT INTO hub (digest) VALUES ('')"))
    finally:
        await opened.close()
