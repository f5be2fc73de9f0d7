"""The server under fire: a real process on loopback with channels, keys and agents, whose memory and log are looked at."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
from messenger_hub.admin.v1 import agent_admin_service_pb2, channel_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2, agent_service_pb2_grpc
from messenger_hub.v1 import rest_pb2
from messenger_hub_cli.running_hub import running_hub

from tests.torture.hostile.case import Secrets

START_SECONDS = 30
STOP_SECONDS = 30
CHANNELS = 6
ORIGIN = "https://shop.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a server answers, and how it is looked at. `server` is None where it is no process of ours."""

    http: tuple[str, int]
    grpc: str
    secrets: Secrets
    log: Path
    process: psutil.Process

    def rss(self) -> int:
        """Bytes of memory that it holds now. Raises psutil.NoSuchProcess when it has died."""
        return int(self.process.memory_info().rss)

    def alive(self) -> bool:
        """It runs."""
        return bool(self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE)


@asynccontextmanager
async def target(folder: Path, program: Sequence[str] = ("-m", "messenger_hub_cli")) -> AsyncIterator[Target]:
    """A server with what the cases need; stopped at the end. `program`: for tests, what Python runs instead."""
    data, log = folder / "hub", folder / "server.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                *program,
                "server",
                "--json",
                "--data-dir",
                str(data),
                "--http",
                "127.0.0.1:0",
                "--grpc",
                "127.0.0.1:0",
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            told = json.loads(await process.stdout.readline())
        address = told["grpc"][0]
        host, _, port = told["http"][0].removeprefix("http://").rpartition(":")
        secrets = await _furnished(data, address)
        yield Target(
            http=(host, int(port)), grpc=address, secrets=secrets, log=log, process=psutil.Process(process.pid)
        )
    finally:
        await _stopped(process)


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


async def _furnished(data: Path, address: str) -> Secrets:
    """Channels with a session API and an agent each."""
    keys, credentials, channels = [], [], []
    async with (
        running_hub(data) as hub,
        grpc.aio.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel,
    ):
        agents = agent_service_pb2_grpc.AgentServiceStub(channel)
        for number in range(CHANNELS):
            name = f"channel{number}"
            made = await hub.channels.CreateChannel(channel_admin_service_pb2.CreateChannelRequest(name=name))
            channels.append(made.channel.id)
            settings = session_api_admin_service_pb2.SessionApiSettings(cors_origins=[ORIGIN])
            wanted = session_api_admin_service_pb2.CreateSessionApiRequest(
                name=f"api{number}", channel=name, settings=settings
            )
            if number == 0:  # the others have the scopes that a key has by default
                wanted.scopes.extend(rest_pb2.Scope.values()[1:])
            keys.append((await hub.session_apis.CreateSessionApi(wanted)).key)
            enrolment = await hub.agents.CreateEnrolment(
                agent_admin_service_pb2.CreateEnrolmentRequest(name=f"agent{number}", channel=name)
            )
            enrolled = await agents.Enrol(agent_service_pb2.EnrolRequest(token=enrolment.token))
            credentials.append(enrolled.credential)
    return Secrets(keys=keys, credentials=credentials, channels=channels)
