"""SIGKILL in the middle of a burst: after the next start everything acknowledged is there, once, and a repeat finds it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from messenger_hub.admin.v1 import channel_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub_cli.running_hub import running_hub

from tests.integration.server.hub import BASE, SECONDS

ROUNDS = 5
CALLERS = 24
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server process and a client of its REST API."""

    process: asyncio.subprocess.Process
    http: aiohttp.ClientSession

    async def send(self, api_key: str, key: str) -> tuple[int, bool]:
        """The operation's id, and whether it is a replay. Raises ClientError when no answer comes."""
        body = {"mobile": "4930123456", "message": f"text of {key}", "reference": key}
        headers = {"X-API-Key": api_key, "Idempotency-Key": key}
        async with self.http.post(f"{BASE}/send", json=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            told = await answer.json()
            return told["data"]["message_id"], answer.headers.get("Idempotent-Replayed") == "true"


@asynccontextmanager
async def server(data: Path) -> AsyncIterator[Server]:
    """Starts one; kills it at the end, if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "messenger_hub_cli", "server", "--json", "--data-dir", str(data)),
        *("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SECONDS):
            running = json.loads(await process.stdout.readline())
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        connector = aiohttp.TCPConnector(limit=CALLERS)
        async with aiohttp.ClientSession(running["http"][0], timeout=timeout, connector=connector) as http:
            yield Server(process=process, http=http)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def api_key(data: Path) -> str:
    async with running_hub(data) as hub:
        await hub.channels.CreateChannel(channel_admin_service_pb2.CreateChannelRequest(name="main"))
        request = session_api_admin_service_pb2.CreateSessionApiRequest(name="shop", channel="main")
        return str((await hub.session_apis.CreateSessionApi(request)).key)


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


async def listed(running: Server, key: str) -> dict[str, int]:
    """Reference → id of every operation, from all pages."""
    found: dict[str, int] = {}
    cursor = ""
    while True:
        query = {"limit": "100", **({"cursor": cursor} if cursor else {})}
        async with running.http.get(f"{BASE}/operations", params=query, headers={"X-API-Key": key}) as answer:
            data = (await answer.json())["data"]
        for operation in data["operations"]:
            assert operation["reference"] not in found, f"{operation['reference']} is there twice"
            found[operation["reference"]] = operation["operation_id"]
        cursor = data.get("next_cursor", "")
        if not cursor:
            return found


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
