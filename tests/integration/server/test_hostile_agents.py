"""An enrolled agent that lies: its stream ends with a sentence, its channel is not lost, and no other channel notices."""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.runtime import log
from messenger_hub.v1 import channel_service_pb2, operation_pb2
from messenger_hub_server.app import LOG_FIELDS

from tests.integration.server.agent import ScriptedAgent, connected, enrolled
from tests.integration.server.hub import BASE, SECONDS, Hub, SessionApi
from tests.torture.hostile.contract import PHONE, TEXT
from tests.torture.hostile.oracle import judge_log

WA_ID = "3EB0" + "0" * 18
LEASE = "0" * 16
MEGABYTE = 1_000_000
OUT_OF_TIME = Timestamp(seconds=2**62)


@pytest.fixture(autouse=True)
def clean_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """The hub's log as a process writes it; at the end it holds no fault, no phone number and no text."""
    kept, level, stream = logging.getLogger().handlers[:], logging.getLogger().level, io.StringIO()
    log.configure(LOG_FIELDS, form="json", stream=stream)
    yield stream
    logging.getLogger().handlers[:] = kept
    logging.getLogger().setLevel(level)
    structlog.reset_defaults()
    assert judge_log(stream.getvalue(), []) == []


# ---- the honest one -------------------------------------------------------------------------------------------------------------


async def ask(hub: Hub, api: SessionApi, number: int = 0) -> int:
    """Queues a message."""
    body = {"mobile": PHONE, "message": f"{TEXT} {number}"}
    async with hub.http.post(f"{BASE}/send", json=body, headers=api.headers) as answer:
        assert answer.status == 201
        return int((await answer.json())["data"]["message_id"])


async def looked_up(hub: Hub, api: SessionApi, operation: int) -> dict[str, Any]:
    async with hub.http.get(f"{BASE}/operations/{operation}", headers=api.headers) as answer:
        assert answer.status == 200
        return dict((await answer.json())["data"])


@asynccontextmanager
async def neighbour(hub: Hub) -> AsyncIterator[tuple[ScriptedAgent, SessionApi]]:
    """Another channel, with an agent that does its work."""
    channel = await hub.channel("other")
    api = await hub.session_api("honest", "other")
    credential = await enrolled(hub, "honest", "other")
    async with connected(hub, channel, credential) as agent:
        yield agent, api


async def works(hub: Hub, agent: ScriptedAgent, api: SessionApi) -> None:
    """A message goes all the way."""
    operation = await ask(hub, api)
    await agent.carry_out("SENT")
    assert (await looked_up(hub, api, operation))["status"] == "sent"


async def ended(agent: ScriptedAgent) -> tuple[grpc.StatusCode, str]:
    """With what the hub ends the stream."""
    code = await agent.ended()
    return code, str(await agent._call.details())


# ---- single frames --------------------------------------------------------------------------------------------------------------


def entry(sequence: int = 1, **fact: Any) -> pb.JournalEntry:
    return pb.JournalEntry(sequence=sequence, whatsapp_id=WA_ID, **(fact or {"outcome": pb.Outcome(kind=2)}))


def entries(*which: pb.JournalEntry) -> pb.ConnectRequest:
    return pb.ConnectRequest(journal_entries=pb.JournalEntries(entries=which))


def report(**fields: Any) -> pb.ConnectRequest:
    return pb.ConnectRequest(channel_report=pb.ChannelReport(state=5, **fields))


def back(**how: Any) -> pb.ConnectRequest:
    return pb.ConnectRequest(returns=pb.Returns(returns=[pb.Return(lease_id=LEASE, **how)]))


def hello(**fields: Any) -> pb.ConnectRequest:
    given = {"journal_id": "a" * 32, "first_sequence": 1, **fields}
    return pb.ConnectRequest(channel_hello=pb.ChannelHello(**given))


def page(*which: pb.JournalEntry) -> pb.ConnectRequest:
    return pb.ConnectRequest(journal_page=pb.JournalPage(entries=which, last=True))


