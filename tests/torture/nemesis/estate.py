"""One world: server, agents with their browsers, and the twin, set up as a new user would, with a proxy before the server.

agent ── proxy (misbehaves) ── [nginx] ── server's gRPC port

With several nodes each agent's proxy, or nginx, gives every connection to another one that lives, and so does a balancer before each
door of the programs; between each node and the database is a proxy that misbehaves too.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from messenger_hub.admin.v1 import agent_admin_service_pb2, channel_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub_cli.running_hub import running_hub

from tests.e2e.whole_way.world import discard_profiles, free_port
from tests.torture.nemesis import nodes
from tests.torture.nemesis.postgresql import Postgresql
from tests.torture.nemesis.programs import Program
from tests.torture.nemesis.proxy import Proxy
from tests.torture.nemesis.record import Arrival

BASE = "/api/whatsapp-session"
LINK_SECONDS = 60.0
LOOK_SECONDS = 0.1
CALL_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which agent serves which channels, whether nginx stands before the server, and how many nodes share a PostgreSQL database;
    0: one server, with its data in SQLite."""

    agents: Mapping[str, Sequence[str]]
    nginx: bool = False
    nodes: int = 0

    @property
    def channels(self) -> Sequence[str]:
        """All of them."""
        return [channel for channels in self.agents.values() for channel in channels]


class NoNginx(Exception):
    """nginx is wanted and not installed."""


