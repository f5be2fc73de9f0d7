"""Several nodes of one hub on one real PostgreSQL: each with a data folder of its own and the same secrets."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from messenger_hub.admin.v1 import channel_admin_service_pb2
from messenger_hub_server.data_folder import ADMIN_TOKEN, PEPPER

from tests.integration.server.hub import SECONDS, Hub, SessionApi, running_hub
from tests.postgresql import PostgresqlServer

SECRETS = (PEPPER, ADMIN_TOKEN)


class Estate:
    """The nodes of one hub, by number from 1. Use `estate`."""

    def __init__(self, folder: Path, server: PostgresqlServer) -> None:
        self._folder = folder
        self.server = server
        self.database = server.database()
        self.address = server.address(self.database)

    @asynccontextmanager
    async def node(self, number: int) -> AsyncIterator[Hub]:
        """One that runs until the block ends."""
        folder = self._folder / f"node-{number}"
        given = self._folder / "secrets"
        if given.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            for name in SECRETS:
                shutil.copy(given / name, folder / name)
        async with running_hub(folder, store=self.address.url) as hub:
            if not given.exists():
                given.mkdir()
                for name in SECRETS:
                    shutil.copy(folder / name, given / name)
            yield hub

    @asynccontextmanager
    async def nodes(self, count: int) -> AsyncIterator[list[Hub]]:
        """So many at once, with the channel `main`."""
        async with AsyncExitStack() as stack:
            hubs = [await stack.enter_async_context(self.node(number)) for number in range(1, count + 1)]
            await hubs[0].channel()
            for hub in hubs:
                await until(lambda hub=hub: _has_channel(hub))  # type: ignore[misc]
            yield hubs


async def _has_channel(hub: Hub) -> bool:
    request = channel_admin_service_pb2.ListChannelsRequest()
    found = await hub.operator.channels.ListChannels(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return bool(found.channels)


async def let_in(hub: Hub, api: SessionApi) -> int:
    """With what a node answers a program that asks how its channel is."""
    async with hub.http.get("/api/whatsapp-session/status", headers=api.headers) as answer:
        return answer.status


async def until(look: Callable[[], Awaitable[bool]], seconds: float = SECONDS) -> None:
    """Asks again and again until it holds; each look is a call, so others get their turn."""
    async with asyncio.timeout(seconds):
        while not await look():
            pass
