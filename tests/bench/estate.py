"""The hub under the bench: a server process, its channels, keys and desktops."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from messenger_hub.admin.v1 import agent_admin_service_pb2, channel_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2 as agent_pb
from messenger_hub.agent.v1 import agent_service_pb2_grpc
from messenger_hub_cli.running_hub import RunningHub, running_hub

from tests.bench.children import Child
from tests.bench.server import VARIABLE
from tests.bench.verification import Recorded, recorded

START_SECONDS = 30.0
POLL_SECONDS = 0.02
AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One channel with a key to it and its desktop's credential."""

    channel_id: int
    key: str
    credential: str


class ElsewhereStore(Protocol):
    """A database that is not the file in the data folder."""

    @property
    def url(self) -> str:
        """As --store takes it."""
        ...

    def recorded(self, after: int) -> Mapping[int, Recorded]:
        """All operations with a higher id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    """A running hub. The first place is the one of scenarios with one channel, the others are the many."""

    server: Child
    folder: Path
    http_port: int
    grpc: str
    places: Sequence[Place]
    store: ElsewhereStore | None = None

    def recorded(self, after: int) -> Mapping[int, Recorded]:
        """All operations with a higher id, as the database has them."""
        return recorded(self.database, after) if self.store is None else self.store.recorded(after)

    @property
    def database(self) -> Path:
        """The hub's database."""
        return self.folder / "hub.db"

    async def durability(self) -> Sequence[dict[str, object]]:
        """What the server's own connections say."""
        said = self.folder.parent / "durability.json"
        said.unlink(missing_ok=True)
        self.server.process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(START_SECONDS):
            while not said.exists():
                await asyncio.sleep(POLL_SECONDS)
        return msgspec.json.decode(said.read_bytes(), type=list[dict[str, object]])


@asynccontextmanager
async def running_estate(folder: Path, many: int, store: ElsewhereStore | None = None) -> AsyncIterator[Estate]:
    """Starts a server in the folder and makes 1 + `many` channels. Its data are in SQLite, or in `store`."""
    async with again(folder, [], store) as estate:
        async with running_hub(estate.folder) as hub:
            places = await _places(hub, estate.grpc, 1 + many)
        yield replace(estate, places=places)


@asynccontextmanager
async def again(folder: Path, places: Sequence[Place], store: ElsewhereStore | None = None) -> AsyncIterator[Estate]:
    """Starts a server in a folder that has these places."""
    data = folder / "data"
    addresses = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    environment = {
        VARIABLE: str(folder / "durability.json"),
        "MESSENGER_HUB_RATE_PER_MINUTE": "1000000",
        "MESSENGER_HUB_LOG_LEVEL": "warning",
    }
    if store is not None:
        environment["MESSENGER_HUB_STORE"] = store.url
    arguments = ["tests.bench.server", "server", "--json", "--data-dir", str(data), *addresses]
    server = await Child.start("server", arguments, folder, **environment)
    try:
        running = await server.line(START_SECONDS)
        port = urlsplit(running["http"][0]).port
        assert port is not None
        yield Estate(server=server, folder=data, http_port=port, grpc=running["grpc"][0], places=places, store=store)
    finally:
        await server.end()


async def _places(hub: RunningHub, address: str, count: int) -> Sequence[Place]:
    import grpc  # noqa: PLC0415 the name is an address elsewhere here

    gate = asyncio.Semaphore(AT_ONCE)
    async with grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        agents = agent_service_pb2_grpc.AgentServiceStub(channel)

        async def make(number: int) -> Place:
            async with gate:
                return await _place(hub, agents, f"bench {number}")

        return await asyncio.gather(*(make(number) for number in range(count)))


async def _place(hub: RunningHub, agents: Any, name: str) -> Place:
    made = await hub.channels.CreateChannel(channel_admin_service_pb2.CreateChannelRequest(name=name))
    session = await hub.session_apis.CreateSessionApi(
        session_api_admin_service_pb2.CreateSessionApiRequest(name=name, channel=name)
    )
    enrolment = await hub.agents.CreateEnrolment(
        agent_admin_service_pb2.CreateEnrolmentRequest(name=name, channel=name)
    )
    enrolled = await agents.Enrol(agent_pb.EnrolRequest(token=enrolment.token))
    return Place(channel_id=made.channel.id, key=session.key, credential=enrolled.credential)
