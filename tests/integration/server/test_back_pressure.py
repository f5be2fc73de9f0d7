"""A disk that stands still: callers wait up to a number, more are told to come back, and nothing piles up in memory for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from messenger_hub_server import queue
from messenger_hub_server.store import base
from messenger_hub_server.store.sqlite import SqliteStore

from tests.integration.server.hub import BASE, Hub, SessionApi
from tests.integration.server.test_metrics import told

ROOM = 3


async def send(hub: Hub, api: SessionApi, number: int) -> tuple[int, str | None]:
    """Status and Retry-After."""
    body = {"mobile": f"49301234{number:02}", "message": "Hi"}
    async with hub.http.post(f"{BASE}/send", json=body, headers=api.headers) as answer:
        return answer.status, answer.headers.get("Retry-After")


async def test_callers_beyond_the_room_are_told_to_come_back_and_those_within_it_are_queued_once_the_disk_moves(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await hub.session_api()
    entered, moves = asyncio.Event(), asyncio.Event()
    apply = SqliteStore.apply

    async def stalled(self: SqliteStore, writes: Sequence[base.Write]) -> Sequence[base.Outcome]:
        entered.set()
        await moves.wait()
        return await apply(self, writes)

    monkeypatch.setattr(SqliteStore, "apply", stalled)
    monkeypatch.setattr(queue, "MOST_WAITING", ROOM)
    async with asyncio.TaskGroup() as callers:
        first = callers.create_task(send(hub, api, 0))  # its commit is under way
        await entered.wait()
        others = [callers.create_task(send(hub, api, number)) for number in range(1, 9)]
        refused, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        while len(refused) < len(others) - ROOM:
            more, _ = await asyncio.wait(set(others) - refused, return_when=asyncio.FIRST_COMPLETED)
            refused |= more
        assert {task.result() for task in refused} == {(503, "5")}
        assert (await told(hub))["commit_callers",] == ROOM
        moves.set()
    assert first.result() == (201, None)
    assert {task.result() for task in set(others) - refused} == {(201, None)}
    series = await told(hub)
    assert series["operations", "pending"] == 1 + ROOM
    assert series["commit_callers",] == 0
