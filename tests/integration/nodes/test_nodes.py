"""Any node takes any request: three servers on one database, desktops connected to one of them, and what each of them does and sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from messenger_hub.admin.v1 import (
    channel_admin_service_pb2,
    hub_admin_service_pb2,
    person_admin_service_pb2,
)
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import channel_service_pb2, operation_pb2, operation_service_pb2

from tests.integration.nodes.estate import Estate, until
from tests.integration.nodes.looking import (
    agents,
    all_there,
    at_a_glance,
    enrolled_on_all,
    is_away,
    is_connected,
    is_in,
)
from tests.integration.server.agent import connected
from tests.integration.server.hub import BASE, SECONDS, Hub
from tests.integration.server.test_access import first_cursor
from tests.integration.server.test_linking import told
from tests.integration.server.test_operations import find, send

UNLINKED, LINKED = channel_service_pb2.CHANNEL_STATE_UNLINKED, channel_service_pb2.CHANNEL_STATE_LINKED
OFFLINE = channel_service_pb2.CHANNEL_STATE_OFFLINE
SENT, CANCELLED = operation_pb2.OPERATION_STATUS_SENT, operation_pb2.OPERATION_STATUS_CANCELLED
QR = "2@the-text-that-links-an-account"


@pytest.fixture
async def nodes(estate: Estate) -> AsyncIterator[Sequence[Hub]]:
    async with estate.nodes(3) as hubs:
        yield await all_there(hubs, OFFLINE)


async def test_a_message_that_one_node_accepts_is_sent_by_a_desktop_at_another_one_and_looked_up_at_the_third(
    nodes: Sequence[Hub],
) -> None:
    first, second, third = nodes
    api, credential = await first.session_api(), await enrolled_on_all(nodes)
    async with connected(second, 1, credential) as agent:
        number = await send(first, api)
        lease = await agent.carry_out("SENT")
        assert lease.provenance.operation_id == number
        assert (await find(third, api, number)).status == SENT


async def test_what_waits_is_cancelled_through_any_node_and_never_reaches_the_desktop(nodes: Sequence[Hub]) -> None:
    first, second, third = nodes
    api, credential = await first.session_api(), await enrolled_on_all(nodes)
    cancelled, kept = await send(first, api), await send(second, api)
    async with third.http.post(f"{BASE}/operations/{cancelled}/cancel", headers=api.headers) as answer:
        assert answer.status == 200
    async with connected(second, 1, credential) as agent:
        assert (await agent.carry_out("SENT")).provenance.operation_id == kept
    assert (await find(first, api, cancelled)).status == CANCELLED


async def test_a_key_that_is_repeated_at_another_node_gets_the_first_answer(nodes: Sequence[Hub]) -> None:
    api, ids = await nodes[0].session_api(), set()
    for hub in nodes:
        body, once = {"mobile": "12025550116", "message": "once"}, {"Idempotency-Key": "once"}
        async with hub.http.post(f"{BASE}/send", json=body, headers=api.headers | once) as answer:
            ids.add((await answer.json())["data"]["message_id"])
    assert len(ids) == 1


async def test_who_watches_one_node_sees_what_happens_on_all_of_them_once_and_in_order(nodes: Sequence[Hub]) -> None:
    first, second, third = nodes
    api, credential = await first.session_api(), await enrolled_on_all(nodes)
    request = operation_service_pb2.WatchOperationsRequest(cursor=await first_cursor(third, api))
    watch = third.programs.operations.WatchOperations(request, metadata=api.metadata)
    async with connected(second, 1, credential) as agent:
        sent = [await send(nodes[index % 3], api, message=str(index)) for index in range(6)]
        carried_out = 0
        while carried_out != sent[-1]:
            carried_out = (await agent.carry_out("SENT")).provenance.operation_id
        seen: dict[int, list[int]] = {}
        async with asyncio.timeout(SECONDS):
            while seen.get(sent[-1], [0])[-1] != SENT:
                change = await watch.read()
                seen.setdefault(change.operation.operation_id, []).append(change.transition.status)
    watch.cancel()
    assert seen.keys() >= set(sent)
    assert all(len(states) == len(set(states)) and states[-1] == SENT for states in seen.values())


async def test_every_node_shows_to_which_node_a_desktop_is_connected(nodes: Sequence[Hub]) -> None:
    credential = await enrolled_on_all(nodes)
    async with connected(nodes[1], 1, credential):
        for hub in nodes:
            await until(lambda hub=hub: is_connected(hub))  # type: ignore[misc]  # a loop's variable
            found = (await agents(hub))["desk"]
            assert found.version == "test"
            glance = await at_a_glance(hub)
            named = [node for node in glance.nodes if node.agents_connected]
            assert [(node.name, node.agents_connected) for node in named] == [(found.node, 1)]
            assert named[0].answers is (hub is nodes[1])
            assert glance.agents_connected == 1
    for hub in nodes:
        await until(lambda hub=hub: is_away(hub))  # type: ignore[misc]


async def test_a_channel_is_linked_through_another_node_than_the_one_that_has_its_desktop(nodes: Sequence[Hub]) -> None:
    first, second, third = nodes
    async with connected(second, 1, await enrolled_on_all(nodes), linked=False) as agent:
        await agent.report("UNLINKED", account="")
        await until(lambda: is_in(first, UNLINKED))
        request = channel_admin_service_pb2.LinkChannelRequest(channel="main", phone="4915112345678")
        link = first.operator.channels.LinkChannel(request, metadata=first.operator.metadata, timeout=SECONDS)
        await told(agent, linking=True)
        await agent.report("UNLINKED", account="", qr_text=QR, pairing_code="ABCD-EFGH")
        step = await link.read()
        while not step.qr_text:
            step = await link.read()
        assert (step.qr_text, step.pairing_code) == (QR, "ABCD-EFGH")
        await agent.report("LINKED", account="4930777")
        while step.channel.status.channel != LINKED:
            step = await link.read()
        assert step.channel.status.number == "4930777"
        assert await link.read() is grpc.aio.EOF
        await told(agent, linking=False)
        await until(lambda: is_in(third, LINKED))


async def test_a_picture_and_an_examination_are_asked_through_another_node(nodes: Sequence[Hub]) -> None:
    first, second, third = nodes
    async with connected(second, 1, await enrolled_on_all(nodes), examines=True) as agent:
        await until(lambda: is_in(first, LINKED))
        await until(lambda: is_in(third, LINKED))
        async with asyncio.TaskGroup() as group:
            request = channel_admin_service_pb2.GetPagePictureRequest(channel="main")
            showing = group.create_task(_picture(first, request))
            number = (await agent.next("show_page")).show_page.number
            picture = agent_service_pb2.PagePicture(number=number, jpeg=b"\xff\xd8" + b"a picture" * 50_000)
            await agent.send(page_picture=picture)
        assert showing.result() == picture.jpeg
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(_checks(third))
            await agent.tells_of_itself(browser="Chrome/156.0.1")
        said = {one.name: one.said for one in looking.result() if one.agent == "desk"}
        assert said["Browser"] == "Chrome/156.0.1 works"
        about_nodes = [one.said for one in looking.result() if one.name == "Nodes"]
        assert len(about_nodes) == 1 and about_nodes[0].startswith("3 at work")


async def test_a_desktop_that_connects_to_another_node_ends_its_old_stream_and_goes_on_there(
    nodes: Sequence[Hub],
) -> None:
    first, second, third = nodes
    api, credential = await first.session_api(), await enrolled_on_all(nodes)
    async with connected(second, 1, credential) as before:
        number = await send(first, api)
        lease = await before.lease()
        async with connected(third, 1, credential, hello=False) as after:
            after.continues(before)
            await before.ended()
            await after.hello()
            again = await after.carry_out("SENT")
            assert (lease.provenance.operation_id, again.provenance.operation_id) == (number, number)
            assert await is_connected(first) and await is_connected(second)
    await until(lambda: is_away(first))


async def test_a_channel_is_moved_through_a_third_node_once_its_old_desktop_has_ended_what_it_had(
    nodes: Sequence[Hub],
) -> None:
    first, second, third = nodes
    api, desk, laptop = await first.session_api(), await enrolled_on_all(nodes), await enrolled_on_all(nodes, "laptop")
    async with connected(second, 1, desk) as old, connected(third, 1, laptop, hello=False, linked=False) as new:
        await send(first, api)
        lease = await old.lease()
        assert await old.start(lease)
        await until(lambda: is_connected(first, "laptop"))
        async with asyncio.TaskGroup() as group:
            request = channel_admin_service_pb2.MoveChannelRequest(channel="main", agent="laptop")
            moving = group.create_task(_move(first, request))
            while not (await old.next("assignments")).assignments.assignments[0].paused:
                pass
            await old.end(lease, "SENT")
        assert moving.result() == "laptop"
        while not (await new.next("assignments")).assignments.assignments[0].owned:
            pass
        await new.report("LINKED", account="4930999")
        await new.hello()
        number = await send(second, api)
        assert (await new.carry_out("SENT")).provenance.operation_id == number
        for hub in nodes:
            await until(lambda hub=hub: is_in(hub, LINKED))  # type: ignore[misc]


async def test_what_is_erased_at_one_node_is_erased_in_the_journal_of_a_desktop_at_another_one(
    nodes: Sequence[Hub],
) -> None:
    first, second, third = nodes
    api = await first.session_api()
    async with connected(second, 1, await enrolled_on_all(nodes)) as agent:
        await send(first, api)
        lease = await agent.carry_out("SENT")
        request = person_admin_service_pb2.ErasePersonRequest(person="4930123456")
        await third.operator.persons.ErasePerson(request, metadata=third.operator.metadata, timeout=SECONDS)
        assert list((await agent.next("erase")).erase.whatsapp_ids) == [lease.whatsapp_id]


async def _picture(hub: Hub, request: channel_admin_service_pb2.GetPagePictureRequest) -> bytes:
    answer = await hub.operator.channels.GetPagePicture(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return bytes(answer.jpeg)


async def _checks(hub: Hub) -> Sequence[hub_admin_service_pb2.ListChecksResponse.Check]:
    request = hub_admin_service_pb2.ListChecksRequest()
    answer = await hub.operator.hub.ListChecks(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return list(answer.checks)


async def _move(hub: Hub, request: channel_admin_service_pb2.MoveChannelRequest) -> str:
    answer = await hub.operator.channels.MoveChannel(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return str(answer.channel.agent_name)
