"""The debugging pipe, over real descriptors and without a browser."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from messenger_hub_agent.whatsapp import pipe as module
from messenger_hub_agent.whatsapp.pipe import Pipe

SECONDS = 5


class Ends:
    """Our pipe, the browser's ends of it, and what our side was told."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[bytes] = asyncio.Queue(100)
        self.over = asyncio.Event()
        self.times_over = 0
        self.pipe: Pipe
        self.commands, self.replies = -1, -1

    def on_message(self, message: bytes) -> None:
        if message == b"bad":
            raise RuntimeError("a handler that raises")
        self.messages.put_nowait(message)

    def on_end(self) -> None:
        self.times_over += 1
        self.over.set()

    async def next(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.messages.get()

    async def until_over(self) -> None:
        async with asyncio.timeout(SECONDS):
            await self.over.wait()


@asynccontextmanager
async def ends() -> AsyncIterator[Ends]:
    opened = Ends()
    opened.commands, ours = os.pipe()
    read, opened.replies = os.pipe()
    opened.pipe = await Pipe.open(read, ours, opened.on_message, opened.on_end)
    try:
        yield opened
    finally:
        opened.pipe.close()
        await opened.until_over()
        for descriptor in (opened.commands, opened.replies):
            if descriptor >= 0:
                os.close(descriptor)


async def test_messages_end_with_a_nul_byte_however_the_stream_is_cut() -> None:
    async with ends() as opened:
        for chunk in (b"one\0tw", b"o", b"\0", b"\0three\0fo"):
            os.write(opened.replies, chunk)
        os.write(opened.replies, b"ur\0")
        assert [await opened.next() for _ in range(5)] == [b"one", b"two", b"", b"three", b"four"]


async def test_a_message_larger_than_any_buffer_arrives_whole() -> None:
    async with ends() as opened:
        large = bytes(range(1, 251)) * 10_000
        await asyncio.to_thread(_write_all, opened.replies, large + b"\0end\0")
        assert await opened.next() == large
        assert await opened.next() == b"end"


async def test_a_handler_that_raises_costs_its_message_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with ends() as opened:
        os.write(opened.replies, b"bad\0good\0")
        assert await opened.next() == b"good"
    assert [(record.message, record.exc_info is not None) for record in caplog.records] == [
        ("browser_event_handler_failed", True)
    ]


async def test_what_we_send_ends_with_a_nul_byte() -> None:
    async with ends() as opened:
        opened.pipe.send(b'{"id":1}')
        opened.pipe.send(b'{"id":2}')
        expected = b'{"id":1}\0{"id":2}\0'
        assert await asyncio.to_thread(os.read, opened.commands, len(expected)) == expected


async def test_the_other_sides_end_is_told_once_and_sending_then_is_no_error() -> None:
    async with ends() as opened:
        os.write(opened.replies, b"last\0cut of")
        os.close(opened.replies)
        os.close(opened.commands)
        opened.commands = opened.replies = -1
        assert await opened.next() == b"last"
        await opened.until_over()
        for _ in range(3):
            opened.pipe.send(b"nobody hears this")
        opened.pipe.close()
        opened.pipe.close()
    assert opened.times_over == 1
    assert opened.messages.empty()


async def test_closing_is_told_once_and_the_other_side_sees_both_ends_closed() -> None:
    async with ends() as opened:
        opened.pipe.close()
        await opened.until_over()
        assert await asyncio.to_thread(os.read, opened.commands, 1) == b""
        with pytest.raises(BrokenPipeError):
            os.write(opened.replies, b"x")
    assert opened.times_over == 1


async def test_a_message_without_end_ends_the_pipe_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_MESSAGE_BYTES", 1_000_000)
    async with ends() as opened:
        with pytest.raises(BrokenPipeError):
            await asyncio.to_thread(_write_all, opened.replies, b"x" * 3_000_000)
        await opened.until_over()
        assert opened.messages.empty()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