def examined(*pages: pb.Examination.Page, **fields: Any) -> pb.ConnectRequest:
    return pb.ConnectRequest(examination=pb.Examination(pages=pages, **fields))


FORBIDDEN = {
    "a look at itself out of time": (examined(at=OUT_OF_TIME), "no time"),
    "less than nothing on a disk": (examined(free_bytes=-1), "must not be negative"),
    "more than 1000 pages": (examined(*[pb.Examination.Page()] * 1001), "at most 1000"),
    "more than 1000 names": (examined(pb.Examination.Page(missing=["x"] * 1001)), "at most 1000 names"),
    "a name of a megabyte": (examined(pb.Examination.Page(resolved=["x" * MEGABYTE])), "names of 128 characters"),
    "needed names without end": (examined(pb.Examination.Page(lacking=["x"] * 1001)), "at most 1000 names"),
    "no frame": (pb.ConnectRequest(), "out of place"),
    "a second agent hello": (pb.ConnectRequest(agent_hello=pb.AgentHello()), "out of place"),
    "a page that nobody asked for": (page(), "without a recall"),
    "a page with more than 500": (page(*map(entry, range(1, 502))), "0 to 500"),
    "no entries": (entries(), "1 to 500"),
    "more than 500 entries": (entries(*map(entry, range(1, 502))), "1 to 500"),
    "an entry too early": (entries(entry(2)), "came after 0"),
    "the entry 0": (entries(entry(0)), "came after 0"),
    "a negative entry": (entries(entry(-1)), "came after 0"),
    "the last entry that there can be": (entries(entry(2**63 - 1)), "came after 0"),
    "an entry twice": (entries(entry(1), entry(1)), "came after 1"),
    "an entry without a fact": (entries(pb.JournalEntry(sequence=1, whatsapp_id=WA_ID)), "no known outcome"),
    "an outcome without a kind": (entries(entry(outcome=pb.Outcome())), "no known outcome"),
    "an outcome of an unknown kind": (entries(entry(outcome=pb.Outcome(kind=99))), "no known outcome"),  # type: ignore[arg-type]
    "an id of a megabyte": (entries(pb.JournalEntry(sequence=1, whatsapp_id="x" * MEGABYTE)), "128 characters"),
    "an intent out of time": (entries(entry(intent=pb.Lease(expires_at=OUT_OF_TIME))), "no time"),
    "an intent accepted out of time": (
        entries(entry(intent=pb.Lease(provenance=pb.Provenance(accepted_at=OUT_OF_TIME)))),
        "no time",
    ),
    "a negative operation": (
        entries(entry(intent=pb.Lease(provenance=pb.Provenance(operation_id=-1)))),
        "must not be negative",
    ),
    "a negative credit": (pb.ConnectRequest(credit=pb.Credit(window=-1)), "between 0 and 1024"),
    "a credit of more than 1024": (pb.ConnectRequest(credit=pb.Credit(window=1025)), "between 0 and 1024"),
    "an enormous credit": (pb.ConnectRequest(credit=pb.Credit(window=2**31 - 1)), "between 0 and 1024"),
    "no returns": (pb.ConnectRequest(returns=pb.Returns()), "1 to 500"),
    "more than 500 returns": (pb.ConnectRequest(returns=pb.Returns(returns=[pb.Return()] * 501)), "1 to 500"),
    "a return until out of time": (back(release=pb.Release(not_before=OUT_OF_TIME)), "no time"),
    "a journal without an id": (hello(journal_id=""), "32 hexadecimal digits"),
    "a journal id that is none": (hello(journal_id="../../etc/passwd"), "32 hexadecimal digits"),
    "a journal id of a megabyte": (hello(journal_id="a" * MEGABYTE), "32 hexadecimal digits"),
    "a journal that begins with 0": (hello(first_sequence=0), "from 1 to"),
    "a journal that begins before 0": (hello(first_sequence=-(2**63)), "from 1 to"),
    "a journal that begins after its end": (hello(first_sequence=2**63 - 1), "from 1 to"),
    "a journal that ends before 0": (hello(last_sequence=-1, first_sequence=0), "from 1 to"),
    "a negative epoch": (hello(epoch=-1), "must not be negative"),
    "a negative acknowledgement": (hello(acknowledged_sequence=-1), "must not be negative"),
    "an account that is no number": (report(account="49-30"), "digits"),
    "an account of a megabyte": (report(account="1" * MEGABYTE), "digits"),
    "a QR text of a megabyte": (report(qr_text="x" * MEGABYTE), "qr_text"),
    "a pairing code of a megabyte": (report(pairing_code="x" * MEGABYTE), "pairing_code"),
    "a restriction until out of time": (report(restricted_until=OUT_OF_TIME), "no time"),
    "a next message out of time": (report(next_send_at=Timestamp(seconds=1, nanos=-1)), "no time"),
    "too many groups": (
        pb.ConnectRequest(group_report=pb.GroupReport(groups=[pb.Group(group_id="1")] * 20_001)),
        "at most 20000",
    ),
    "a group id of a megabyte": (
        pb.ConnectRequest(group_report=pb.GroupReport(groups=[pb.Group(group_id="1" * MEGABYTE)])),
        "128 characters",
    ),
}


