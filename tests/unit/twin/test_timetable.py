"""Things to do later."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from messenger_hub_twin.timetable import Timetable

SECONDS = 5


@pytest.fixture
async def timetable() -> AsyncIterator[Timetable]:
    table = Timetable()
    async with asyncio.TaskGroup() as group:
        working = group.create_task(table.run())
        yield table
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


async def done(table: Timetable, seconds: float) -> None:
    """Returns when everything before that moment was done."""
    over = asyncio.Event()
    table.after(seconds, over.set)
    async with asyncio.timeout(SECONDS):
        await over.wait()


async def test_actions_run_in_the_order_of_their_times_and_of_the_calls_at_one_time(timetable: Timetable) -> None:
    ran: list[str] = []
    for seconds, name in ((0.02, "late"), (0.0, "first"), (0.01, "middle"), (0.0, "second")):
        timetable.after(seconds, lambda name=name: ran.append(name))
    await done(timetable, 0.03)
    assert ran == ["first", "second", "middle", "late"]


async def test_an_earlier_action_given_later_is_not_kept_waiting_by_a_far_one(timetable: Timetable) -> None:
    ran: list[str] = []
    timetable.after(3_600, lambda: ran.append("in an hour"))
    await done(timetable, 0.0)
    timetable.after(0.0, lambda: ran.append("now"))
    await done(timetable, 0.0)
    assert ran == ["now"]


async def test_an_action_may_give_the_next_one(timetable: Timetable) -> None:
    over = asyncio.Event()
    timetable.after(0.0, lambda: timetable.after(0.0, over.set))
    async with asyncio.timeout(SECONDS):
        await over.wait()


async def test_what_is_given_before_the_work_begins_is_done_when_it_does() -> None:
    table = Timetable()
    over = asyncio.Event()
    table.after(0.0, over.set)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        working = group.create_task(table.run())
        await over.wait()
        working.cancel()
