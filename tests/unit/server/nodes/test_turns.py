"""How often a node looks whether another one has changed the registry."""

from __future__ import annotations

import asyncio

from messenger_hub_server.nodes.notices import Alone
from messenger_hub_server.nodes.turns import SharedRegistry
from messenger_hub_server.store.base import Registry

from tests.fakes.clock import FakeClock

STRANGERS = 20


class Records:
    """Answers once a test lets it."""

    known = 1

    def __init__(self) -> None:
        self.looks = 0
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def version(self) -> int:
        self.looks += 1
        self.asked.set()
        await self.answers.wait()
        return self.known

    async def records(self) -> Registry:
        raise AssertionError("nothing has changed")

    async def take(self) -> None:
        raise AssertionError("nobody changes anything")

    give = take


async def test_however_many_come_with_keys_that_nobody_knows_one_look_after_the_other_is_made_for_all() -> None:
    records, clock = Records(), FakeClock()
    shared = SharedRegistry(records, Alone("node", 0), clock)

    async def answer() -> None:
        records.answers.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(shared.catch_up())
        await records.asked.wait()
        clock.goes(0.01)
        for _ in range(STRANGERS):
            group.create_task(shared.catch_up())
        group.create_task(answer())
    assert records.looks == 2