@pytest.mark.parametrize(("frame", "sentence"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
async def test_a_frame_that_the_contract_forbids_ends_the_stream_with_a_sentence(
    hub: Hub, frame: pb.ConnectRequest, sentence: str
) -> None:
    api, credential = await hub.session_api(), await enrolled(hub)
    async with neighbour(hub) as (honest, others):
        async with connected(hub, 1, credential) as liar:
            frame.channel_id = 1
            await liar.write(frame)
            code, told = await ended(liar)
            assert code is grpc.StatusCode.INVALID_ARGUMENT
            assert sentence in told
            assert len(told) < 500
        await works(hub, honest, others)
    async with connected(hub, 1, credential) as again:
        await works(hub, again, api)


HARMLESS = {
    "a frame of a channel that is not there": pb.ConnectRequest(channel_id=2**62, credit=pb.Credit(window=-1)),
    "a frame of a negative channel": pb.ConnectRequest(channel_id=-1, channel_report=pb.ChannelReport(state=5)),
    "a state that is none": pb.ConnectRequest(channel_id=1, channel_report=pb.ChannelReport(state=99)),  # type: ignore[arg-type]
    "a reason of a megabyte with NUL": pb.ConnectRequest(
        channel_id=1, channel_report=pb.ChannelReport(state=5, account="4930999", reason="\0\u202e" * 200_000)
    ),
    "groups with every kind of text": pb.ConnectRequest(
        channel_id=1,
        group_report=pb.GroupReport(groups=[pb.Group(group_id="\0", name="\0" * 1000, participants=-(2**31))]),
    ),
    "a return of what it does not hold": back(expired=pb.Expired()),
    "a return that says nothing, of what it does not hold": back(),
    "a receipt of nothing": entries(entry()),
}


@pytest.mark.parametrize("frame", HARMLESS.values(), ids=HARMLESS.keys())
async def test_a_frame_that_means_nothing_here_changes_nothing(hub: Hub, frame: pb.ConnectRequest) -> None:
    api, credential = await hub.session_api(), await enrolled(hub)
    async with connected(hub, 1, credential) as agent:
        frame.channel_id = frame.channel_id or 1
        if frame.WhichOneof("frame") == "journal_entries":
            agent.sequence = 1
        await agent.write(frame)
        await works(hub, agent, api)
        for path in ("/groups", "/status"):
            async with hub.http.get(f"{BASE}{path}", headers=api.headers) as answer:
                assert (answer.status, len(await answer.read()) < 5_000) == (200, True)


# ---- bytes ----------------------------------------------------------------------------------------------------------------------


async def test_bytes_that_are_no_message_are_told_so_on_every_kind_of_call(hub: Hub) -> None:
    api, credential = await hub.session_api(), await enrolled(hub)
    channel, key = hub.programs.channel, api.metadata
    calls = [
        channel.unary_unary("/messenger_hub.v1.MessageService/SendMessage")(b"\xff", metadata=key, timeout=SECONDS),
        channel.unary_unary("/messenger_hub.agent.v1.AgentService/Enrol")(b"\x0a\x05a", timeout=SECONDS),
        channel.unary_unary("/grpc.health.v1.Health/Check")(b"\xff", timeout=SECONDS),
        channel.unary_stream("/messenger_hub.v1.OperationService/WatchOperations")(
            b"\x0b" * 9, metadata=key, timeout=SECONDS
        ),
        channel.unary_stream("/grpc.health.v1.Health/Watch")(b"\x0a\x02\xff\xff", timeout=SECONDS),
    ]
    bearer = (("authorization", f"Bearer {credential.credential}"),)
    for path, metadata in (
        ("/messenger_hub.agent.v1.AgentService/Connect", bearer),
        ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", ()),
    ):
        stream = channel.stream_stream(path)(metadata=metadata, timeout=SECONDS)
        await stream.write(b"\xff" * 10)
        calls.append(stream)
    for call in calls:
        assert (await call.code(), await call.details()) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "The bytes are no message of this call: generate the client from the hub's own contract.",
        )
    health = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=SECONDS)
    assert health_pb2.HealthCheckResponse.FromString(await health).status == health_pb2.HealthCheckResponse.SERVING


