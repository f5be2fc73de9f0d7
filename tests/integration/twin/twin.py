"""A twin that runs in the test's own loop, and its control API as a test calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from messenger_hub_twin import app

SECONDS = 20
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A running twin: its address, its log, and a client for its control API."""

    url: str
    log: Path
    http: aiohttp.ClientSession
    stop: asyncio.Event
    """Ends it."""

    async def call(self, name: str, **fields: object) -> Json:
        """A control call that succeeds."""
        status, answer = await self.answer(name, fields)
        assert status == 200, answer
        return answer

    async def answer(self, name: str, body: object) -> tuple[int, Json]:
        """A control call with any body: its status and what it says. A text is sent as it is."""
        text = body if isinstance(body, str) else json.dumps(body)
        async with self.http.post(f"/_twin/{name}", data=text) as response:
            return response.status, await response.json()

    async def state(self) -> Json:
        """What the twin shows of itself."""
        async with self.http.get("/_twin/state") as response:
            shown: Json = await response.json()
            return shown

    async def account(self, number: str) -> Json:
        """What the twin shows of one account."""
        accounts = (await self.state())["accounts"]
        return next(account for account in accounts if account["number"] == number)

    def arrivals(self) -> Sequence[Json]:
        """The log, a line each."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").split("\n") if line]


@asynccontextmanager
async def running_twin(log: Path) -> AsyncIterator[Twin]:
    """Runs a twin until the block ends; fails when it does not stop in time."""
    settings = app.TwinSettings(host="127.0.0.1", port=0, log=log)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(app.run(settings, ready.set_result, stop))
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=SECONDS)
        if not ready.done():
            await task
        try:
            async with aiohttp.ClientSession(ready.result(), timeout=aiohttp.ClientTimeout(total=SECONDS)) as http:
                yield Twin(url=ready.result(), log=log, http=http, stop=stop)
        finally:
            stop.set()
            async with asyncio.timeout(SECONDS):
                await task
