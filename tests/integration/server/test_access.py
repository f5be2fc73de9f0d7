"""Who sees what: every RPC × every foreign id, every RPC × every wrong credential, and what ends when a key or an agent does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import grpc
import pytest
from messenger_hub.admin.v1 import agent_admin_service_pb2, session_api_admin_service_pb2
from messenger_hub.agent.v1 import agent_service_pb2
from messenger_hub.v1 import channel_service_pb2, message_service_pb2, operation_pb2
from messenger_hub.v1 import operation_service_pb2 as pb
from messenger_hub_server.model import Agent
from messenger_hub_server.parts import CONTRACT
from messenger_hub_server.rpc.method import Audience, Method, compiled
from messenger_hub_server.streams import Frames, Sender, Streams

from tests.integration.server.agent import connected, enrolled
from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi
from tests.integration.server.test_operations import find, send

METHODS = compiled([module.DESCRIPTOR for module in CONTRACT])
WITH_ID = [
    m
    for m in METHODS.values()
    if m.audience is Audience.PROGRAMS and "operation_id" in m.request.DESCRIPTOR.fields_by_name
]
UNKNOWN = 999_999_999
STATES = ("pending", "started", "sent", "uncertain", "cancelled", "failed")
Metadata = tuple[tuple[str, str], ...]


async def call(hub: Hub, method: Method, metadata: Metadata, *, admin: bool = False, **fields: object) -> str:
    """Calls any RPC; what came back, as text that can be compared."""
    async with grpc.aio.insecure_channel(hub.running.admin if admin else hub.running.grpc[0]) as channel:
        path = f"/{method.service}/{method.name}"
        codec = (method.request.SerializeToString, method.response.FromString)
        request = method.request(**fields)
        try:
            if method.streams_requests:
                stream = channel.stream_stream(path, *codec)(metadata=metadata, timeout=SECONDS)
                return str(await stream.read())
            if method.streams_responses:
                return str(await channel.unary_stream(path, *codec)(request, metadata=metadata, timeout=SECONDS).read())
            return str(await channel.unary_unary(path, *codec)(request, metadata=metadata, timeout=SECONDS))
        except grpc.aio.AioRpcError as error:
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
            return f"{error.code().name} {error.details()} {bytes(details).hex()}"


async def operations_in_every_state(hub: Hub, api: SessionApi) -> Mapping[str, int]:
    """One operation a state, all of one session API."""
    ids: dict[str, int] = {}
    async with connected(hub, 1, await enrolled(hub)) as agent:
        for state, kind, code in (("sent", "SENT", ""), ("uncertain", "UNCERTAIN", "x"), ("failed", "FAILED", "x")):
            ids[state] = await send(hub, api)
            await agent.carry_out(kind, code)
        ids["started"] = await send(hub, api)
        assert await agent.start(await agent.lease())
    for state in ("pending", "cancelled"):
        ids[state] = await send(hub, api, mobile="4930777777")
    request = pb.CancelOperationRequest(operation_id=ids["cancelled"])
    await hub.programs.operations.CancelOperation(request, metadata=api.metadata, timeout=SECONDS)
    return ids


def test_the_only_ids_that_programs_give_are_operation_ids() -> None:
    fields = {f.name for m in METHODS.values() if m.audience is Audience.PROGRAMS for f in m.request.DESCRIPTOR.fields}
    assert {name for name in fields if name.endswith("_id")} == {"operation_id", "group_id", "contact_id"}


async def test_a_foreign_operation_is_as_unknown_as_one_that_does_not_exist(hub: Hub) -> None:
    owner, stranger = await hub.session_api("owner"), await hub.session_api("stranger", scopes=[1, 2, 3, 4])
    ids = await operations_in_every_state(hub, owner)
    assert set(ids) == set(STATES)
    before = {state: await find(hub, owner, number) for state, number in ids.items()}
    assert WITH_ID
    for method in WITH_ID:
        extra = {"decision": operation_pb2.DECISION_SENT} if method.name == "ResolveOperation" else {}
        unknown = await call(hub, method, tuple(stranger.metadata), operation_id=UNKNOWN, **extra)
        assert unknown.startswith("NOT_FOUND")
        for number in ids.values():
            assert await call(hub, method, tuple(stranger.metadata), operation_id=number, **extra) == unknown
        for binding in method.bindings:
            bodies = set()
            for number in (UNKNOWN, *ids.values()):
                path = binding.path.replace("{operation_id}", str(number))
                body = {"decision": "sent"} if binding.body else None
                async with hub.http.request(binding.verb, path, json=body, headers=stranger.headers) as http:
                    bodies.add((http.status, await http.read()))
            assert len(bodies) == 1
            assert bodies.pop()[0] == 404
    assert {state: await find(hub, owner, number) for state, number in ids.items()} == before


async def test_lists_watches_and_references_hold_only_ones_own(hub: Hub) -> None:
    owner, stranger = await hub.session_api("owner"), await hub.session_api("stranger")
    theirs = [await send(hub, owner, reference="trip") for _ in range(3)]
    stub = hub.programs.operations
    page = await stub.ListOperations(pb.ListOperationsRequest(limit=1), metadata=owner.metadata, timeout=SECONDS)
    for cursor in ("", page.next_cursor):
        request = pb.ListOperationsRequest(cursor=cursor)
        assert not (await stub.ListOperations(request, metadata=stranger.metadata, timeout=SECONDS)).operations
    cancelled = await stub.CancelOperations(
        pb.CancelOperationsRequest(reference="trip"), metadata=stranger.metadata, timeout=SECONDS
    )
    assert cancelled.cancelled == 0
    watch = stub.WatchOperations(pb.WatchOperationsRequest(cursor=page.next_cursor), metadata=stranger.metadata)
    mine = await send(hub, stranger)
    assert (await watch.read()).operation.operation_id == mine
    watch.cancel()
    assert (await find(hub, owner, theirs[0])).status == operation_pb2.OPERATION_STATUS_PENDING


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.full_name)
async def test_every_call_needs_the_credential_of_its_own_audience(hub: Hub, method: Method) -> None:
    api, agent = await hub.session_api(), await enrolled(hub)
    bearer = {
        Audience.PROGRAMS: api.key,
        Audience.AGENTS: agent.credential,
        Audience.OPERATORS: (hub.data_dir / "admin-token").read_text(),
    }
    wrong = ["", "x", *(credential for audience, credential in bearer.items() if audience is not method.audience)]
    for credential in wrong:
        metadata = (("authorization", f"Bearer {credential}"),)
        answer = await call(hub, method, metadata, admin=method.audience is Audience.OPERATORS)
        assert answer.startswith("UNAUTHENTICATED"), credential


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda m: m.full_name)
async def test_each_listener_knows_only_its_own_audiences(hub: Hub, method: Method) -> None:
    operators = method.audience is Audience.OPERATORS
    answer = await call(hub, method, hub.operator.metadata, admin=not operators)
    assert answer.startswith("UNIMPLEMENTED")


async def test_a_deactivated_key_is_refused_at_once_at_both_doors_and_its_watch_ends(hub: Hub) -> None:
    api, other = await hub.session_api(), await hub.session_api("other")
    queued = await send(hub, api)
    watch = hub.programs.operations.WatchOperations(
        pb.WatchOperationsRequest(cursor=await first_cursor(hub, api)), metadata=api.metadata
    )
    assert (await watch.read()).operation.operation_id
    request = session_api_admin_service_pb2.DeactivateSessionApiRequest(session_api="shop")
    await hub.operator.session_apis.DeactivateSessionApi(request, metadata=hub.operator.metadata, timeout=SECONDS)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(hub, api)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    async with hub.http.get(f"{BASE}/operations/{queued}", headers=api.headers) as http:
        assert (http.status, await http.read()) == (401, b'{"success":false,"message":"Invalid or inactive API key"}')
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async with asyncio.timeout(SECONDS):
            while True:
                await watch.read()
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert await send(hub, other)
    activate = session_api_admin_service_pb2.ActivateSessionApiRequest(session_api="shop")
    await hub.operator.session_apis.ActivateSessionApi(activate, metadata=hub.operator.metadata, timeout=SECONDS)
    assert (await find(hub, api, queued)).status == operation_pb2.OPERATION_STATUS_PENDING


async def first_cursor(hub: Hub, api: SessionApi) -> str:
    """A resume token before the newest event."""
    watch = hub.programs.operations.WatchOperations(pb.WatchOperationsRequest(), metadata=api.metadata)
    reading = asyncio.ensure_future(watch.read())
    while not reading.done():
        await send(hub, api)
        await asyncio.wait({reading}, timeout=0.2)
    watch.cancel()
    await send(hub, api)
    return str(reading.result().cursor)


async def test_a_revoked_agent_loses_its_stream_and_its_credential(hub: Hub) -> None:
    credential = await enrolled(hub)
    async with connected(hub, 1, credential) as agent:
        request = agent_admin_service_pb2.RevokeAgentRequest(agent="desk")
        await hub.operator.agents.RevokeAgent(request, metadata=hub.operator.metadata, timeout=SECONDS)
        assert await agent.ended() is grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.aio.AioRpcError, match="UNAUTHENTICATED"):
        async with connected(hub, 1, credential):
            pass


async def test_an_enrolment_works_once(hub: Hub) -> None:
    token = await hub.enrolment()
    request = agent_service_pb2.EnrolRequest(token=token)
    tries = (hub.programs.agents.Enrol(request, timeout=SECONDS) for _ in range(5))

    async def outcome(one: grpc.aio.UnaryUnaryCall[object, object]) -> str:
        try:
            await one
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    assert sorted(await asyncio.gather(*(outcome(one) for one in tries))) == ["OK"] + ["UNAUTHENTICATED"] * 4


async def test_an_agent_cannot_touch_a_channel_that_is_not_its_own(hub: Hub) -> None:
    second = await hub.channel("second")
    api = await hub.session_api("shop", "main")
    queued = await send(hub, api)
    credential = await enrolled(hub, "intruder", "second")
    async with connected(hub, second, credential) as agent:
        agent.channel_id = 1
        await agent.report("LINKED", "666")
        await agent.send(group_report=agent_service_pb2.GroupReport(groups=[{"group_id": "1@g.us", "name": "x"}]))
        await agent.send(channel_hello=agent_service_pb2.ChannelHello(journal_id="0" * 32, first_sequence=1))
        await agent.send(credit=agent_service_pb2.Credit(window=8))
        agent.channel_id = second
        other = await hub.session_api("second", "second")
        mine = await send(hub, other)
        lease = await agent.lease()
        assert lease.provenance.operation_id == mine
    status = await hub.programs.status.GetStatus(
        channel_service_pb2.GetStatusRequest(), metadata=api.metadata, timeout=SECONDS
    )
    assert (status.channel, status.number) == (channel_service_pb2.CHANNEL_STATE_OFFLINE, "")
    groups = await hub.programs.status.ListGroups(
        channel_service_pb2.ListGroupsRequest(), metadata=api.metadata, timeout=SECONDS
    )
    assert not groups.groups
    assert (await find(hub, api, queued)).attempts == 0


async def test_rotation_lets_the_old_key_work_on_for_its_overlap(hub: Hub) -> None:
    api = await hub.session_api()
    stub, metadata = hub.operator.session_apis, hub.operator.metadata
    request = session_api_admin_service_pb2.RotateSessionApiRequest(session_api="shop")
    rotated = await stub.RotateSessionApi(request, metadata=metadata, timeout=SECONDS)
    new = SessionApi(id=api.id, name=api.name, channel=api.channel, key=rotated.key)
    assert len(rotated.session_api.key_ids) == 2
    assert await send(hub, api)
    assert await send(hub, new)
    request.overlap.seconds = 0
    ended = await stub.RotateSessionApi(request, metadata=metadata, timeout=SECONDS)
    assert len(ended.session_api.key_ids) == 1
    for key in (api, new):
        with pytest.raises(grpc.aio.AioRpcError):
            await send(hub, key)
    assert await send(hub, SessionApi(id=api.id, name=api.name, channel=api.channel, key=ended.key))


async def test_a_key_of_the_hosted_product_works_once_it_is_imported(hub: Hub) -> None:
    text = "hosted-product-key-0123456789"
    imports = [session_api_admin_service_pb2.ImportSessionApisRequest.Import(name="old", key=text)]
    request = session_api_admin_service_pb2.ImportSessionApisRequest(channel="main", imports=imports)
    api = SessionApi(id=0, name="old", channel="main", key=text)
    with pytest.raises(grpc.aio.AioRpcError):
        await send(hub, api)
    await hub.operator.session_apis.ImportSessionApis(request, metadata=hub.operator.metadata, timeout=SECONDS)
    assert await send(hub, api)
    imports = [
        session_api_admin_service_pb2.ImportSessionApisRequest.Import(name="new", key="another-hosted-key-42"),
        session_api_admin_service_pb2.ImportSessionApisRequest.Import(name="again", key=text),
    ]
    twice = session_api_admin_service_pb2.ImportSessionApisRequest(channel="main", imports=imports)
    with pytest.raises(grpc.aio.AioRpcError):
        await hub.operator.session_apis.ImportSessionApis(twice, metadata=hub.operator.metadata, timeout=SECONDS)
    listed = await hub.operator.session_apis.ListSessionApis(
        session_api_admin_service_pb2.ListSessionApisRequest(), metadata=hub.operator.metadata, timeout=SECONDS
    )
    assert [one.name for one in listed.session_apis] == ["old"]


async def test_a_batch_is_bounded_by_the_keys_quota(hub: Hub) -> None:
    api = await hub.session_api(settings=session_api_admin_service_pb2.SessionApiSettings(quota_per_day=3))
    item = message_service_pb2.SendMessageRequest(mobile="4930123456", message="x")
    batch = message_service_pb2.BatchSendMessagesRequest(requests=[item] * 3)
    await hub.programs.messages.BatchSendMessages(batch, metadata=api.metadata, timeout=SECONDS)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await send(hub, api)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_desktop_that_is_revoked_between_its_credential_and_its_hello_is_refused(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, let_in = Streams.connect, asyncio.Event()

    async def noted(streams: Streams, agent: Agent, frames: Frames, send: Sender) -> None:
        let_in.set()
        await connect(streams, agent, frames, send)

    monkeypatch.setattr(Streams, "connect", noted)
    bearer = f"Bearer {(await enrolled(hub)).credential}"
    call = hub.programs.agents.Connect(metadata=(("authorization", bearer),), timeout=SECONDS)
    await let_in.wait()
    revoked = agent_admin_service_pb2.RevokeAgentRequest(agent="desk")
    await hub.operator.agents.RevokeAgent(revoked, metadata=hub.operator.metadata, timeout=SECONDS)
    await call.write(agent_service_pb2.ConnectRequest(agent_hello=agent_service_pb2.AgentHello(version="test")))
    assert await call.code() is grpc.StatusCode.UNAUTHENTICATED