async def test_bytes_that_are_no_frame_end_a_stream_that_has_begun(hub: Hub) -> None:
    api, credential = await hub.session_api(), await enrolled(hub)
    metadata = (("authorization", f"Bearer {credential.credential}"),)
    async with neighbour(hub) as (honest, others):
        call = hub.programs.channel.stream_stream("/messenger_hub.agent.v1.AgentService/Connect")(
            metadata=metadata, timeout=SECONDS
        )
        await call.write(pb.ConnectRequest(agent_hello=pb.AgentHello()).SerializeToString())
        assert await call.read() is not grpc.aio.EOF
        await call.write(b"\x08\x01\x1a\xff")
        assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
        await works(hub, honest, others)
    async with connected(hub, 1, credential) as again:
        await works(hub, again, api)


# ---- lies ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [10**6, 2**53, 2**62, 2**63 - 2, 2**63 - 1])
async def test_an_epoch_from_the_future_locks_nobody_out(hub: Hub, epoch: int) -> None:
    """It is believed up to a limit, as the hub may be an older copy; the honest agent gets the next one."""
    api, credential = await hub.session_api(), await enrolled(hub)
    async with neighbour(hub) as (honest, others):
        async with connected(hub, 1, credential, hello=False) as liar:
            for _ in range(3):
                await liar.hello(epoch=epoch)
        await works(hub, honest, others)
    async with connected(hub, 1, credential, hello=False) as again:
        await again.hello(epoch=7)
        await works(hub, again, api)


LYING_HELLOS = {
    "all of it acknowledged": {"acknowledged_sequence": 2**62},
    "all of it forgotten": {"first_sequence": 2**62 + 1, "last_sequence": 2**62},
    "pages that never come": {"last_sequence": 2**62},
    "leases that are nobody's": {"open_lease_ids": [LEASE] * 50_000},
}


@pytest.mark.parametrize("told", LYING_HELLOS.values(), ids=LYING_HELLOS.keys())
async def test_a_hello_that_lies_about_its_journal_is_over_with_the_next_one(hub: Hub, told: dict[str, Any]) -> None:
    api, credential = await hub.session_api(), await enrolled(hub)
    async with neighbour(hub) as (honest, others):
        async with connected(hub, 1, credential, hello=False) as liar:
            given = {"journal_id": "f" * 32, "first_sequence": 1, **told}
            await liar.send(channel_hello=pb.ChannelHello(**given))
            await works(hub, honest, others)
            operation = await ask(hub, api)
            await liar.send(journal_page=pb.JournalPage(last=False))
        await works(hub, honest, others)
    async with connected(hub, 1, credential) as again:
        await again.carry_out("SENT")
        assert (await looked_up(hub, api, operation))["status"] == "sent"
        await works(hub, again, api)


