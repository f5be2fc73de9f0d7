"""Sending, looking up, cancelling, deciding, watching: real server, real SQLite, a scripted desktop app."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from messenger_hub.admin.v1 import operation_admin_service_pb2
from messenger_hub.admin.v1 import session_api_admin_service_pb2 as admin_pb
from messenger_hub.v1 import contact_service_pb2, message_service_pb2, operation_pb2
from messenger_hub.v1 import operation_service_pb2 as pb
from messenger_hub_server.registry import Registry
from messenger_hub_server.services.translation import cursor

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.deleting import answer_after_deletion, delete
from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi


async def send(hub: Hub, api: SessionApi, **fields: object) -> int:
    """Queues a message; its id."""
    given = {"mobile": "4930123456", "message": "hello", **fields}
    request = message_service_pb2.SendMessageRequest(**given)  # type: ignore[arg-type]
    answer = await hub.programs.messages.SendMessage(request, metadata=api.metadata, timeout=SECONDS)
    return int(answer.message_id)


async def find(hub: Hub, api: SessionApi, operation_id: int) -> operation_pb2.Operation:
    request = pb.GetOperationRequest(operation_id=operation_id)
    answer = await hub.programs.operations.GetOperation(request, metadata=api.metadata, timeout=SECONDS)
    return answer.operation


def reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def test_a_program_that_was_let_in_before_its_channel_was_deleted_is_refused_after_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await answer_after_deletion(hub, await hub.session_api(), hub, monkeypatch) == 401


async def test_what_is_accepted_while_its_channel_is_being_deleted_fails_with_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, remove = await hub.session_api(), Registry.delete_channel

    async def late(registry: Registry, *given: object) -> int:
        await send(hub, api)
        return await remove(registry, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Registry, "delete_channel", late)
    first = await send(hub, api)
    assert await delete(hub) == 2
    request = operation_admin_service_pb2.ListOperationsRequest()
    listed = await hub.operator.operations.ListOperations(request, metadata=hub.operator.metadata, timeout=SECONDS)
    assert [one.operation.status for one in listed.operations] == [operation_pb2.OPERATION_STATUS_FAILED] * 2
    assert first in [one.operation.operation_id for one in listed.operations]


async def test_a_message_goes_the_whole_way_and_its_timeline_tells_it(hub: Hub) -> None:
    api = await hub.session_api()
    operation_id = await send(hub, api, reference="order-17")
    async with connected(hub, 1, await enrolled(hub)) as agent:
        lease = await agent.carry_out("SENT")
        assert (lease.send_text.chat, lease.send_text.text) == ("4930123456@c.us", "hello")
        await agent.end(lease, "READ")
    found = await find(hub, api, operation_id)
    assert (found.status, found.attempts, found.reference) == (operation_pb2.OPERATION_STATUS_READ, 1, "order-17")
    assert found.whatsapp_message_id == lease.whatsapp_id
    words = [operation_pb2.OperationStatus.Name(t.status).removeprefix("OPERATION_STATUS_") for t in found.timeline]
    assert words == ["PENDING", "PROCESSING", "SENT", "READ"]


async def test_a_contact_is_saved_with_its_name(hub: Hub) -> None:
    api = await hub.session_api()
    request = contact_service_pb2.SaveContactRequest(contact_id="4930123456@s.whatsapp.net", name="Ada")
    answer = await hub.programs.contacts.SaveContact(request, metadata=api.metadata, timeout=SECONDS)
    assert answer.contact_id == "4930123456@c.us"
    async with connected(hub, 1, await enrolled(hub)) as agent:
        lease = await agent.carry_out("SUCCEEDED")
    assert (lease.save_contact.contact, lease.save_contact.name) == ("4930123456@c.us", "Ada")
    found = await find(hub, api, answer.operation_id)
    assert found.status == operation_pb2.OPERATION_STATUS_SUCCEEDED
    assert found.whatsapp_message_id == ""


async def test_the_same_key_at_once_queues_one_message_and_answers_all_alike(hub: Hub) -> None:
    api = await hub.session_api()
    ids = await asyncio.gather(*(send(hub, api, idempotency_key="k") for _ in range(20)))
    assert len(set(ids)) == 1
    listed = await hub.programs.operations.ListOperations(pb.ListOperationsRequest(), metadata=api.metadata)
    assert len(listed.operations) == 1


async def test_a_replay_says_so_at_both_doors_and_spelling_does_not_matter(hub: Hub) -> None:
    api = await hub.session_api()
    first = await send(hub, api, idempotency_key="k")
    request = message_service_pb2.SendMessageRequest(
        mobile="+49 (0)30 123456", message="hello", idempotency_key="k", wait=1
    )
    call = hub.programs.messages.SendMessage(request, metadata=api.metadata, timeout=SECONDS)
    assert (await call).message_id == first
    assert ("idempotent-replayed", "true") in list(await call.trailing_metadata())
    headers = {**api.headers, "Idempotency-Key": "k"}
    async with hub.http.post(
        f"{BASE}/send", json={"mobile": "4930123456", "message": "hello"}, headers=headers
    ) as http:
        assert http.status == 201
        assert http.headers["Idempotent-Replayed"] == "true"
        assert (await http.json())["data"]["message_id"] == first


async def test_a_key_with_other_parameters_is_refused(hub: Hub) -> None:
    api = await hub.session_api()
    await send(hub, api, idempotency_key="k")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(hub, api, idempotency_key="k", message="other")
    assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert reason(caught.value) == "IDEMPOTENCY_KEY_REUSED"


async def test_two_session_apis_do_not_share_keys(hub: Hub) -> None:
    one, other = await hub.session_api("one"), await hub.session_api("other")
    assert await send(hub, one, idempotency_key="k") != await send(hub, other, idempotency_key="k")


async def test_a_batch_gives_an_outcome_each_in_order(hub: Hub) -> None:
    api = await hub.session_api()
    earlier = await send(hub, api, idempotency_key="k")
    item = message_service_pb2.SendMessageRequest
    requests = [
        item(mobile="4930123456", message="one"),
        item(mobile="x", message=""),
        item(mobile="4930123456", message="hello", idempotency_key="k"),
        item(mobile="4930123456", message="other", idempotency_key="k"),
        item(group_id="120363041234567890", message="two"),
    ]
    answer = await hub.programs.messages.BatchSendMessages(
        message_service_pb2.BatchSendMessagesRequest(requests=requests), metadata=api.metadata, timeout=SECONDS
    )
    kinds = [result.WhichOneof("result") for result in answer.results]
    assert kinds == ["response", "error", "response", "error", "response"]
    assert answer.results[2].response.message_id == earlier
    assert [result.replayed for result in answer.results] == [False, False, True, False, False]
    wrong = error_details_pb2.BadRequest()
    assert answer.results[1].error.details[1].Unpack(wrong)
    assert {violation.field for violation in wrong.field_violations} == {"mobile", "message"}
    assert answer.results[3].error.code == grpc.StatusCode.ALREADY_EXISTS.value[0]
    assert answer.results[4].response.recipient == "120363041234567890@g.us"


@pytest.mark.parametrize("count", [0, 101])
async def test_a_batch_of_none_or_too_many_is_refused(hub: Hub, count: int) -> None:
    api = await hub.session_api()
    item = message_service_pb2.SendMessageRequest(mobile="4930123456", message="x")
    request = message_service_pb2.BatchSendMessagesRequest(requests=[item] * count)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hub.programs.messages.BatchSendMessages(request, metadata=api.metadata, timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_wait_answers_with_the_status_reached(hub: Hub) -> None:
    api = await hub.session_api()
    async with connected(hub, 1, await enrolled(hub)) as agent, asyncio.TaskGroup() as group:
        request = message_service_pb2.SendMessageRequest(mobile="4930123456", message="x", wait=30)
        call = hub.programs.messages.SendMessage(request, metadata=api.metadata, timeout=SECONDS)
        group.create_task(agent.carry_out("SENT"))
        assert (await call).status == operation_pb2.OPERATION_STATUS_SENT


async def test_wait_ends_when_its_time_is_over(hub: Hub) -> None:
    api = await hub.session_api()
    request = message_service_pb2.SendMessageRequest(mobile="4930123456", message="x", wait=1)
    answer = await hub.programs.messages.SendMessage(request, metadata=api.metadata, timeout=SECONDS)
    assert answer.status == operation_pb2.OPERATION_STATUS_PENDING


async def test_what_has_not_started_can_be_cancelled_and_its_start_gets_no(hub: Hub) -> None:
    api = await hub.session_api()
    operation_id = await send(hub, api)
    async with connected(hub, 1, await enrolled(hub)) as agent:
        lease = await agent.lease()
        request = pb.CancelOperationRequest(operation_id=operation_id)
        answer = await hub.programs.operations.CancelOperation(request, metadata=api.metadata, timeout=SECONDS)
        assert answer.operation.status == operation_pb2.OPERATION_STATUS_CANCELLED
        assert not await agent.start(lease)


async def test_what_has_started_cannot_be_cancelled(hub: Hub) -> None:
    api = await hub.session_api()
    operation_id = await send(hub, api)
    async with connected(hub, 1, await enrolled(hub)) as agent:
        assert await agent.start(await agent.lease())
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            request = pb.CancelOperationRequest(operation_id=operation_id)
            await hub.programs.operations.CancelOperation(request, metadata=api.metadata, timeout=SECONDS)
        assert reason(caught.value) == "TOO_LATE_TO_CANCEL"
        async with hub.http.post(f"{BASE}/operations/{operation_id}/cancel", headers=api.headers) as http:
            assert http.status == 409


async def test_all_with_a_reference_are_cancelled_and_no_others(hub: Hub) -> None:
    api, other = await hub.session_api(), await hub.session_api("other")
    mine = [await send(hub, api, reference="trip") for _ in range(3)]
    kept = await send(hub, api, reference="else")
    theirs = await send(hub, other, reference="trip")
    request = pb.CancelOperationsRequest(reference="trip")
    answer = await hub.programs.operations.CancelOperations(request, metadata=api.metadata, timeout=SECONDS)
    assert answer.cancelled == len(mine)
    assert (await find(hub, api, kept)).status == operation_pb2.OPERATION_STATUS_PENDING
    assert (await find(hub, other, theirs)).status == operation_pb2.OPERATION_STATUS_PENDING


async def uncertain(hub: Hub, api: SessionApi, agent: ScriptedAgent) -> int:
    operation_id = await send(hub, api)
    await agent.carry_out("UNCERTAIN", "whatsapp_error")
    return operation_id


@pytest.mark.parametrize("decision", ["SENT", "NOT_SENT", "SEND_AGAIN"])
async def test_of_two_decisions_one_wins_and_the_other_gets_409(hub: Hub, decision: str) -> None:
    api = await hub.session_api(scopes=[1, 2, 3, 4])
    async with connected(hub, 1, await enrolled(hub)) as agent:
        operation_id = await uncertain(hub, api, agent)
    path, body = f"{BASE}/operations/{operation_id}/resolve", {"decision": decision.lower(), "reason": "I looked"}

    async def resolve() -> int:
        async with hub.http.post(path, json=body, headers=api.headers) as http:
            return http.status

    assert sorted(await asyncio.gather(resolve(), resolve())) == [200, 409]
    assert await resolve() == 409
    found = await find(hub, api, operation_id)
    expected = {"SENT": "SENT", "NOT_SENT": "FAILED", "SEND_AGAIN": "FAILED"}[decision]
    assert found.status == operation_pb2.OperationStatus.Value(f"OPERATION_STATUS_{expected}")
    assert found.error.code == {"SENT": "", "NOT_SENT": "not_sent", "SEND_AGAIN": "resent"}[decision]
    assert found.timeline[-1].reason.startswith("A person behind the session API shop")
    assert found.timeline[-1].reason.endswith(": I looked")
    listed = await hub.programs.operations.ListOperations(pb.ListOperationsRequest(), metadata=api.metadata)
    assert len(listed.operations) == (2 if decision == "SEND_AGAIN" else 1)


async def test_an_operator_is_told_which_number_does_not_exist(hub: Hub) -> None:
    request = operation_admin_service_pb2.GetOperationRequest(operation_id=999)
    with pytest.raises(grpc.aio.AioRpcError, match="There is no operation 999") as refused:
        await hub.operator.operations.GetOperation(request, metadata=hub.operator.metadata, timeout=SECONDS)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_what_a_deleted_channel_left_uncertain_can_be_decided_but_not_be_sent_again(hub: Hub) -> None:
    api = await hub.session_api(scopes=[1, 2, 3, 4])
    async with connected(hub, 1, await enrolled(hub)) as agent:
        operation_id = await uncertain(hub, api, agent)
    await delete(hub)

    async def resolve(decision: str) -> operation_pb2.Operation:
        request = operation_admin_service_pb2.ResolveOperationRequest(
            operation_id=operation_id, decision=operation_pb2.Decision.Value(f"DECISION_{decision}")
        )
        answer = await hub.operator.operations.ResolveOperation(
            request, metadata=hub.operator.metadata, timeout=SECONDS
        )
        return answer.operation.operation

    with pytest.raises(grpc.aio.AioRpcError, match="Its channel was deleted") as refused:
        await resolve("SEND_AGAIN")
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert (await resolve("NOT_SENT")).status == operation_pb2.OPERATION_STATUS_FAILED


async def test_what_a_person_has_decided_is_corrected_by_what_is_learnt_later(hub: Hub) -> None:
    api = await hub.session_api(scopes=[1, 2, 3, 4])
    async with connected(hub, 1, await enrolled(hub)) as agent:
        operation_id = await send(hub, api)
        lease = await agent.carry_out("UNCERTAIN", "whatsapp_error")
        decision = {"decision": "not_sent"}
        path = f"{BASE}/operations/{operation_id}/resolve"
        async with hub.http.post(path, json=decision, headers=api.headers) as http:
            assert http.status == 200
        await agent.end(lease, "SENT")
    found = await find(hub, api, operation_id)
    assert found.status == operation_pb2.OPERATION_STATUS_SENT
    assert found.timeline[-1].reason == "Corrected: accepted by WhatsApp"


async def test_the_desktop_is_told_on_how_many_a_person_has_to_decide(hub: Hub) -> None:
    api = await hub.session_api()
    async with connected(hub, 1, await enrolled(hub)) as agent:
        await uncertain(hub, api, agent)
        while not (await agent.next("assignments")).assignments.assignments[0].uncertain:
            pass


async def test_deciding_needs_a_scope_that_a_key_does_not_start_with(hub: Hub) -> None:
    api = await hub.session_api()
    async with hub.http.post(f"{BASE}/operations/1/resolve", json={"decision": "sent"}, headers=api.headers) as http:
        assert http.status == 403
        assert (await http.json())["code"] == "scope_missing"


async def test_pages_come_newest_first_and_miss_nothing(hub: Hub) -> None:
    api = await hub.session_api()
    sent = [await send(hub, api) for _ in range(7)]
    seen: list[int] = []
    cursor = ""
    while True:
        request = pb.ListOperationsRequest(limit=3, cursor=cursor)
        page = await hub.programs.operations.ListOperations(request, metadata=api.metadata, timeout=SECONDS)
        seen += [operation.operation_id for operation in page.operations]
        cursor = page.next_cursor
        if not cursor:
            break
    assert seen == sent[::-1]


async def test_watching_resumes_without_losing_anything(hub: Hub) -> None:
    api, other = await hub.session_api(), await hub.session_api("other")
    watch = hub.programs.operations.WatchOperations
    first = watch(pb.WatchOperationsRequest(), metadata=api.metadata)
    reading = asyncio.ensure_future(first.read())
    while not reading.done():
        # A watch without a cursor starts when the hub has it: until then nothing is told.
        await send(hub, api)
        await asyncio.wait({reading}, timeout=0.2)
    cursor, start = reading.result().cursor, reading.result().operation.operation_id
    first.cancel()
    await send(hub, other)
    later = [await send(hub, api) for _ in range(5)]
    second = watch(pb.WatchOperationsRequest(cursor=cursor), metadata=api.metadata)
    seen: list[int] = []
    async with asyncio.timeout(SECONDS):
        while not seen or seen[-1] != later[-1]:
            event = await second.read()
            assert event.transition.status == operation_pb2.OPERATION_STATUS_PENDING
            seen.append(event.operation.operation_id)
    second.cancel()
    assert seen == list(range(start + 1, later[0] - 1)) + later


async def test_a_cursor_of_the_future_is_too_old_to_resume(hub: Hub) -> None:
    api = await hub.session_api()
    call = hub.programs.operations.WatchOperations(
        pb.WatchOperationsRequest(cursor=cursor(10**9)), metadata=api.metadata
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


async def test_a_default_lifetime_expires_what_waited_too_long(hub: Hub) -> None:
    settings = admin_pb.SessionApiSettings(default_lifetime=Duration(seconds=3600))
    api = await hub.session_api(settings=settings)
    await send(hub, api)
    async with connected(hub, 1, await enrolled(hub)) as agent:
        lease = await agent.lease()
    now = lease.provenance.accepted_at.ToMilliseconds()
    assert lease.expires_at.ToMilliseconds() == pytest.approx(now + 3_600_000, abs=1_000)


@pytest.mark.parametrize("seconds", [-1, 365 * 24 * 3600 + 1, 315_576_000_000])
async def test_a_default_lifetime_is_a_year_at_most(hub: Hub, seconds: int) -> None:
    settings = admin_pb.SessionApiSettings(default_lifetime=Duration(seconds=seconds))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hub.session_api(settings=settings)
    assert reason(caught.value) == "VALIDATION_FAILED"


async def test_a_default_country_completes_national_numbers(hub: Hub) -> None:
    api = await hub.session_api(settings=admin_pb.SessionApiSettings(default_country="de"))
    async with hub.http.post(
        f"{BASE}/send", json={"mobile": "030 123456", "message": "x"}, headers=api.headers
    ) as http:
        assert (await http.json())["data"]["recipient"] == "4930123456"
    plain = await hub.session_api("plain")
    async with hub.http.post(
        f"{BASE}/send", json={"mobile": "030 123456", "message": "x"}, headers=plain.headers
    ) as http:
        assert http.status == 422
