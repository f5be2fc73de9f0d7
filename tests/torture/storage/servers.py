"""A server as its own process, whose disk a test may spoil, and a program that asks it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from messenger_hub.admin.v1 import channel_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub_cli.running_hub import running_hub

from tests.integration.server.hub import BASE, SECONDS
from tests.nursery.nursery import ForkedAsync, fork

CALLERS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer: the code of a refusal, or the operation's id."""

    status: int
    code: str
    id: int
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server process and a client of its REST API."""

    process: ForkedAsync
    http: aiohttp.ClientSession
    more: str = ""
    """What every text has at its end: long ones fill the database sooner."""

    async def send(self, api_key: str, key: str) -> tuple[int, bool]:
        """The operation's id, and whether it is a replay. Raises ClientError when no answer comes."""
        told = await self.ask(api_key, key)
        assert told.status == 201, told
        return told.id, told.replayed

    async def ask(self, api_key: str, key: str) -> Told:
        """Asks for the message of this idempotency key. Raises ClientError when no answer comes."""
        body = {"mobile": "4930123456", "message": f"text of {key}{self.more}", "reference": key}
        headers = {"X-API-Key": api_key, "Idempotency-Key": key}
        async with self.http.post(f"{BASE}/send", json=body, headers=headers) as answer:
            told = await answer.json()
            number = told["data"]["message_id"] if answer.status == 201 else 0
            replayed = answer.headers.get("Idempotent-Replayed") == "true"
            return Told(status=answer.status, code=told.get("code", ""), id=number, replayed=replayed)


@asynccontextmanager
async def server(data: Path, environment: Mapping[str, str] | None = None, more: str = "") -> AsyncIterator[Server]:
    """Starts one; kills it at the end, if it still runs. `more`: what every text has at its end."""
    command = ("messenger_hub_cli", "server", "--json", "--data-dir", str(data))
    doors = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    with Path(os.devnull).open("w") as nowhere:
        forked = fork([*command, *doors, "--with-parent"], {**os.environ, **(environment or {})}, nowhere)
    process = await ForkedAsync(forked).ready()
    try:
        async with asyncio.timeout(SECONDS):
            running = json.loads(await process.stdout.readline())
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        connector = aiohttp.TCPConnector(limit=CALLERS)
        async with aiohttp.ClientSession(running["http"][0], timeout=timeout, connector=connector) as http:
            yield Server(process=process, http=http, more=more)
    finally:
        process.kill()
        await process.wait()


async def api_key(data: Path) -> str:
    async with running_hub(data) as hub:
        await hub.channels.CreateChannel(channel_admin_service_pb2.CreateChannelRequest(name="main"))
        request = session_api_admin_service_pb2.CreateSessionApiRequest(name="shop", channel="main")
        return str((await hub.session_apis.CreateSessionApi(request)).key)


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
