"""One stream to a hub, over real gRPC: how it begins, and every way in which it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent import connection as subject
from messenger_hub_agent.connection import Connection, HubAway, HubRefused, enrol

from tests.fakes.clock import FakeClock
from tests.integration.agent.hub import SECONDS, Hub, serving

WA_JS = pb.WaJsStanding(in_use="4.6.0")
REPORT = pb.ConnectRequest(channel_id=1, channel_report=pb.ChannelReport(reason="x"))


@asynccontextmanager
async def dialled(hub: Hub) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(hub) as address, grpc.aio.insecure_channel(address) as channel:
        yield channel


@asynccontextmanager
async def connected(
    hub: Hub, clock: FakeClock | None = None
) -> AsyncIterator[tuple[Connection, asyncio.Task[HubAway]]]:
    """A connection whose stream is open, and the task that runs it, whose result is how the stream ended."""
    opened = asyncio.Event()
    async with dialled(hub) as channel:
        connection = Connection(channel, "mha_secret", "1.0", WA_JS, clock or FakeClock())
        async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
            running = group.create_task(_kept(connection, lambda _: opened.set()))
            await opened.wait()
            yield connection, running


async def _kept(connection: Connection, received: Callable[[pb.ConnectResponse], None]) -> HubAway:
    with pytest.raises(HubAway) as ended:
        await connection.run(received)
    return ended.value


async def test_the_first_frame_says_who_connects_and_the_credential_goes_beside_it() -> None:
    hub = Hub()
    async with connected(hub) as (connection, _):
        hello = (await hub.heard_of("agent_hello")).agent_hello
        assert (hello.version, hello.wa_js_version) == ("1.0", "4.6.0")
        assert hub.metadata["authorization"] == "Bearer mha_secret"
        await connection.finish()


async def test_finishing_sends_what_is_queued_first() -> None:
    hub = Hub()
    async with connected(hub) as (connection, running):
        for _ in range(50):
            connection.send(REPORT)
        await connection.finish()
        await running
        assert hub.heard.qsize() == 51
        assert hub.closed.is_set()


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED])
async def test_a_hub_that_does_not_want_this_agent_refuses_it(code: grpc.StatusCode) -> None:
    hub = Hub()
    hub.ends = (code, "This desktop was revoked.")
    async with dialled(hub) as channel:
        with pytest.raises(HubRefused, match="revoked"):
            await Connection(channel, "x", "1", WA_JS, FakeClock()).run(lambda _: None)


async def test_an_agent_that_was_pushed_out_by_its_copy_waits_before_it_comes_back() -> None:
    hub = Hub()
    hub.ends = (grpc.StatusCode.ABORTED, "Another stream of this desktop took over.")
    async with dialled(hub) as channel:
        with pytest.raises(HubAway) as away:
            await Connection(channel, "x", "1", WA_JS, FakeClock()).run(lambda _: None)
    assert away.value.wait_seconds >= 30


async def test_a_hub_that_is_not_there_is_away() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(HubAway, match="check the address"):
            await Connection(channel, "x", "1", WA_JS, FakeClock()).run(lambda _: None)


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNAUTHENTICATED,  # as gRPC has it for a web page with status 401
        grpc.StatusCode.PERMISSION_DENIED,  # 403
    ],
)
async def test_a_proxy_that_has_lost_the_hub_is_no_refusal(code: grpc.StatusCode) -> None:
    hub = Hub()
    hub.cut = (code, "Received RST_STREAM with error code 2")  # as nginx makes it
    async with dialled(hub) as channel:
        with pytest.raises(HubAway, match="check the address") as away:
            await Connection(channel, "x", "1", WA_JS, FakeClock()).run(lambda _: None)
    assert away.value.lost


async def test_a_stream_that_ends_for_reader_and_writer_at_once_is_told_once() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        connection = Connection(channel, "x", "1", WA_JS, FakeClock())
        connection._stub = _Ending()
        connection.send(REPORT)
        with pytest.raises(HubAway, match="check the address"):
            await connection.run(lambda _: None)


class _Ending:
    """A call that ends while a frame is being written: the reader hears why, the writer that it is over."""

    def __init__(self) -> None:
        self._hello = True
        self._writing = asyncio.Event()

    def Connect(self, **_: object) -> _Ending:  # noqa: N802
        return self

    async def write(self, _: pb.ConnectRequest) -> None:
        if not self._hello:
            self._writing.set()
            raise asyncio.InvalidStateError("RPC already finished.")
        self._hello = False

    async def read(self) -> object:
        await self._writing.wait()
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing, "Socket closed")

    def cancel(self) -> bool:
        return False


async def test_a_silent_agent_tells_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "SILENCE_SECONDS", 0.01)
    hub = Hub()
    async with connected(hub) as (connection, _):
        await hub.heard_of("heartbeat")
        await connection.finish()


async def test_a_hub_that_is_silent_for_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "DEAF_SECONDS", 0.05)
    async with connected(Hub()) as (_, running):
        await running


async def test_a_clock_that_jumps_ends_the_stream_and_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "CLOCK_SECONDS", 0.01)
    clock = _Jumping()
    async with connected(Hub(), clock) as (_, running):
        clock.ahead_ms = 3_000
        assert (await running).lost


class _Jumping(FakeClock):
    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


async def test_a_hub_that_does_not_keep_up_loses_the_stream_and_no_frame_grows_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, "OUTGOING", 10)
    async with connected(Hub()) as (connection, running):
        for _ in range(20):
            connection.send(REPORT)
        await running


async def test_a_token_is_traded_once() -> None:
    async with dialled(Hub()) as channel:
        assert (await enrol(channel, "good")).credential == "mha_secret"
        with pytest.raises(HubRefused, match="used already"):
            await enrol(channel, "bad")
