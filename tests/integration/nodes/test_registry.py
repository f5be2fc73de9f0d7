"""What operators change at one node holds on all of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from messenger_hub.admin.v1 import (
    agent_admin_service_pb2,
    channel_admin_service_pb2,
    operation_admin_service_pb2,
    session_api_admin_service_pb2,
)
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import operation_service_pb2
from messenger_hub_server.services.translation import cursor

from tests.integration.nodes.estate import Estate, let_in, until
from tests.integration.server.agent import connected, enrolled
from tests.integration.server.deleting import answer_after_deletion
from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi
from tests.integration.server.test_operations import send
from tests.postgresql import PostgresqlServer

DEAD_SECONDS = 1.0  # what a user is promised
ENDED = f"""
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid IN (SELECT pid FROM pg_locks WHERE classid = {0x6D68_0004})
"""


async def deactivate(hub: Hub, api: SessionApi) -> None:
    request = session_api_admin_service_pb2.DeactivateSessionApiRequest(session_api=api.name)
    await hub.operator.session_apis.DeactivateSessionApi(request, metadata=hub.operator.metadata, timeout=SECONDS)


async def answers(hub: Hub, api: SessionApi, status: int) -> bool:
    return await let_in(hub, api) == status


async def test_a_key_that_one_node_makes_works_on_the_others_and_is_dead_on_all_once_one_deactivates_it(
    estate: Estate,
) -> None:
    async with estate.nodes(3) as hubs:
        api = await hubs[0].session_api()
        for hub in hubs:
            await until(lambda hub=hub: answers(hub, api, 200))  # type: ignore[misc]
        await deactivate(hubs[1], api)
        for hub in hubs:
            await until(lambda hub=hub: answers(hub, api, 401), DEAD_SECONDS)  # type: ignore[misc]


async def test_a_key_that_was_rotated_is_dead_on_another_node_also_when_no_notice_comes_through(
    estate: Estate, postgresql: PostgresqlServer
) -> None:
    async with estate.nodes(2) as (first, second):
        api = await first.session_api()
        await until(lambda: answers(second, api, 200))
        await asyncio.to_thread(postgresql.sql, ENDED, estate.database)
        request = session_api_admin_service_pb2.RotateSessionApiRequest(
            session_api=api.name, overlap=Duration(seconds=0)
        )
        await first.operator.session_apis.RotateSessionApi(request, metadata=first.operator.metadata, timeout=SECONDS)
        await until(lambda: answers(second, api, 401), DEAD_SECONDS)


async def test_a_watch_at_one_node_ends_when_its_key_is_rotated_away_at_another(estate: Estate) -> None:
    async with estate.nodes(2) as (first, second):
        api = await first.session_api()
        await until(lambda: answers(second, api, 200))
        await send(first, api)
        request = operation_service_pb2.WatchOperationsRequest(cursor=cursor(0))
        watching = second.programs.operations.WatchOperations(request, metadata=api.metadata)
        await watching.read()
        rotate = session_api_admin_service_pb2.RotateSessionApiRequest(
            session_api=api.name, overlap=Duration(seconds=0)
        )
        await first.operator.session_apis.RotateSessionApi(rotate, metadata=first.operator.metadata, timeout=SECONDS)
        async with asyncio.timeout(DEAD_SECONDS):
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                while True:
                    await watching.read()
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_an_agent_that_one_node_revokes_loses_its_stream_at_another_and_is_let_in_nowhere(
    estate: Estate,
) -> None:
    async with estate.nodes(2) as (first, second):
        credential = await enrolled(first)
        await until(lambda: _knows(second, "desk"))
        async with connected(second, 1, credential) as agent:
            request = agent_admin_service_pb2.RevokeAgentRequest(agent="desk")
            await first.operator.agents.RevokeAgent(request, metadata=first.operator.metadata, timeout=SECONDS)
            async with asyncio.timeout(DEAD_SECONDS):
                assert await agent.ended() is grpc.StatusCode.UNAUTHENTICATED
        for hub in (first, second):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                async with connected(hub, 1, credential):
                    pass
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def _knows(hub: Hub, name: str) -> bool:
    request = agent_admin_service_pb2.ListAgentsRequest()
    found = await hub.operator.agents.ListAgents(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return name in [agent.name for agent in found.agents]


async def test_nodes_that_change_the_same_channel_at_once_overwrite_nothing_of_each_other(estate: Estate) -> None:
    async with estate.nodes(3) as hubs:
        names = [f"shop {number}" for number in range(12)]
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(names):
                group.create_task(hubs[number % 3].session_api(name))
            for number in range(6):
                group.create_task(_pause(hubs[number % 3], f"reason {number}"))
                group.create_task(_pace(hubs[number % 3]))
        async with estate.node(4) as fresh:
            request = session_api_admin_service_pb2.ListSessionApisRequest()
            found = await fresh.operator.session_apis.ListSessionApis(
                request, metadata=fresh.operator.metadata, timeout=SECONDS
            )
            assert sorted(one.name for one in found.session_apis) == sorted(names)
            assert len({one.id for one in found.session_apis}) == len(names)
            listed = await fresh.operator.channels.ListChannels(
                channel_admin_service_pb2.ListChannelsRequest(), metadata=fresh.operator.metadata, timeout=SECONDS
            )
            (channel,) = listed.channels
            assert channel.pace == agent_service_pb2.PACE_CAREFUL
            assert "reason " in channel.status.reason


async def _pause(hub: Hub, reason: str) -> None:
    request = channel_admin_service_pb2.PauseChannelRequest(channel="main", reason=reason)
    await hub.operator.channels.PauseChannel(request, metadata=hub.operator.metadata, timeout=SECONDS)


async def _pace(hub: Hub) -> None:
    request = channel_admin_service_pb2.UpdateChannelRequest(channel="main", pace=agent_service_pb2.PACE_CAREFUL)
    await hub.operator.channels.UpdateChannel(request, metadata=hub.operator.metadata, timeout=SECONDS)


async def test_what_an_operator_did_at_one_node_the_next_call_finds_at_another(estate: Estate) -> None:
    async with estate.nodes(2) as (first, second):
        for name in ("one", "two", "three"):
            channel_id = await first.channel(name)
            api = await second.session_api(f"program of {name}", name)
            assert await let_in(first, api) == 200
            credential = await enrolled(second, f"desk of {name}", name)
            moved = channel_admin_service_pb2.MoveChannelRequest(channel=name, agent=f"desk of {name}")
            await first.operator.channels.MoveChannel(moved, metadata=first.operator.metadata, timeout=SECONDS)
            async with connected(first, channel_id, credential) as agent:
                assert agent.epoch
            await deactivate(second, api)
            listed = await first.operator.session_apis.ListSessionApis(
                session_api_admin_service_pb2.ListSessionApisRequest(),
                metadata=first.operator.metadata,
                timeout=SECONDS,
            )
            assert [one.active for one in listed.session_apis if one.name == api.name] == [False]


async def test_an_operator_is_shown_what_a_node_knows_while_the_database_is_away(
    tmp_path: Path, own: PostgresqlServer
) -> None:
    async with Estate(tmp_path, own).nodes(2) as (_, second):
        await second.session_api()
        await asyncio.to_thread(own.stop)
        listed = await second.operator.session_apis.ListSessionApis(
            session_api_admin_service_pb2.ListSessionApisRequest(), metadata=second.operator.metadata, timeout=SECONDS
        )
        assert [one.name for one in listed.session_apis] == ["shop"]
        own.launch()
        await asyncio.to_thread(own.wait)


async def test_a_program_that_was_let_in_before_its_channel_was_deleted_at_another_node_is_refused_after_it(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with estate.nodes(2) as (first, second):
        api = await first.session_api()
        assert await answer_after_deletion(second, api, first, monkeypatch) == 401
        listed = await first.operator.operations.ListOperations(
            operation_admin_service_pb2.ListOperationsRequest(), metadata=first.operator.metadata, timeout=SECONDS
        )
        assert not listed.operations


async def test_two_nodes_cannot_give_one_name_twice(estate: Estate) -> None:
    async with estate.nodes(2) as (first, second):
        made = await asyncio.gather(first.channel("same"), second.channel("same"), return_exceptions=True)
        assert sorted(isinstance(one, grpc.aio.AioRpcError) for one in made) == [False, True]


async def test_a_node_that_cannot_look_whether_a_key_still_works_answers_503_and_lets_it_in_when_it_can_again(
    tmp_path: Path, own: PostgresqlServer
) -> None:
    async with Estate(tmp_path, own).nodes(2) as hubs:
        api = await hubs[0].session_api()
        for hub in hubs:
            await until(lambda hub=hub: answers(hub, api, 200))  # type: ignore[misc]
        await asyncio.to_thread(own.stop)
        for hub in hubs:
            await until(lambda hub=hub: answers(hub, api, 503), 2 * DEAD_SECONDS)  # type: ignore[misc]
            async with hub.http.get(f"{BASE}/operations", headers=api.headers) as answer:
                assert (answer.status, (await answer.json())["code"]) == (503, "store_unavailable")
        own.launch()
        await asyncio.to_thread(own.wait)
        for hub in hubs:
            await until(lambda hub=hub: answers(hub, api, 200))  # type: ignore[misc]
