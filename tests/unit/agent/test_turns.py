"""Browsers start a few at a time, those with work first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from messenger_hub_agent.turns import Turn, Turns


async def waits(group: asyncio.TaskGroup, turns: Turns, has_work: Callable[[], bool]) -> asyncio.Task[Turn]:
    """Somebody stands in line by the time this returns."""
    task, in_line = group.create_task(turns.take(has_work)), asyncio.Event()
    asyncio.get_running_loop().call_soon(in_line.set)
    await in_line.wait()
    return task


async def test_no_more_than_that_have_their_turn_and_who_has_work_goes_first() -> None:
    turns = Turns(1)
    async with asyncio.TaskGroup() as group:
        first = await turns.take(lambda: False)
        idle, busy = await waits(group, turns, lambda: False), await waits(group, turns, lambda: True)
        assert not idle.done()
        assert not busy.done()
        first.end()
        first.end()  # says nothing the second time
        second = await busy
        assert not idle.done()
        second.end()
        (await idle).end()
        (await turns.take(lambda: False)).end()


async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    turns = Turns(1)
    async with asyncio.TaskGroup() as group:
        first = await turns.take(lambda: True)
        leaver, other = await waits(group, turns, lambda: True), await waits(group, turns, lambda: False)
        leaver.cancel()
        first.end()
        assert isinstance(await other, Turn)


async def test_who_gives_up_at_the_moment_of_the_turn_passes_it_on() -> None:
    turns = Turns(1)
    async with asyncio.TaskGroup() as group:
        first = await turns.take(lambda: True)
        leaver, other = await waits(group, turns, lambda: True), await waits(group, turns, lambda: False)
        first.end()
        leaver.cancel()
        assert isinstance(await other, Turn)
        assert leaver.cancelled()