class Estate:
    """Everything of one world. Use `standing`."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder = folder
        self.layout = layout
        self._twin, self._nginx = (free_port() for _ in range(2))
        self.database = Postgresql(folder, nodes.names(layout.nodes)) if layout.nodes else None
        self.nodes = nodes.on(self.database, folder) if self.database else nodes.alone(folder)
        self._doors = [] if len(self.nodes) == 1 else [self._balancer("http"), self._balancer("grpc")]
        http, grpc = [one.port for one in self._doors] or (self.nodes[0].http, self.nodes[0].grpc)
        self.http = f"http://127.0.0.1:{http}{BASE}"
        self.grpc = f"127.0.0.1:{grpc}"
        self.twin_address = f"http://127.0.0.1:{self._twin}"
        self.arrivals_log = folder / "arrivals.jsonl"
        self.hub = self.nodes[0].folder
        self.proxies = {
            agent: Proxy(free_port(), self._nginx) if layout.nginx else self._balancer("grpc")
            for agent in layout.agents
        }
        self.servers = [node.program for node in self.nodes]
        self.twin = Program("twin", self._twin_arguments(), folder)
        self.agents = {agent: Program(agent, self.agent_arguments(agent), folder) for agent in layout.agents}
        self.keys: dict[str, str] = {}
        self.accounts: dict[str, str] = {}
        self.client: aiohttp.ClientSession
        self.restoring = 0  # grows when the database is about to be replaced, and when it was
        self._called = asyncio.Event()

    def _balancer(self, door: str) -> Proxy:
        """Before every node; of one it is a proxy."""
        first, *others = [int(getattr(node, door)) for node in self.nodes]
        return Proxy(free_port(), first, others=others)

    def _twin_arguments(self) -> Sequence[str]:
        return ("twin", "--listen", f"127.0.0.1:{self._twin}", "--log", str(self.arrivals_log))

    def agent_arguments(self, agent: str, folder: str = "") -> Sequence[str]:
        """How an agent is started; `folder`: with another copy of its folder."""
        server = f"127.0.0.1:{self.proxies[agent].port}"
        where = (
            "--server",
            server,
            "--whatsapp-url",
            self.twin_address,
            "--data-dir",
            str(self.folder / (folder or agent)),
        )
        return ("agent", "--headless", *where)

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        """Sets all up: enrolled and linked. At the end everything is ended, and the browsers' profiles are gone."""
        async with AsyncExitStack() as stack:
            stack.callback(discard_profiles, self.folder)
            timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
            # A connection a call, where each one goes to another node.
            connector = aiohttp.TCPConnector(force_close=len(self.nodes) > 1)
            self.client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=timeout))
            ways = self.database.ways if self.database else {}
            for proxy in (*self.proxies.values(), *self._doors, *ways.values()):
                await stack.enter_async_context(proxy.serving())
            if self.database:
                await stack.enter_async_context(self.database.standing())
            if self.layout.nginx:
                ports = [node.grpc for node in self.nodes]
                await stack.enter_async_context(_nginx(self.folder, self._nginx, ports))
            for program in (self.twin, *self.servers, *self.agents.values()):
                stack.push_async_callback(program.end)
            await self.twin.start()
            await self.phones("receipts", automatic=True, delivered_seconds=0.1, read_seconds=0.3)
            await nodes.start(self.nodes)
            for node, (agent, channels) in zip(itertools.cycle(self.nodes), self.layout.agents.items(), strict=False):
                await self._enrol(node.folder, agent, channels)
            await self._link(self.layout.channels)
            yield

    async def _enrol(self, folder: Path, agent: str, channels: Sequence[str]) -> None:
        async with running_hub(folder) as hub:
            for channel in channels:
                made = channel_admin_service_pb2.CreateChannelRequest(name=channel, pace=agent_service_pb2.PACE_OFF)
                await hub.channels.CreateChannel(made)
                api = session_api_admin_service_pb2.CreateSessionApiRequest(
                    name=f"program of {channel}", channel=channel
                )
                self.keys[channel] = (await hub.session_apis.CreateSessionApi(api)).key
            request = agent_admin_service_pb2.CreateEnrolmentRequest(name=agent, channel=channels[0])
            token = (await hub.agents.CreateEnrolment(request)).token
            await self.agents[agent].start({"MESSENGER_HUB_ENROL": token})
            for channel in channels[1:]:
                await hub.channels.MoveChannel(
                    channel_admin_service_pb2.MoveChannelRequest(channel=channel, agent=agent)
                )

    async def _link(self, channels: Sequence[str]) -> None:
        """The phone scans each code, once the hub shows it too, as a person would; then each channel tells its account."""
        scanned = 0
        async with asyncio.timeout(LINK_SECONDS):
            for channel in channels:
                while not (status := await self.status(channel)) or status["channel"] != "unlinked":
                    await asyncio.sleep(LOOK_SECONDS)
            while scanned < len(channels):
                pages = (await self.twin_state())["pages"]
                for page in [one for one in pages if one["state"] == "qr"]:
                    scanned += await self.phones("scan", page=page["id"]) == 200
                await asyncio.sleep(LOOK_SECONDS)
            for channel in channels:
                while not (status := await self.status(channel)) or not (status["can_send"] and status.get("number")):
                    await asyncio.sleep(LOOK_SECONDS)
                self.accounts[channel] = f"{status['number']}@c.us"

    @contextmanager
    def taken_for_dead(self, node: nodes.Node) -> Iterator[None]:
        """Meanwhile every balancer leaves it out, and its connections are reset; nginx only tries it in its turn."""
        for proxy in self.proxies.values():
            proxy.cut_now()
        for proxy in (*self.proxies.values(), *self._doors):
            proxy.leave_out(node.grpc)
            proxy.leave_out(node.http)
        try:
            yield
        finally:
            for proxy in (*self.proxies.values(), *self._doors):
                proxy.take_in(node.grpc)
                proxy.take_in(node.http)

    # ---- asking -------------------------------------------------------------------------------------------------------------

    async def call(self, channel: str, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON of a REST call; status 0 when there was no answer."""
        given = {"X-API-Key": self.keys[channel], **headers}
        try:
            async with self.client.request(method, f"{self.http}{path}", json=body, headers=given) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            return 0, None

    async def status(self, channel: str) -> Any:
        """What GET /status tells; None without an answer."""
        code, answer = await self.call(channel, "GET", "/status")
        return answer["data"] if code == 200 else None

    async def phones(self, call: str, **body: object) -> int:
        """The twin's control API; the HTTP status, 0 when it does not answer."""
        try:
            async with self.client.post(f"{self.twin_address}/_twin/{call}", json=body) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def twin_state(self) -> Any:
        """Everything that the twin shows."""
        async with self.client.get(f"{self.twin_address}/_twin/state") as answer:
            return await answer.json()

    async def contacts(self, channel: str) -> Mapping[str, str]:
        """The contacts of a channel's phone: number and name."""
        number = self.accounts[channel].removesuffix("@c.us")
        accounts = (await self.twin_state())["accounts"]
        return {str(k): str(v) for one in accounts if one["number"] == number for k, v in one["contacts"].items()}

    async def ready(self, node: nodes.Node) -> bool:
        """It says that it can accept."""
        try:
            async with self.client.get(f"http://127.0.0.1:{node.http}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def arrivals(self) -> Sequence[Arrival]:
        """The oracle: every line of the twin's log."""
        lines = self.arrivals_log.read_text(encoding="utf-8").splitlines() if self.arrivals_log.exists() else []
        told = [json.loads(line) for line in lines]
        return [
            Arrival(line=i, at=one["at"], whatsapp_id=one["id"], sender=one["from"], chat=one["to"], body=one["body"])
            for i, one in enumerate(told, 1)
        ]

    async def next_arrival(self, seconds: float) -> None:
        """Waits until the log grows, at most so long."""
        size, deadline = self._log_size(), time.monotonic() + seconds
        while self._log_size() == size and time.monotonic() < deadline:
            await asyncio.sleep(0.001)

    def calling(self) -> None:
        """A client begins to ask for a message."""
        self._called.set()

    async def next_call(self, seconds: float) -> None:
        """Waits until a client begins to ask for a message, at most so long."""
        self._called.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._called.wait()

    def _log_size(self) -> int:
        return self.arrivals_log.stat().st_size if self.arrivals_log.exists() else 0


NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    upstream hub {{
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port} http2;
        client_max_body_size 0;
        client_body_timeout 1h;
        location / {{
            grpc_pass grpc://hub;
            grpc_read_timeout 1h;
            grpc_send_timeout 1h;
        }}
    }}
}}
"""


@asynccontextmanager
async def _nginx(folder: Path, port: int, far: Sequence[int]) -> AsyncIterator[None]:
    """Debian's nginx as a gRPC proxy, before one server or several. Raises NoNginx."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise NoNginx("nginx is not installed: apt-get install -y nginx-light")
    configuration = folder / "nginx.conf"
    servers = " ".join(f"server 127.0.0.1:{one} max_fails=0;" for one in far)
    configuration.write_text(NGINX.format(folder=folder, port=port, servers=servers))
    process = await asyncio.create_subprocess_exec(
        *(program, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "nginx.log"))
    )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
