"""Reads and writes of a gRPC call that go on to their end when nobody waits for them any more.

grpc.aio frees what it holds for one only when the coroutine that awaits it goes on (grpc/grpc#43360): whoever cancels that coroutine
leaks it, with the message that had come. So only the waiting is cancelled. The read or write itself ends with its call, at the latest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

READ_AHEAD = 8  # frames of a call, of at most 1 MiB each

# The event loop holds its tasks weakly.
_going_on: set[asyncio.Task[Any]] = set()


async def unbroken(operation: Coroutine[Any, Any, T]) -> T:
    """What it returns or raises. A cancellation reaches the caller at once, and the operation never."""
    task = _going(operation)
    try:
        return await asyncio.shield(task)
    finally:
        del task  # it holds its error, whose traceback holds this frame


async def unbroken_reads(frames: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The same frames. One task reads them, READ_AHEAD at most before they are taken, until this is closed: left to the garbage
    collector, it would hold the call, and its client would wait for room to write until then."""
    ahead = _Ahead(frames)
    try:
        while (frame := await ahead.take()) is not None:
            yield frame
    finally:
        ahead.abandon()


class _Ahead:
    """Frames that were read and not taken yet."""

    def __init__(self, frames: AsyncIterator[bytes]) -> None:
        self._frames = frames
        self._read: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(READ_AHEAD)
        self._abandoned = False
        self._reading = _going(self._run())

    async def _run(self) -> None:
        try:
            async for frame in self._frames:
                self._read.put_nowait(frame)
                await self._room.acquire()
                if self._abandoned:
                    return
        finally:
            self._read.put_nowait(None)

    async def take(self) -> bytes | None:
        """The next frame, or None after the last. Raises what reading raised."""
        frame = await self._read.get()
        self._room.release()
        if frame is None:
            await self._reading
        return frame

    def abandon(self) -> None:
        """Nobody takes any more: what is under way ends where it is, and nothing more is read."""
        self._abandoned = True
        self._room.release()


def _going(operation: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.ensure_future(operation)
    _going_on.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _going_on.discard(task)
    if not task.cancelled():
        task.exception()  # seen: how a call ends that nobody waits for concerns nobody
