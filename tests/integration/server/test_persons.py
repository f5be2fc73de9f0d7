"""A person's data, exported and erased: real server, real SQLite, a scripted desktop app."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from messenger_hub.admin.v1 import operation_admin_service_pb2
from messenger_hub.admin.v1 import person_admin_service_pb2 as pb
from messenger_hub.agent.v1 import agent_service_pb2 as agent_pb
from messenger_hub.v1 import operation_pb2

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import SECONDS, Hub
from tests.integration.server.test_operations import find, reason, send

NUMBER = "4930111222"
TEXT = "Your blood test is ready"


async def export(hub: Hub, person: str = NUMBER) -> Sequence[pb.ExportPersonResponse]:
    call = hub.operator.persons.ExportPerson(
        pb.ExportPersonRequest(person=person), metadata=hub.operator.metadata, timeout=SECONDS
    )
    return [one async for one in call]


async def erase(hub: Hub, person: str = NUMBER, *, only_count: bool = False) -> tuple[int, int]:
    request = pb.ErasePersonRequest(person=person, validate_only=only_count)
    done = await hub.operator.persons.ErasePerson(request, metadata=hub.operator.metadata, timeout=SECONDS)
    return done.erased, done.cancelled


def traces(folder: Path) -> Sequence[str]:
    """Files of the data folder that still name the person or what was written to them."""
    words = [word.encode() for word in (NUMBER, TEXT, "patient-7")]
    return [path.name for path in folder.rglob("*") if path.is_file() and any(w in path.read_bytes() for w in words)]


async def test_an_export_holds_everything_of_the_person_and_nothing_of_others(hub: Hub) -> None:
    api = await hub.session_api()
    await send(hub, api, mobile="4930123456")
    first = await send(hub, api, mobile=f"+{NUMBER[:2]} {NUMBER[2:]}", message=TEXT, reference="patient-7")
    second = await send(hub, api, mobile=NUMBER, message="And another")
    exported = await export(hub)
    assert [(one.operation.operation.operation_id, one.body) for one in exported] == [
        (first, TEXT),
        (second, "And another"),
    ]
    shown = exported[0].operation
    assert (shown.channel_name, shown.session_api_name, shown.operation.reference) == ("main", "shop", "patient-7")
    assert [step.status for step in shown.operation.timeline] == [operation_pb2.OPERATION_STATUS_PENDING]
    assert await export(hub, "4930999888") == []


async def test_an_erased_person_is_in_no_file_of_the_hub(hub: Hub) -> None:
    api = await hub.session_api()
    sent = await send(hub, api, mobile=NUMBER, message=TEXT, reference="patient-7", idempotency_key="k")
    async with connected(hub, 1, await enrolled(hub)) as agent:
        lease = await agent.carry_out("SENT")
        waiting = await send(hub, api, mobile=NUMBER, message=TEXT * 100, send_at=datetime.now(UTC) + timedelta(days=1))
        assert traces(hub.data_dir)
        assert await erase(hub, only_count=True) == (2, 1)
        assert await erase(hub) == (2, 1)
        told = (await agent.next("erase")).erase.whatsapp_ids
    assert lease.whatsapp_id in told
    assert traces(hub.data_dir) == []
    found, cancelled = await find(hub, api, sent), await find(hub, api, waiting)
    assert (found.status, found.recipient, found.reference) == (operation_pb2.OPERATION_STATUS_SENT, "", "")
    assert cancelled.status == operation_pb2.OPERATION_STATUS_CANCELLED
    assert [step.reason for step in found.timeline] == ["", "", ""]
    assert await export(hub) == []


async def test_what_stops_a_duplicate_outlives_the_erasure(hub: Hub) -> None:
    api = await hub.session_api()
    sent = await send(hub, api, mobile=NUMBER, message=TEXT, idempotency_key="k")
    async with connected(hub, 1, await enrolled(hub)) as agent:
        lease = await agent.carry_out("SENT")
        await erase(hub)
        assert await send(hub, api, mobile=NUMBER, message=TEXT, idempotency_key="k") == sent
        # A receipt that comes later still finds its operation.
        await agent.end(lease, "READ")
    assert (await find(hub, api, sent)).status == operation_pb2.OPERATION_STATUS_READ


async def test_nothing_is_erased_while_a_message_to_the_person_is_being_sent(hub: Hub) -> None:
    api = await hub.session_api()
    started = await send(hub, api, mobile=NUMBER, message=TEXT)
    async with connected(hub, 1, await enrolled(hub)) as agent:
        lease = await agent.lease()
        assert await agent.start(lease)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await erase(hub)
        assert reason(refused.value) == "IN_PROGRESS"
        await agent.end(lease, "SENT")
    assert (await find(hub, api, started)).recipient == NUMBER
    assert await erase(hub) == (1, 0)


async def test_a_desktop_that_was_away_hears_of_the_erasure_at_its_hello(hub: Hub) -> None:
    api = await hub.session_api()
    await send(hub, api, mobile=NUMBER, message=TEXT)
    credential = await enrolled(hub)
    async with connected(hub, 1, credential) as agent:
        lease = await agent.carry_out("SENT")
        journal_id, sequence = agent.journal_id, agent.sequence
    await erase(hub)
    async with connected(hub, 1, credential, hello=False) as agent:
        agent.journal_id, agent.sequence = journal_id, sequence
        await agent.hello()
        assert (await agent.next("erase")).erase == agent_pb.Erase(whatsapp_ids=[lease.whatsapp_id])


async def test_an_erased_uncertain_message_cannot_be_sent_again(hub: Hub) -> None:
    api = await hub.session_api()
    number = await send(hub, api, mobile=NUMBER, message=TEXT)
    async with connected(hub, 1, await enrolled(hub)) as agent:
        await agent.carry_out("UNCERTAIN", "evidence_lost")
    await erase(hub)
    request = operation_admin_service_pb2.ResolveOperationRequest(
        operation_id=number, decision=operation_pb2.DECISION_SEND_AGAIN
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await hub.operator.operations.ResolveOperation(request, metadata=hub.operator.metadata, timeout=SECONDS)
    assert "erased" in (refused.value.details() or "")


@pytest.mark.parametrize("person", ["", "12", "120363041234567890@g.us", "nobody"])
async def test_what_is_not_a_person_is_refused(hub: Hub, person: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await erase(hub, person)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
