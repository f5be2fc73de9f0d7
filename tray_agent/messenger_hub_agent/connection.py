"""One stream to the hub, used once: enrolment, the hello of the agent, frames both ways, heartbeats."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable
from typing import Protocol

import grpc
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub.agent.v1 import agent_service_pb2_grpc as rpc
from messenger_hub.runtime.clock import Clock
from messenger_hub.runtime.dial import bearer
from messenger_hub.runtime.failpoints import Failpoint, passing, passing_frame
from messenger_hub.runtime.failures import innermost

OUTGOING = 10_000  # frames
SILENCE_SECONDS = 45.0  # then a heartbeat
DEAF_SECONDS = 3 * SILENCE_SECONDS  # then the stream is given up
ENROL_SECONDS = 20.0
DECIDE_SECONDS = 60.0
FINISH_SECONDS = 3.0
CLOCK_SECONDS = 1.0
JUMP_SECONDS = 2.0
TAKEN_OVER_SECONDS = 30.0  # a copy of this folder runs somewhere: the two must not push each other out all the time

BEFORE_FRAME = {
    "channel_hello": Failpoint.AGENT_BEFORE_HELLO,
    "journal_page": Failpoint.AGENT_BEFORE_PAGE,
    "credit": Failpoint.AGENT_BEFORE_CREDIT,
    "intent": Failpoint.AGENT_BEFORE_INTENT,
    "end": Failpoint.AGENT_BEFORE_END,
    "receipt": Failpoint.AGENT_BEFORE_RECEIPT,
    "returns": Failpoint.AGENT_BEFORE_RETURNS,
}
AFTER_FRAME = {
    "channel_hello": Failpoint.AGENT_AFTER_HELLO,
    "journal_page": Failpoint.AGENT_AFTER_PAGE,
    "credit": Failpoint.AGENT_AFTER_CREDIT,
    "intent": Failpoint.AGENT_AFTER_INTENT,
    "end": Failpoint.AGENT_AFTER_END,
    "receipt": Failpoint.AGENT_AFTER_RECEIPT,
    "returns": Failpoint.AGENT_AFTER_RETURNS,
}
GOT_FRAME = {
    "assignments": Failpoint.AGENT_GOT_ASSIGNMENTS,
    "recall": Failpoint.AGENT_GOT_RECALL,
    "journal_refused": Failpoint.AGENT_GOT_REFUSAL,
    "welcome": Failpoint.AGENT_GOT_WELCOME,
    "leases": Failpoint.AGENT_GOT_LEASES,
    "goes": Failpoint.AGENT_GOT_GOES,
    "acknowledged": Failpoint.AGENT_GOT_ACK,
}


class HubRefused(Exception):
    """The hub does not want this agent; `sentence` says why. Trying again does not help."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class HubAway(Exception):
    """The hub cannot be reached, or the stream ended. `wait_seconds`: do not try again before. `lost`: nobody has refused it."""

    def __init__(self, sentence: str, *, wait_seconds: float = 0.0, lost: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.wait_seconds = wait_seconds
        self.lost = lost


async def enrol(channel: grpc.aio.Channel, token: str) -> pb.EnrolResponse:
    """Trades the one-time token. Raises HubRefused or HubAway."""
    stub = rpc.AgentServiceStub(channel)
    try:
        answer: pb.EnrolResponse = await stub.Enrol(pb.EnrolRequest(token=token), timeout=ENROL_SECONDS)
    except grpc.aio.AioRpcError as error:
        raise _told(error) from error
    return answer


class _Call(Protocol):
    """The library's call, as far as it is used."""

    async def read(self) -> object: ...
    async def write(self, frame: pb.ConnectRequest) -> None: ...
    async def done_writing(self) -> None: ...
    def cancel(self) -> bool: ...


class Connection:
    """One life of the bidirectional stream."""

    def __init__(
        self, channel: grpc.aio.Channel, credential: str, version: str, wa_js: pb.WaJsStanding, clock: Clock
    ) -> None:
        self._clock = clock
        self._stub = rpc.AgentServiceStub(channel)
        self._credential = credential
        self._hello = pb.AgentHello(
            version=version,
            wa_js_version=wa_js.in_use,
            platform=f"{platform.system()} {platform.release()}",
            wa_js_standing=wa_js,
            examines=True,
        )
        self._outgoing: asyncio.Queue[pb.ConnectRequest | None] = asyncio.Queue(OUTGOING)
        self._finished = asyncio.Event()
        self._overrun = asyncio.Event()

    async def decide_backlog(self, channel_id: int, cancel_accepted_before_ms: int | None) -> None:
        """Tells the hub what a person wants done with a backlog. Raises HubRefused or HubAway."""
        wanted = pb.DecideBacklogRequest(channel_id=channel_id)
        if cancel_accepted_before_ms is not None:
            wanted.cancel_accepted_before.FromMilliseconds(cancel_accepted_before_ms)
        try:
            await self._stub.DecideBacklog(wanted, metadata=bearer(self._credential), timeout=DECIDE_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise _told(error) from error
        except (grpc.aio.UsageError, asyncio.InvalidStateError) as error:
            raise HubAway("the connection has ended", lost=True) from error

    @property
    def wa_js_version(self) -> str:
        """As the hello has told it."""
        return self._hello.wa_js_version

    def send(self, frame: pb.ConnectRequest) -> None:
        """Queues a frame. When the hub takes none for long, the stream ends: its next hello brings everything."""
        try:
            self._outgoing.put_nowait(frame)
        except asyncio.QueueFull:
            self._overrun.set()

    async def finish(self) -> None:
        """Sends what is queued, then ends the stream; `run` says HubAway. Waits at most FINISH_SECONDS. May be called again."""
        try:
            self._outgoing.put_nowait(None)
        except asyncio.QueueFull:
            self._overrun.set()
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await self._finished.wait()
        except TimeoutError:
            return

    async def run(self, received: Callable[[pb.ConnectResponse], None]) -> None:
        """Until the stream ends, which it says by HubRefused or HubAway."""
        call: _Call = self._stub.Connect(metadata=bearer(self._credential))
        try:
            passing(Failpoint.AGENT_BEFORE_STREAM)
            await call.write(pb.ConnectRequest(agent_hello=self._hello))
            passing(Failpoint.AGENT_AFTER_STREAM)
            async with asyncio.TaskGroup() as group:
                helpers = [
                    group.create_task(one) for one in (self._write(call), self._watch_clocks(), self._watch_overrun())
                ]
                await self._read(call, received)
                for helper in helpers:
                    helper.cancel()
        except* (HubAway, grpc.aio.AioRpcError, asyncio.InvalidStateError) as errors:
            # In one clause: reader and writer often learn of the end together, each in its own way.
            raise _reason(errors) from errors
        finally:
            self._finished.set()
            call.cancel()
        raise HubAway("The hub ended the stream.", lost=True)

    async def _read(self, call: _Call, received: Callable[[pb.ConnectResponse], None]) -> None:
        while True:
            try:
                async with asyncio.timeout(DEAF_SECONDS):
                    frame = await call.read()
            except TimeoutError as error:
                raise HubAway("The hub was silent for too long.", lost=True) from error
            if not isinstance(frame, pb.ConnectResponse):
                return  # the library's end-of-stream mark
            passing_frame(GOT_FRAME, frame)
            received(frame)

    async def _write(self, call: _Call) -> None:
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    frame = await self._outgoing.get()
            except TimeoutError:
                frame = pb.ConnectRequest(heartbeat=pb.Heartbeat())
            if frame is None:
                await call.done_writing()
                return
            passing_frame(BEFORE_FRAME, frame)
            await call.write(frame)
            passing_frame(AFTER_FRAME, frame)

    async def _watch_overrun(self) -> None:
        await self._overrun.wait()
        raise HubAway("The hub does not keep up.")

    async def _watch_clocks(self) -> None:
        """Epochs decide, not clocks; but `expires_at` and the pace are read from them, so a jump is a reason to say hello again."""
        apart = self._apart_seconds()
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            if abs(self._apart_seconds() - apart) > JUMP_SECONDS:
                raise HubAway("This desktop's clock was changed.", lost=True)

    def _apart_seconds(self) -> float:
        return self._clock.now_ms() / 1000 - self._clock.monotonic()


def _reason(errors: BaseExceptionGroup[Exception]) -> HubRefused | HubAway:
    """The most telling of those that came together."""
    if away := errors.subgroup(HubAway):
        return innermost(away, HubAway)
    if broken := errors.subgroup(grpc.aio.AioRpcError):
        return _told(innermost(broken, grpc.aio.AioRpcError))
    return HubAway("The stream ended.", lost=True)


def _told(error: grpc.aio.AioRpcError) -> HubRefused | HubAway:
    if error.code() is grpc.StatusCode.UNAVAILABLE or not _said_by_hub(error):
        # The library's words, and those of a proxy between, are about sockets; a proxy's 401 or 403 is no word of the hub's.
        return HubAway("check the address, and that the hub runs", lost=True)
    if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return HubRefused(error.details() or "The hub refused this desktop.")
    if error.code() is grpc.StatusCode.ABORTED:
        return HubAway(error.details() or "Another stream took over.", wait_seconds=TAKEN_OVER_SECONDS)
    return HubAway(error.details() or error.code().name)


def _said_by_hub(error: grpc.aio.AioRpcError) -> bool:
    """The hub gives the details of each refusal; a broken connection and a proxy that has lost the hub do not."""
    trailing = error.trailing_metadata() or ()
    return any(key == "grpc-status-details-bin" for key, _ in trailing)
