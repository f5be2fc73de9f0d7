"""Whether the hub that this desktop has joined answers it: its gRPC, as a desktop app calls it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.runtime.dial import DialRefused, Target, dial
from messenger_hub_server.checks import Finding, Verdict

from messenger_hub_cli.failures import Refused
from messenger_hub_cli.remembered import Hub, remembered

NAME = "Joined hub"
SECONDS = 10.0
SERVICE = agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"].full_name


async def joined_hub(data_dir: Path) -> Sequence[Finding]:
    """Nothing for a desktop that has joined none."""
    try:
        hub = remembered(data_dir)
    except Refused as problem:
        return [Finding(name=NAME, verdict=Verdict.BAD, said=problem.sentence.rstrip("."))]
    return [await _called(hub)] if hub is not None else []


async def _called(hub: Hub) -> Finding:
    asked = health_pb2.HealthCheckRequest(service=SERVICE)
    target = Target(address=hub.server, tls=not hub.fingerprint, fingerprint=hub.fingerprint)
    try:
        async with asyncio.timeout(SECONDS), await dial(target) as channel:
            await health_pb2_grpc.HealthStub(channel).Check(asked, timeout=SECONDS)
    except DialRefused as refused:
        return Finding(name=NAME, verdict=Verdict.BAD, said=refused.sentence.rstrip("."))
    except (grpc.aio.AioRpcError, TimeoutError) as error:
        return Finding(name=NAME, verdict=Verdict.BAD, said=f"{hub.server} {_missing(error)}")
    return Finding(name=NAME, verdict=Verdict.GOOD, said=f"{hub.server} answers")


def _missing(error: grpc.aio.AioRpcError | TimeoutError) -> str:
    """What is wrong, as far as the answer tells."""
    if isinstance(error, TimeoutError) or error.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ):
        return "does not answer: check the network, the certificate, and that the hub and the proxy in front of it run"
    return "answers, and not as a hub does: have the proxy there hand gRPC on to the hub's --grpc address (docs/two-machines.md)"
