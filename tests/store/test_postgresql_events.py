"""What a watcher is told while several nodes write: every event once, in the order of ids, and none after a later one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count

import pytest
from messenger_hub_server.store import base
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql import settled
from messenger_hub_server.store.postgresql.database import Database
from messenger_hub_server.store.postgresql.frontier import Frontier
from messenger_hub_server.store.postgresql.store import PostgresqlStore
from messenger_hub_server.store.postgresql.types import Connection

from tests.postgresql import PostgresqlServer
from tests.store.conftest import DIGEST
from tests.store.test_conformance import S, _to, new
from tests.store.test_postgresql_nodes import Node, nodes  # noqa: F401 a fixture

HERE = base.Accept(operation=new(1))
THERE = base.Accept(operation=new(2, channel_id=2))


@pytest.fixture
async def watcher(nodes: tuple[Node, Node], address: StoreAddress) -> AsyncIterator[PostgresqlStore]:  # noqa: F811
    store = await PostgresqlStore.open(address, DIGEST)
    yield store
    await store.close()


async def told(store: base.Store, after: int = 0) -> list[tuple[int, int]]:
    return [(event.id, event.operation_id) for event, _ in await store.events_after(after, None, 99)]


async def test_no_event_is_told_before_a_smaller_one_that_is_still_to_be_committed(
    nodes: tuple[Node, Node],  # noqa: F811
    watcher: PostgresqlStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = nodes
    await first.begin(HERE)
    await second.begin(THERE)
    await second.commit()
    monkeypatch.setattr(settled, "LONGEST_WAIT_SECONDS", 0.1)
    assert await told(watcher) == []
    with pytest.raises(base.NothingWritten, match="try again"):
        await watcher.event_range()
    await first.commit()
    assert await told(watcher) == [(1, 1), (2, 2)]
    assert await watcher.event_range() == (1, 2)


async def test_whoever_watches_while_a_smaller_event_is_on_its_way_waits_for_it(
    nodes: tuple[Node, Node],  # noqa: F811
    watcher: PostgresqlStore,
) -> None:
    first, second = nodes
    await first.begin(HERE)
    await second.begin(THERE)
    await second.commit()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(told(watcher))
        ranging = group.create_task(watcher.event_range())
        await first.commit()
        assert await watching == [(1, 1), (2, 2)]
        assert await ranging == (1, 2)


async def test_whoever_watches_is_told_what_another_call_finds_settled_meanwhile(
    nodes: tuple[Node, Node],  # noqa: F811
    watcher: PostgresqlStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = nodes
    await first.begin(HERE)
    await second.begin(THERE)
    await second.commit()
    read = Database.read
    looks = count()

    async def overtaken(database: Database, work: Callable[[Connection], Awaitable[object]]) -> object:
        found = await read(database, work)
        if next(looks) == 0:
            await first.commit()
            assert await watcher.event_range() == (1, 2)
        return found

    monkeypatch.setattr(Database, "read", overtaken)
    assert await told(watcher) == [(1, 1), (2, 2)]


async def test_an_event_that_is_taken_back_holds_up_nobody(
    nodes: tuple[Node, Node],  # noqa: F811
    watcher: PostgresqlStore,
) -> None:
    first, second = nodes
    await first.begin(HERE)
    await second.begin(THERE)
    await second.commit()
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(told(watcher))
        await first.roll_back()
        assert await watching == [(2, 2)]


async def test_an_event_is_told_at_once_although_a_later_transaction_is_open(
    nodes: tuple[Node, Node],  # noqa: F811
    watcher: PostgresqlStore,
) -> None:
    first, second = nodes
    await first.begin(HERE)
    await first.commit()
    assert await told(watcher) == [(1, 1)]
    await second.begin(THERE)
    await first.begin(_to(S.CANCELLED, {S.PENDING}))
    await first.commit()
    assert await told(watcher, 0) == [(1, 1)]
    await second.commit()
    assert await told(watcher, 1) == [(2, 2), (3, 1)]


async def test_two_nodes_that_write_at_once_are_watched_without_a_gap(
    watcher: PostgresqlStore, address: StoreAddress, postgresql: PostgresqlServer
) -> None:
    other = await PostgresqlStore.open(address, DIGEST)
    seen: list[tuple[int, int]] = []

    async def write(store: base.Store, channel: int) -> None:
        for i in range(40):
            await store.apply([base.Accept(operation=new(channel * 100 + i, channel_id=channel))])

    async def watch() -> None:
        while len(seen) < 80:
            seen.extend(await told(watcher, seen[-1][0] if seen else 0))

    async with asyncio.TaskGroup() as group:
        for store, channel in ((watcher, 1), (other, 2)):
            group.create_task(write(store, channel))
        group.create_task(watch())
    await other.close()
    assert seen == await told(watcher)
    assert sorted(number for _, number in seen) == [channel * 100 + i for channel in (1, 2) for i in range(40)]


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([(5, "")], 5),
        ([(5, "a")], 0),
        ([(5, "a"), (7, "ab")], 0),
        ([(5, "a"), (7, "b")], 5),
        ([(5, "a"), (7, "b"), (9, "b")], 5),
        ([(5, "a"), (7, "b"), (9, "c")], 7),
        ([(5, "ab"), (7, "b"), (9, "a")], 5),
        ([(5, "ab"), (7, "")], 7),
        ([(5, ""), (5, "a"), (5, "a")], 5),
    ],
)
def test_an_id_is_settled_once_nobody_who_could_have_taken_it_writes_any_more(
    notes: list[tuple[int, str]], expected: int
) -> None:
    frontier = Frontier()
    for last, writers in notes:
        frontier.note(last, frozenset(writers))
    assert frontier.settled == expected
