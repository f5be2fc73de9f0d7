"""A channel that is marked as restored is marked on every node, until its desktop has told one of them what the copy lacks."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from messenger_hub.admin.v1 import channel_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.v1 import channel_service_pb2

from tests.integration.nodes.estate import Estate, until
from tests.integration.nodes.looking import all_there, enrolled_on_all
from tests.integration.server.agent import connected
from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi
from tests.integration.server.test_operations import send
from tests.postgresql import PostgresqlServer

MARKED = "INSERT INTO messenger_hub.restored (channel_id, journal_id, before) VALUES (1, 'journal', 9)"
TOLD = "DELETE FROM messenger_hub.restored"
OFFLINE = channel_service_pb2.CHANNEL_STATE_OFFLINE


async def refusal(hub: Hub, api: SessionApi, number: int) -> str:
    """With which code a node refuses to cancel; empty when it cancels."""
    async with hub.http.post(f"{BASE}/operations/{number}/cancel", headers=api.headers) as answer:
        return "" if answer.status == 200 else str((await answer.json())["code"])


async def test_what_one_node_finds_to_be_an_older_copy_no_node_decides_on_before_the_desktop_has_told_the_rest(
    estate: Estate,
) -> None:
    async with estate.nodes(2) as hubs:
        first, second = await all_there(hubs, OFFLINE)
        api, credential = await first.session_api(), await enrolled_on_all(hubs)
        async with connected(second, 1, credential) as agent:
            sent = await send(first, api)
            lease = await agent.carry_out("SENT")
        assert await refusal(first, api, sent) == "too_late_to_cancel"
        async with connected(second, 1, credential, hello=False) as after:
            after.continues(agent)
            # Its journal was told that this entry is stored, and the database does not have it.
            delivered = pb.Outcome(kind=pb.Outcome.KIND_DELIVERED)
            lacking = pb.JournalEntry(sequence=after.sequence + 1, whatsapp_id=lease.whatsapp_id, outcome=delivered)
            lacking.at.GetCurrentTime()
            after.entries.append(lacking)
            after.sequence = after.acknowledged = lacking.sequence
            await after.send(
                channel_hello=pb.ChannelHello(
                    journal_id=after.journal_id,
                    first_sequence=1,
                    last_sequence=after.sequence,
                    epoch=after.epoch,
                    acknowledged_sequence=after.acknowledged,
                )
            )
            after_sequence = (await after.next("recall")).recall.after_sequence
            await until(lambda: _answers(first, api, sent, "restored"))
            asked = [entry for entry in after.entries if entry.sequence > after_sequence]
            await after.send(journal_page=pb.JournalPage(entries=asked, last=True))
            await after.next("welcome")
            await until(lambda: _answers(first, api, sent, "too_late_to_cancel"))


async def test_a_node_that_has_not_heard_of_a_mark_yet_decides_on_nothing_either(
    estate: Estate, postgresql: PostgresqlServer
) -> None:
    async with estate.nodes(2) as (first, _):
        api = await first.session_api()
        waiting = await send(first, api)
        # As another node would, whose notice is still on its way.
        await asyncio.to_thread(postgresql.sql, MARKED, estate.database)
        assert await refusal(first, api, waiting) == "restored"
        request = channel_admin_service_pb2.ClearQueueRequest(channel="main")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await first.operator.channels.ClearQueue(request, metadata=first.operator.metadata, timeout=SECONDS)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        await asyncio.to_thread(postgresql.sql, TOLD, estate.database)
        assert await refusal(first, api, waiting) == ""


async def _answers(hub: Hub, api: SessionApi, number: int, code: str) -> bool:
    return await refusal(hub, api, number) == code
