"""Notices between nodes on one database: real connections, which a test ends as a server or a network would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub_server.nodes.notices import NodeId, telling
from messenger_hub_server.store.address import StoreAddress
from messenger_hub_server.store.postgresql.database import Database
from messenger_hub_server.store.postgresql.notices import CHANNEL, MOST_WAITING, PostgresqlNotices

from tests.postgresql import PostgresqlServer

SECONDS = 20
TOPIC = "weather"


@dataclass
class Ear:
    """What one node has heard of a topic."""

    notices: PostgresqlNotices
    said: list[tuple[NodeId, bytes]] = field(default_factory=list)
    missed: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.notices.subscribe(TOPIC, self._heard, self._missed)
        self.notices.on_nodes(self._news.set)

    def _heard(self, node: NodeId, body: bytes) -> None:
        self.said.append((node, body))
        self._news.set()

    def _missed(self) -> None:
        self.missed += 1
        self._news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not holds():
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def database(address: StoreAddress) -> AsyncIterator[Database]:
    opened = await Database.open(address)
    yield opened
    await opened.close()


@asynccontextmanager
async def node(database: Database, name: str) -> AsyncIterator[Ear]:
    ear = Ear(PostgresqlNotices(database, name, SystemClock()))
    async with telling(ear.notices):
        yield ear


@asynccontextmanager
async def two(database: Database) -> AsyncIterator[tuple[Ear, Ear]]:
    """Two nodes that know of each other."""
    async with node(database, "first") as first, node(database, "second") as second:
        for ear in (first, second):
            await ear.until(lambda ear=ear: len(ear.notices.nodes()) == 2)  # type: ignore[misc]
        yield first, second


async def test_a_node_alone_tells_nothing_and_whoever_comes_then_hears_that_it_has_missed_something(
    database: Database,
) -> None:
    """Each commit tells: without other nodes that would be work for nothing."""
    heard: list[str] = []
    listening = await database.aside()
    await listening.add_listener(CHANNEL, lambda *said: heard.append(str(said[3])))
    async with node(database, "first") as first:
        first.notices.tell(TOPIC, b"rain")
        async with node(database, "second") as second:
            await second.until(lambda: second.missed == 1)
            first.notices.tell(TOPIC, b"sun")
            await second.until(lambda: [body for _, body in second.said] == [b"sun"])
    await listening.execute("SELECT 1")  # what was told before has come by now
    listening.terminate()
    assert len([payload for payload in heard if TOPIC in payload]) == 1


async def test_what_is_told_is_heard_by_the_others_in_order_and_does_not_come_back(database: Database) -> None:
    async with two(database) as (first, second), node(database, "third") as third:
        await third.until(lambda: len(third.notices.nodes()) == 3)
        told = [b"%d" % number for number in range(2_000)]
        for body in told:
            first.notices.tell(TOPIC, body)
        for ear in (second, third):
            await ear.until(lambda ear=ear: len(ear.said) >= len(told))  # type: ignore[misc]
            assert ear.said == [(first.notices.own.id, body) for body in told]
        second.notices.tell(TOPIC, b"back")
        await first.until(lambda: bool(first.said))
        assert first.said == [(second.notices.own.id, b"back")]


async def test_what_is_told_again_before_it_has_left_is_told_once_at_the_later_place(database: Database) -> None:
    async with two(database) as (first, second):
        for body in (b"sun", b"rain", b"sun"):
            first.notices.tell(TOPIC, body)
        await second.until(lambda: len(second.said) >= 2)
        assert [body for _, body in second.said] == [b"rain", b"sun"]


async def test_a_notice_may_be_longer_than_postgresql_takes_and_keeps_its_place(database: Database) -> None:
    long = bytes(range(256)) * 2_000
    async with two(database) as (first, second):
        for body in (b"before", long, b"after", b"x" * 4_000, b"y" * 4_000):
            first.notices.tell(TOPIC, body)
        await second.until(lambda: len(second.said) >= 5)
        assert [body for _, body in second.said] == [b"before", long, b"after", b"x" * 4_000, b"y" * 4_000]


async def test_a_node_is_known_to_the_others_by_its_name_until_it_is_gone(database: Database) -> None:
    async with node(database, "first") as first:
        async with node(database, "second") as second:
            await first.until(lambda: len(first.notices.nodes()) == 2)
            assert set(first.notices.nodes()) == {first.notices.own, second.notices.own}
        await first.until(lambda: len(first.notices.nodes()) == 1)
        assert first.notices.nodes() == [first.notices.own]


async def test_whoever_lost_its_connection_is_told_that_it_may_have_missed_something(
    database: Database, address: StoreAddress, postgresql: PostgresqlServer
) -> None:
    async with two(database) as (first, second):
        assert (first.missed, second.missed) == (0, 0)
        await asyncio.to_thread(_end_listeners, postgresql, address)
        for ear in (first, second):
            await ear.until(lambda ear=ear: ear.missed == 1 and len(ear.notices.nodes()) == 2)  # type: ignore[misc]
        first.notices.tell(TOPIC, b"there again")
        await second.until(lambda: bool(second.said))
        assert second.said == [(first.notices.own.id, b"there again")]


async def test_what_is_told_before_the_connection_is_there_is_told_then_and_too_much_is_said_to_be_missed(
    database: Database,
) -> None:
    async with node(database, "second") as second:
        first, third = (PostgresqlNotices(database, name, SystemClock()) for name in ("first", "third"))
        first.tell(TOPIC, b"early")
        for number in range(MOST_WAITING + 1):
            third.tell(TOPIC, b"%d" % number)
        await second.until(lambda: len(second.notices.nodes()) == 1)
        async with telling(first):
            await second.until(lambda: (first.own.id, b"early") in second.said)
        assert second.missed == 0
        async with telling(third):
            await second.until(lambda: second.said[-1:] == [(third.own.id, b"%d" % MOST_WAITING)])
        assert second.missed == 1


async def test_what_was_told_last_is_heard_after_the_node_has_stopped(database: Database) -> None:
    async with node(database, "second") as second:
        async with node(database, "first") as first:
            await first.until(lambda: len(first.notices.nodes()) == 2)
            first.notices.tell(TOPIC, b"goodbye")
        await second.until(lambda: bool(second.said))
        assert second.said == [(first.notices.own.id, b"goodbye")]


async def test_a_fault_of_one_that_hears_is_kept_from_the_others(database: Database) -> None:
    def fails(_: NodeId, __: bytes) -> None:
        raise ZeroDivisionError

    async with two(database) as (first, second):
        second.notices.subscribe(TOPIC, fails, lambda: None)
        later = _Later()
        second.notices.subscribe(TOPIC, later.append_heard, lambda: None)
        first.notices.tell(TOPIC, b"all the same")
        await second.until(lambda: bool(second.said and later.said))
        assert later.said == [b"all the same"]


class _Later:
    def __init__(self) -> None:
        self.said: list[bytes] = []

    def append_heard(self, _: NodeId, body: bytes) -> None:
        self.said.append(body)


def _end_listeners(server: PostgresqlServer, address: StoreAddress) -> None:
    """As an administrator, or a server that starts again, ends connections."""
    name = address.url.partition("?")[0].rpartition("/")[2]
    asked = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}' AND pid IN (SELECT pid FROM pg_locks WHERE classid = {0x6D68_0004})"
    assert server.sql(asked) == "2"
