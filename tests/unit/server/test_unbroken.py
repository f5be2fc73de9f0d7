"""Whoever waits for a read or a write of a gRPC call may be cancelled; the read or write is not, because gRPC would leak it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.rpc.reading import read_all
from messenger_hub_server.rpc.unbroken import READ_AHEAD, unbroken, unbroken_reads

SECONDS = 10.0


class Call:
    """What gRPC's side of a call sees: `arrive` lets what is under way come to its end."""

    def __init__(self) -> None:
        self.begun, self.arrive, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.told = "nothing"

    async def operation(self) -> str:
        self.begun.set()
        try:
            await self.arrive.wait()
            self.told = "ended"
        except asyncio.CancelledError:
            self.told = "cancelled"
            raise
        finally:
            self.over.set()
        return "answer"

    async def frames(self) -> AsyncIterator[bytes]:
        await self.operation()
        yield b""


class Source:
    """Frames without an end, each a credit of its own number. `given`: how many were asked for."""

    def __init__(self) -> None:
        self.given = 0
        self._gave = asyncio.Condition()

    async def frames(self) -> AsyncIterator[bytes]:
        while True:
            async with self._gave:
                self.given += 1
                self._gave.notify_all()
            yield b"\x08%c" % self.given

    async def has_given(self, count: int) -> None:
        async with asyncio.timeout(SECONDS), self._gave:
            await self._gave.wait_for(lambda: self.given >= count)


async def test_what_an_operation_returns_or_raises_reaches_its_caller() -> None:
    call = Call()
    call.arrive.set()
    assert await unbroken(call.operation()) == "answer"
    with pytest.raises(ZeroDivisionError):
        await unbroken(_fails())


async def test_an_operation_goes_on_when_its_caller_is_cancelled() -> None:
    call = Call()
    waiting = asyncio.ensure_future(unbroken(call.operation()))
    await _cancelled_on_the_way(waiting, call)
    assert call.told == "ended"


async def test_a_read_goes_on_when_the_reader_of_a_stream_is_cancelled() -> None:
    call = Call()
    waiting = asyncio.ensure_future(_all(read_all(pb.ConnectRequest, call.frames())))
    await _cancelled_on_the_way(waiting, call)
    assert call.told == "ended"


async def test_all_frames_of_a_stream_are_read_an_empty_one_too() -> None:
    call = Call()
    call.arrive.set()
    assert await _all(read_all(pb.ConnectRequest, call.frames())) == [pb.ConnectRequest()]


async def test_a_stream_is_read_no_further_than_its_frames_are_taken() -> None:
    source = Source()
    reads = unbroken_reads(source.frames())
    assert [await anext(reads) for _ in range(3)] == [b"\x08\x01", b"\x08\x02", b"\x08\x03"]
    await source.has_given(3 + READ_AHEAD + 1)  # the last one waits for its place
    await asyncio.to_thread(int)  # the loop turns meanwhile
    assert source.given == 3 + READ_AHEAD + 1
    await anext(reads)
    await source.has_given(3 + READ_AHEAD + 2)
    await reads.aclose()


@pytest.mark.parametrize("read", [unbroken_reads, partial(read_all, pb.Credit)])
async def test_a_reader_that_is_full_ends_when_its_stream_is_closed(
    read: Callable[[AsyncIterator[bytes]], AsyncGenerator[object, None]],
) -> None:
    source = Source()
    reads = read(source.frames())
    await anext(reads)
    await source.has_given(1 + READ_AHEAD + 1)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await reads.aclose()
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*others)


async def test_a_reader_that_is_full_ends_with_the_loop() -> None:
    source = Source()
    reads = unbroken_reads(source.frames())
    await anext(reads)
    await source.has_given(1 + READ_AHEAD + 1)
    (reading,) = asyncio.all_tasks() - {asyncio.current_task()}
    reading.cancel()
    ended, _ = await asyncio.wait([reading], timeout=SECONDS)
    assert ended == {reading}


async def test_what_reading_raises_reaches_whoever_takes_after_the_frames_before_it() -> None:
    reads = unbroken_reads(_breaks_off())
    assert await anext(reads) == b"frame"
    with pytest.raises(ZeroDivisionError):
        await anext(reads)


async def _breaks_off() -> AsyncIterator[bytes]:
    yield b"frame"
    raise ZeroDivisionError


async def _fails() -> None:
    raise ZeroDivisionError


async def _all(frames: AsyncIterator[pb.ConnectRequest]) -> list[pb.ConnectRequest]:
    return [frame async for frame in frames]


async def _cancelled_on_the_way(waiting: asyncio.Future[object], call: Call) -> None:
    """The caller is gone at once, while the operation is still under way; then that ends."""
    async with asyncio.timeout(SECONDS):
        await call.begun.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not call.over.is_set()
        call.arrive.set()
        await call.over.wait()
