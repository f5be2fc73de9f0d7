"""What one node accepts, decides or is told, the others act on at once: no desktop and no watcher waits for the next look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from messenger_hub.v1 import operation_pb2
from messenger_hub.v1 import operation_service_pb2 as pb
from messenger_hub_server.services.translation import cursor

from tests.integration.nodes.estate import Estate, let_in, until
from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi
from tests.integration.server.test_operations import find, send

PENDING, PROCESSING, SENT, CANCELLED = (
    operation_pb2.OPERATION_STATUS_PENDING,
    operation_pb2.OPERATION_STATUS_PROCESSING,
    operation_pb2.OPERATION_STATUS_SENT,
    operation_pb2.OPERATION_STATUS_CANCELLED,
)


MESSAGES = 6
Watching = grpc.aio.UnaryStreamCall[pb.WatchOperationsRequest, pb.WatchOperationsResponse]


@asynccontextmanager
async def at_work(estate: Estate, nodes: int) -> AsyncIterator[tuple[list[Hub], SessionApi, ScriptedAgent]]:
    """So many nodes that know one key, and a desktop at the second."""
    async with estate.nodes(nodes) as hubs:
        api, credential = await hubs[0].session_api(), await enrolled(hubs[1])
        for hub in hubs:
            await until(lambda hub=hub: _lets_in(hub, api))  # type: ignore[misc]
        async with connected(hubs[1], 1, credential) as agent:
            yield hubs, api, agent


async def _lets_in(hub: Hub, api: SessionApi) -> bool:
    return await let_in(hub, api) == 200


async def test_what_one_node_accepts_goes_out_by_a_desktop_at_another(estate: Estate) -> None:
    async with at_work(estate, 2) as ((first, second), api, agent):
        for text in ("one", "two", "three"):
            number = await send(first, api, message=text)
            assert (await agent.carry_out("SENT")).provenance.operation_id == number
            for hub in (first, second):
                assert (await find(hub, api, number)).status == SENT


async def test_what_one_node_cancels_lets_a_desktop_at_another_go_on(estate: Estate) -> None:
    async with at_work(estate, 3) as (hubs, api, agent):
        early = await send(hubs[0], api, message="early")
        await agent.lease()
        late = await send(hubs[0], api, message="late")
        async with hubs[2].http.post(f"{BASE}/operations/{early}/cancel", headers=api.headers) as answer:
            assert answer.status == 200
        assert (await agent.lease()).provenance.operation_id == late
        assert (await find(hubs[1], api, early)).status == CANCELLED


async def test_a_watcher_at_one_node_sees_what_happens_at_the_others_once_and_in_order(estate: Estate) -> None:
    async with at_work(estate, 3) as (hubs, api, agent), asyncio.TaskGroup() as group:
        request = pb.WatchOperationsRequest(cursor=cursor(0))
        watching = hubs[2].programs.operations.WatchOperations(request, metadata=api.metadata)
        told = group.create_task(_told(watching, 3 * MESSAGES))
        numbers = [await send(hubs[turn % 2], api, message=f"message {turn}") for turn in range(MESSAGES)]
        await _carry_out(agent, MESSAGES)
        assert await told == {number: [PENDING, PROCESSING, SENT] for number in numbers}
        watching.cancel()


async def _told(watching: Watching, changes: int) -> dict[int, list[int]]:
    """The next so many changes, by operation."""
    seen: dict[int, list[int]] = {}
    async with asyncio.timeout(SECONDS):
        for _ in range(changes):
            change = await watching.read()
            assert isinstance(change, pb.WatchOperationsResponse)
            seen.setdefault(change.operation.operation_id, []).append(change.transition.status)
    return seen


async def _carry_out(agent: ScriptedAgent, count: int) -> None:
    for _ in range(count):
        await agent.carry_out("SENT")


async def test_who_waits_at_one_node_for_the_end_of_a_message_hears_of_it_at_once(estate: Estate) -> None:
    async with at_work(estate, 2) as ((first, _), api, agent):
        asked = {"mobile": "4930123456", "message": "hello"}
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry_out(agent, 1))
            async with first.http.post(f"{BASE}/send", json=asked | {"wait": SECONDS}, headers=api.headers) as answer:
                assert answer.status == 201
                told = await answer.json()
        assert (await find(first, api, told["data"]["message_id"])).status == SENT
