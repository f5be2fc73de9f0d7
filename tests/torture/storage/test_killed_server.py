"""SIGKILL in the middle of a burst: after the next start everything acknowledged is there, once, and a repeat finds it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.integration.server.hub import SECONDS
from tests.torture.storage.servers import CALLERS, Server, api_key, listed, server

ROUNDS = 5
ENOUGH = 150  # acknowledged in a round before the kill


@dataclass(slots=True)
class Keys:
    """Idempotency keys of all rounds: those acknowledged with their ids, and those that got no answer."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    made: int = 0

    def next(self) -> str:
        self.made += 1
        return f"key-{self.made}"


async def burst(running: Server, key: str, keys: Keys) -> None:
    """Callers send until the server is killed under them."""
    enough = asyncio.Event()
    goal = len(keys.acknowledged) + ENOUGH

    async def caller() -> None:
        while True:
            mine = keys.next()
            try:
                keys.acknowledged[mine], _ = await running.send(key, mine)
            except aiohttp.ClientError:
                keys.unanswered.add(mine)
                return
            if len(keys.acknowledged) >= goal:
                enough.set()

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
        for _ in range(CALLERS):
            group.create_task(caller())
        await enough.wait()
        running.process.kill()


async def test_five_kills_lose_nothing_that_was_acknowledged_and_repeat_nothing(tmp_path: Path) -> None:
    data, keys = tmp_path / "data", Keys()
    async with server(data) as running:
        key = await api_key(data)
        await burst(running, key, keys)
    for _ in range(ROUNDS - 1):
        async with server(data) as running:
            found = await listed(running, key)
            assert found.items() >= keys.acknowledged.items()
            assert found.keys() <= keys.acknowledged.keys() | keys.unanswered
            await burst(running, key, keys)
    async with server(data) as running:
        found = await listed(running, key)
        assert found.items() >= keys.acknowledged.items()
        assert len(keys.unanswered) == ROUNDS * CALLERS
        for one in sorted(keys.unanswered):
            number, replayed = await running.send(key, one)
            assert replayed == (one in found)
            assert number == found.get(one, number)
            keys.acknowledged[one] = number
        for one, number in list(keys.acknowledged.items())[::10]:
            assert await running.send(key, one) == (number, True)
        assert await listed(running, key) == keys.acknowledged
