"""Stopping: nothing that was acknowledged is lost, nobody hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import grpc
import pytest
from messenger_hub.admin.v1 import agent_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub.v1 import message_service_pb2, operation_pb2
from messenger_hub.v1 import operation_service_pb2 as pb

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import BASE, SECONDS, running_hub
from tests.integration.server.test_operations import find, send


async def test_a_stop_under_load_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    enough, stopped = asyncio.Event(), asyncio.Event()

    async with running_hub(tmp_path) as hub:
        await hub.channel()
        api = await hub.session_api()

        async def caller() -> None:
            body = {"mobile": "4930123456", "message": "x"}
            while not stopped.is_set():
                try:
                    async with hub.http.post(f"{BASE}/send", json=body, headers=api.headers) as http:
                        if http.status != 201:
                            return
                        acknowledged.add((await http.json())["data"]["message_id"])
                except aiohttp.ClientError:
                    return
                if len(acknowledged) > 200:
                    enough.set()

        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(caller())
            async with asyncio.timeout(SECONDS):
                await enough.wait()
            hub.stop.set()
    async with running_hub(tmp_path) as hub:
        for number in acknowledged:
            assert (await find(hub, api, number)).status == operation_pb2.OPERATION_STATUS_PENDING
        assert await send(hub, api) > max(acknowledged)


async def test_who_waits_is_answered_and_streams_are_told(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.channel()
        api = await hub.session_api()
        credential = await enrolled(hub)
        await send(hub, api)
        async with connected(hub, 1, credential) as agent:
            await agent.lease()
            watch = hub.programs.operations.WatchOperations(pb.WatchOperationsRequest(), metadata=api.metadata)
            request = message_service_pb2.SendMessageRequest(mobile="4930777777", message="x", wait=30)
            waiting = hub.programs.messages.SendMessage(request, metadata=api.metadata, timeout=SECONDS)
            await agent.lease()
            hub.stop.set()
            assert (await waiting).status == operation_pb2.OPERATION_STATUS_PROCESSING
            assert await agent.ended() is grpc.StatusCode.UNAVAILABLE
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                async with asyncio.timeout(SECONDS):
                    while await watch.read() is not grpc.aio.EOF:
                        pass


async def test_what_was_queued_waits_for_the_next_start(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.channel()
        api = await hub.session_api()
        credential = await enrolled(hub)
        number = await send(hub, api, idempotency_key="k")
    async with running_hub(tmp_path) as hub:
        assert await send(hub, api, idempotency_key="k") == number
        async with connected(hub, 1, credential) as agent:
            assert (await agent.carry_out("SENT")).provenance.operation_id == number
        assert (await find(hub, api, number)).status == operation_pb2.OPERATION_STATUS_SENT


async def test_last_use_and_last_frame_are_remembered_over_a_stop(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        await hub.channel()
        api = await hub.session_api()
        await send(hub, api)
        async with connected(hub, 1, await enrolled(hub)):
            pass
    async with running_hub(tmp_path) as hub:
        metadata = hub.operator.metadata
        agents = await hub.operator.agents.ListAgents(agent_admin_service_pb2.ListAgentsRequest(), metadata=metadata)
        assert (agents.agents[0].HasField("last_seen_at"), agents.agents[0].version) == (True, "test")
        listed = await hub.operator.session_apis.ListSessionApis(
            session_api_admin_service_pb2.ListSessionApisRequest(), metadata=metadata
        )
        assert listed.session_apis[0].last_used_at.seconds % 60 == 0
        assert listed.session_apis[0].last_used_at.seconds > 0
