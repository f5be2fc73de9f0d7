"""A wish to link or to unlink that one node was told of reaches the others: real notices, and registries that hold nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from messenger_hub.runtime.clock import SystemClock
from messenger_hub_server.identity.keys import Keys
from messenger_hub_server.model import ChannelId
from messenger_hub_server.nodes.notices import telling
from messenger_hub_server.nodes.wishes import SharedWishes
from messenger_hub_server.records import Linking
from messenger_hub_server.registry import Registry
from messenger_hub_server.store import base
from messenger_hub_server.store.postgresql.database import Database
from messenger_hub_server.store.postgresql.notices import PostgresqlNotices

from tests.integration.nodes.estate import Estate
from tests.integration.server.hub import SECONDS

CHANNEL = ChannelId(1)
CLOCK = SystemClock()


class Silent:
    """No change of a wish is ever stored."""

    async def commit(self, writes: object) -> list[base.Outcome]:
        raise AssertionError(writes)

    async def next(self, kind: str, taken: int) -> int:
        raise AssertionError(kind, taken)


class Node:
    """A registry whose wishes others hear of."""

    def __init__(self, database: Database, name: str) -> None:
        self.registry = Registry(Silent(), Keys(bytes(32)), Silent(), CLOCK)
        self.notices = PostgresqlNotices(database, name, CLOCK)
        self._news = asyncio.Event()
        SharedWishes(self.registry, self.notices)
        self.registry.on_change(self._news.set)

    async def until(self, linking: Linking | None = None, *, unlinking: bool = False) -> None:
        """That is what this node knows to be wished."""
        async with asyncio.timeout(SECONDS):
            while (self.registry.linking(CHANNEL), self.registry.unlinking(CHANNEL)) != (linking, unlinking):
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def database(estate: Estate) -> AsyncIterator[Database]:
    opened = await Database.open(estate.address)
    yield opened
    await opened.close()


@asynccontextmanager
async def node(database: Database, name: str) -> AsyncIterator[Node]:
    made = Node(database, name)
    async with telling(made.notices):
        yield made


async def test_a_wish_reaches_a_node_and_ends_there_when_nobody_waits_for_it_any_more(database: Database) -> None:
    async with node(database, "first") as first, node(database, "second") as second:
        first.registry.set_linking(CHANNEL, "4930123")
        await second.until(Linking(phone="4930123"))
        first.registry.clear_linking(CHANNEL)
        await second.until()


async def test_a_wish_that_is_fulfilled_at_another_node_ends_at_its_own_and_may_come_again(database: Database) -> None:
    async with node(database, "first") as first, node(database, "second") as second:
        for _ in range(2):
            first.registry.set_unlinking(CHANNEL)
            await second.until(unlinking=True)
            second.registry.clear_unlinking(CHANNEL)
            await second.until()
            await first.until()


async def test_a_node_that_comes_later_hears_of_a_wish_and_one_that_goes_takes_its_own_along(
    database: Database,
) -> None:
    async with node(database, "second") as second:
        async with node(database, "first") as first:
            first.registry.set_linking(CHANNEL)
            first.registry.set_unlinking(CHANNEL)
            async with node(database, "third") as third:
                await third.until(Linking(), unlinking=True)
            await second.until(Linking(), unlinking=True)
        await second.until()
