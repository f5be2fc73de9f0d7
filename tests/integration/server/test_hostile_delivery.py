"""Uncommitted: faults of delivery/ and store/ that a lying agent can use. Copy to tests/integration/server/ and mend there.

An agent that knows another channel's WhatsApp ids (recipients see them; programs are shown them) or lease ids may not touch that channel.
"""

from __future__ import annotations

import secrets

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import BASE, Hub
from tests.integration.server.test_hostile_agents import ask, looked_up, neighbour, works


async def acknowledged(agent: ScriptedAgent) -> None:
    while (await agent.next("acknowledged")).acknowledged.sequence < agent.sequence:
        pass


@pytest.mark.parametrize("kind", ["SENT", "DELIVERED", "READ"])
async def test_a_fact_about_an_operation_of_another_channel_is_ignored(hub: Hub, kind: str) -> None:
    credential = await enrolled(hub)
    async with neighbour(hub) as (honest, others), connected(hub, 1, credential) as liar:
        operation = await ask(hub, others)
        lease = await honest.lease()
        stolen = pb.Lease(whatsapp_id=lease.whatsapp_id)
        await liar.entry(stolen, outcome=pb.Outcome(kind=pb.Outcome.Kind.Value(f"KIND_{kind}")))
        await acknowledged(liar)
        assert (await looked_up(hub, others, operation))["status"] == "processing"


async def test_a_decision_about_a_lease_of_another_channel_is_ignored(hub: Hub) -> None:
    credential = await enrolled(hub)
    async with neighbour(hub) as (honest, others), connected(hub, 1, credential) as liar:
        operation = await ask(hub, others)
        lease = await honest.lease()
        for kind in (pb.Outcome.KIND_VOID, pb.Outcome.KIND_FAILED, pb.Outcome.KIND_UNCERTAIN):
            await liar.entry(lease, outcome=pb.Outcome(kind=kind))
        await acknowledged(liar)
        assert (await looked_up(hub, others, operation))["status"] == "processing"
        assert await honest.start(lease)


async def test_an_intent_with_a_lease_of_another_channel_gets_no_go(hub: Hub) -> None:
    credential = await enrolled(hub)
    async with neighbour(hub) as (honest, others), connected(hub, 1, credential) as liar:
        await ask(hub, others)
        lease = await honest.lease()
        assert lease.epoch == liar.epoch
        assert not await liar.start(lease)


async def test_an_import_does_not_appear_under_a_session_api_of_another_channel(hub: Hub) -> None:
    await hub.session_api()
    credential = await enrolled(hub)
    async with neighbour(hub) as (honest, others):
        async with connected(hub, 1, credential, hello=False) as liar:
            made_up = pb.Lease(lease_id=secrets.token_hex(8), whatsapp_id="3EB0" + "A" * 18)
            made_up.provenance.session_api_id, made_up.provenance.operation_id = others.id, 7
            made_up.send_text.chat, made_up.send_text.text = "4930123456@c.us", "made up"
            liar.sequence = 1
            entry = pb.JournalEntry(
                sequence=1, whatsapp_id=made_up.whatsapp_id, lease_id=made_up.lease_id, intent=made_up
            )
            liar.entries.append(entry)
            await liar.hello(open_lease_ids=[made_up.lease_id])
        async with hub.http.get(f"{BASE}/operations", headers=others.headers) as answer:
            assert (await answer.json())["data"]["operations"] == []
        await works(hub, honest, others)