async def test_a_long_journal_is_taken_over_while_nobody_queues_anything(hub: Hub) -> None:
    """Its imports need operation ids, which are at hand for every page."""
    api, credential = await hub.session_api(), await enrolled(hub)
    last = 12_000
    async with connected(hub, 1, credential, hello=False) as agent:
        agent.sequence = last
        told = pb.ChannelHello(journal_id=agent.journal_id, first_sequence=1, last_sequence=last)
        await agent.send(channel_hello=told)
        await agent.next("recall")
        for first in range(1, last, 500):
            page = [entry(sequence) for sequence in range(first, first + 500)]
            await agent.send(journal_page=pb.JournalPage(entries=page, last=first + 499 == last))
        assert (await agent.next("welcome")).welcome.epoch == 1
        await agent.send(credit=pb.Credit(window=8))
        await works(hub, agent, api)


async def test_the_same_end_twice_and_another_end_after_it_count_once(hub: Hub) -> None:
    api, credential = await hub.session_api(), await enrolled(hub)
    async with connected(hub, 1, credential) as agent:
        operation = await ask(hub, api)
        lease = await agent.carry_out("SENT")
        await agent.end(lease, "SENT")
        await agent.end(lease, "VOID")
        await agent.end(lease, "FAILED", "made_up")
        await agent.end(lease, "UNCERTAIN", "made_up")
        found = await looked_up(hub, api, operation)
        assert (found["status"], [one["status"] for one in found["timeline"]]) == (
            "sent",
            ["pending", "processing", "sent"],
        )
        assert not await agent.start(lease)


async def test_a_reason_of_a_megabyte_is_cut_and_the_operation_ends_as_told(hub: Hub) -> None:
    api, credential = await hub.session_api(), await enrolled(hub)
    async with connected(hub, 1, credential) as agent:
        operation = await ask(hub, api)
        lease = await agent.lease()
        assert await agent.start(lease)
        problem = operation_pb2.Problem(code="c" * 50_000, message="x" * 900_000)
        await agent.entry(lease, outcome=pb.Outcome(kind=pb.Outcome.KIND_FAILED, problem=problem))
        while (await agent.next("acknowledged")).acknowledged.sequence < agent.sequence:
            pass
        found = await looked_up(hub, api, operation)
        assert (found["status"], len(found["reason"])) == ("failed", 1_000)


async def test_a_version_of_a_megabyte_does_not_reach_the_log(hub: Hub, clean_log: io.StringIO) -> None:
    credential = await enrolled(hub)
    call = hub.programs.agents.Connect(metadata=(("authorization", f"Bearer {credential.credential}"),))
    await call.write(pb.ConnectRequest(agent_hello=pb.AgentHello(version="v" * MEGABYTE, platform="p" * 10_000)))
    assert (await call.read()).WhichOneof("frame") == "assignments"
    call.cancel()
    assert "agent connected" in clean_log.getvalue()
    assert len(clean_log.getvalue()) < 5_000


async def test_what_a_page_is_said_to_show_does_not_break_what_others_are_shown(hub: Hub) -> None:
    credential = await enrolled(hub)
    async with connected(hub, 1, credential, linked=False, hello=False) as agent:
        latest = Timestamp(seconds=253_402_300_799)
        state = channel_service_pb2.CHANNEL_STATE_RESTRICTED
        await agent.send(
            channel_report=pb.ChannelReport(
                state=state, account="1", restricted_until=latest, next_send_at=latest, reason="\0"
            )
        )
        await agent.hello()
        api = await hub.session_api()
        async with hub.http.get(f"{BASE}/status", headers=api.headers) as answer:
            assert (answer.status, (await answer.json())["data"]["channel"]) == (200, "restricted")
