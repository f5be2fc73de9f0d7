"""The listeners: the programs' and agents' gRPC and HTTP, and the operators' own on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from ssl import SSLContext

import grpc
from aiohttp import web

from messenger_hub_server.certificates import Certificates
from messenger_hub_server.config import Address, Settings
from messenger_hub_server.console import site
from messenger_hub_server.data_folder import DataFolder
from messenger_hub_server.gateway.door import Console, HttpDoor
from messenger_hub_server.listeners import TRIES, free_hosts, listen, problem
from messenger_hub_server.operators_http import OperatorsHttp
from messenger_hub_server.own_certificate import OwnCertificate, own_certificate
from messenger_hub_server.pages import pages
from messenger_hub_server.parts import Parts
from messenger_hub_server.reach import Lan
from messenger_hub_server.reflected import Health, add_reflection
from messenger_hub_server.rpc.grpc_door import GrpcDoor
from messenger_hub_server.rpc.method import Audience

OPTIONS: Sequence[tuple[str, int]] = (
    # Two servers on one port would share its connections instead of one of them being told that the port is in use.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 1024 * 1024),
    # Agents that all come back at once: with the default limits a storm of 5,000 is rejected.
    ("grpc.server.max_pending_requests", 20_000),
    ("grpc.server.max_pending_requests_hard_limit", 40_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),  # of what the other machine has not received
    ("grpc.http2.ping_timeout_ms", 20_000),  # of a ping that was received: gRPC would wait a minute
    ("grpc.keepalive_permit_without_calls", 1),
    # Clients may ping every 10 s without being sent away.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Where a running hub answers: `http` and `admin_http` are URLs, the others HOST:PORT; `lan` is None without --lan."""

    http: Sequence[str]
    grpc: Sequence[str]
    admin: str
    admin_http: str
    data_dir: Path
    lan: Lan | None = None


class Doors:
    """Opens all listeners or none."""

    def __init__(self, settings: Settings, folder: DataFolder, parts: Parts, certificates: Certificates | None) -> None:
        self._settings = settings
        self._parts = parts
        self._certificates = certificates
        self._own: OwnCertificate | None = own_certificate(folder.private) if settings.lan else None
        self._lan_certificates = Certificates(self._own.certificate, self._own.key) if self._own else None
        self._public = grpc.aio.server(options=OPTIONS)
        self._admin = grpc.aio.server(options=OPTIONS)
        console = site.application(parts.chain, parts.sign_ins, settings.api_address, settings.trusted_proxies)
        self._http = HttpDoor(
            parts.chain,
            pages(parts.store, parts.chain.methods, self._own.certificate if self._own else None),
            parts.registry.lists_origin,
            Console(runner=web.AppRunner(console, access_log=None, handle_signals=False), owns=site.owns),
        )
        self._operators = OperatorsHttp((folder.admin_token, folder.metrics_token), self._metrics)
        self._health: Health | None = None

    async def open(self) -> Running:
        """Accepts from now on. Raises StartupProblem."""
        settings = self._settings
        # gRPC last: what it has bound is not free again before the process ends.
        with ExitStack() as if_refused:
            near = [if_refused.enter_context(one) for one in listen("--http", settings.http)]
            far = (
                [if_refused.enter_context(one) for one in listen("--lan-http", settings.lan_http)] if self._own else []
            )
            operators = [if_refused.enter_context(one) for one in listen("--admin-http", settings.admin_http)]
            grpc_near, grpc_far, admin = self._bind_grpc()
            if_refused.pop_all()
        await self._serve_grpc()
        await self._http.start([*self._secured(near, self._certificates), *self._secured(far, self._lan_certificates)])
        await self._operators.start(operators)
        scheme = "https" if self._certificates else "http"
        return Running(
            http=[f"{scheme}://{_address(one)}" for one in near],
            grpc=[str(address) for address in grpc_near],
            admin=str(admin[0]),
            admin_http=f"http://{_address(operators[0])}",
            data_dir=settings.data_dir,
            lan=Lan(http=_address(far[0]), grpc=grpc_far[0], certificate=self._own) if self._own else None,
        )

    def _bind_grpc(self) -> tuple[Sequence[Address], Sequence[Address], Sequence[Address]]:
        settings, certificates, own = self._settings, self._certificates, self._lan_certificates
        hosts, admin_hosts = free_hosts("--grpc", settings.grpc), free_hosts("--admin", settings.admin)
        far_hosts = free_hosts("--lan-grpc", settings.lan_grpc) if own else []
        near = _bind(self._public, "--grpc", settings.grpc, hosts, certificates.for_grpc() if certificates else None)
        far = _bind(self._public, "--lan-grpc", settings.lan_grpc, far_hosts, own.for_grpc()) if own else []
        return near, far, _bind(self._admin, "--admin", settings.admin, admin_hosts, None)

    @staticmethod
    def _secured(
        sockets: Sequence[socket], certificates: Certificates | None
    ) -> Sequence[tuple[socket, SSLContext | None]]:
        context = certificates.for_http() if certificates else None
        return [(one, context) for one in sockets]

    async def close(self, grace_seconds: float) -> None:
        """Accepts nothing more; calls in flight get some time to end."""
        if self._health is not None:
            await self._health.stopping()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._http.close())
            group.create_task(self._public.stop(grace_seconds))
            group.create_task(self._admin.stop(grace_seconds))
            group.create_task(self._operators.close())

    async def _serve_grpc(self) -> None:
        audiences = (Audience.PROGRAMS, Audience.AGENTS)
        programs = GrpcDoor(self._parts.chain, audiences)
        programs.add_to(self._public)
        self._health = Health(programs.services)
        await self._health.add_to(self._public)
        add_reflection(self._public, programs.services)
        GrpcDoor(self._parts.chain, (Audience.OPERATORS,)).add_to(self._admin)
        await self._public.start()
        await self._admin.start()

    async def _metrics(self) -> bytes:
        return self._parts.metrics.render(await self._parts.readings.read())


def _address(bound: socket) -> Address:
    host, port = bound.getsockname()[:2]
    return Address(host=host, port=port)


def _bind(
    server: grpc.aio.Server,
    flag: str,
    address: Address,
    hosts: Sequence[Address],
    credentials: grpc.ServerCredentials | None,
) -> Sequence[Address]:
    """gRPC binds by itself, without saying why it could not: what is free was found out before. A port of its own choice is not
    taken from what was free a moment ago, which another program may have by now."""
    for left in reversed(range(TRIES)):
        try:
            return _bind_once(server, address.port, hosts, credentials)
        except RuntimeError as error:
            if address.port == 0 and left:
                continue  # what it has bound stays open, and answers as the others do
            raise problem(flag, address, None) from error
    raise AssertionError("the last try returns or raises")


def _bind_once(
    server: grpc.aio.Server, port: int, hosts: Sequence[Address], credentials: grpc.ServerCredentials | None
) -> Sequence[Address]:
    bound: list[Address] = []
    for host in hosts:
        one = str(Address(host=host.host, port=port))
        port = server.add_insecure_port(one) if credentials is None else server.add_secure_port(one, credentials)
        bound.append(Address(host=host.host, port=port))
    return bound
