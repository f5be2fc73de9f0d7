"""A real hub in this process: real SQLite in a temporary folder, real sockets, and what tests need to talk to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
from messenger_hub.admin.v1 import (
    agent_admin_service_pb2,
    agent_admin_service_pb2_grpc,
    channel_admin_service_pb2,
    channel_admin_service_pb2_grpc,
    hub_admin_service_pb2_grpc,
    operation_admin_service_pb2_grpc,
    person_admin_service_pb2_grpc,
    session_api_admin_service_pb2,
    session_api_admin_service_pb2_grpc,
)
from messenger_hub.agent.v1 import agent_service_pb2_grpc
from messenger_hub.v1 import (
    channel_service_pb2_grpc,
    contact_service_pb2_grpc,
    message_service_pb2_grpc,
    operation_service_pb2_grpc,
)
from messenger_hub_server import app, config

SECONDS = 20
BASE = "/api/whatsapp-session"


class Operator:
    """The operators' services."""

    def __init__(self, channel: grpc.aio.Channel, token: str) -> None:
        self.metadata = (("authorization", f"Bearer {token}"),)
        self.channels = channel_admin_service_pb2_grpc.ChannelAdminServiceStub(channel)
        self.session_apis = session_api_admin_service_pb2_grpc.SessionApiAdminServiceStub(channel)
        self.agents = agent_admin_service_pb2_grpc.AgentAdminServiceStub(channel)
        self.operations = operation_admin_service_pb2_grpc.OperationAdminServiceStub(channel)
        self.persons = person_admin_service_pb2_grpc.PersonAdminServiceStub(channel)
        self.hub = hub_admin_service_pb2_grpc.HubAdminServiceStub(channel)


class Programs:
    """The programs' services, and the agents'."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.messages = message_service_pb2_grpc.MessageServiceStub(channel)
        self.contacts = contact_service_pb2_grpc.ContactServiceStub(channel)
        self.operations = operation_service_pb2_grpc.OperationServiceStub(channel)
        self.status = channel_service_pb2_grpc.ChannelServiceStub(channel)
        self.agents = agent_service_pb2_grpc.AgentServiceStub(channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionApi:
    """A session API with its key."""

    id: int
    name: str
    channel: str
    key: str

    @property
    def metadata(self) -> Sequence[tuple[str, str]]:
        """What carries the key on gRPC."""
        return (("x-api-key", self.key),)

    @property
    def headers(self) -> dict[str, str]:
        """What carries the key on HTTP."""
        return {"X-API-Key": self.key}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A running hub and its three clients."""

    running: app.Running
    data_dir: Path
    operator: Operator
    programs: Programs
    http: aiohttp.ClientSession
    stop: asyncio.Event

    async def channel(self, name: str = "main") -> int:
        """Makes a channel."""
        request = channel_admin_service_pb2.CreateChannelRequest(name=name)
        made = await self.operator.channels.CreateChannel(request, metadata=self.operator.metadata, timeout=SECONDS)
        return int(made.channel.id)

    async def session_api(self, name: str = "shop", channel: str = "main", **fields: object) -> SessionApi:
        """Makes a session API on a channel that exists."""
        request = session_api_admin_service_pb2.CreateSessionApiRequest(name=name, channel=channel, **fields)  # type: ignore[arg-type]
        made = await self.operator.session_apis.CreateSessionApi(
            request, metadata=self.operator.metadata, timeout=SECONDS
        )
        return SessionApi(id=made.session_api.id, name=name, channel=channel, key=made.key)

    async def enrolment(self, name: str = "desk", channel: str = "main") -> str:
        """Makes a one-time token."""
        request = agent_admin_service_pb2.CreateEnrolmentRequest(name=name, channel=channel)
        made = await self.operator.agents.CreateEnrolment(request, metadata=self.operator.metadata, timeout=SECONDS)
        return str(made.token)


@asynccontextmanager
async def running_hub(data_dir: Path, **flags: object) -> AsyncIterator[Hub]:
    """Runs a hub until the block ends; fails when it does not stop in time. `flags` are settings."""
    given = {"http": "127.0.0.1:0", "grpc": "127.0.0.1:0", "data_dir": data_dir, **flags}
    settings = config.load(given, {})
    ready: asyncio.Future[app.Running] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(app.run(settings, ready.set_result, stop))
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=SECONDS)
        if not ready.done():
            await task
        try:
            async with clients(ready.result(), data_dir, stop) as hub:
                yield hub
        finally:
            stop.set()
            async with asyncio.timeout(SECONDS):
                await task


@asynccontextmanager
async def hub_with_main(data_dir: Path) -> AsyncIterator[Hub]:
    """A running hub with the channel `main`; fails when anything of it is left afterwards."""
    async with running_hub(data_dir) as running:
        await running.channel()
        yield running
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "messenger_hub" in repr(task)]
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("database-")]


@asynccontextmanager
async def clients(running: app.Running, data_dir: Path, stop: asyncio.Event) -> AsyncIterator[Hub]:
    """Of a hub that runs."""
    token = (data_dir / "admin-token").read_text()
    options = [("grpc.enable_http_proxy", 0)]
    async with (
        grpc.aio.insecure_channel(running.admin, options=options) as admin,
        grpc.aio.insecure_channel(running.grpc[0], options=options) as public,
        aiohttp.ClientSession(running.http[0], timeout=aiohttp.ClientTimeout(total=SECONDS)) as http,
    ):
        yield Hub(
            running=running,
            data_dir=data_dir,
            operator=Operator(admin, token),
            programs=Programs(public),
            http=http,
            stop=stop,
        )
